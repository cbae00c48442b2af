"""What holds for every test: it says what it is about, and in CI nothing is skipped for want of a tool."""

from __future__ import annotations

import os
import signal
from functools import cache
from typing import TYPE_CHECKING, Any

import pytest
from botocore.client import ClientCreator
from botocore.loaders import JSONFileLoader
from hypothesis import settings
from xdist.scheduler import LoadScopeScheduling

from tests import recorded
from tests.pulse import Pulse

if TYPE_CHECKING:
    from collections.abc import Iterator

    from botocore.model import ServiceModel

# In CI the same examples every time: what it says about a change must not depend on chance. At home chance searches on.
# Nowhere is an example held to a time by the clock: a busy computer would fail it.
settings.register_profile("home", deadline=None)
settings.register_profile("ci", derandomize=True, deadline=None)
settings.load_profile("ci" if os.environ.get("CI") else "home")

_missing_tools: list[str] = []
# Tests that one worker runs, each group after the other: they share one slow start, or would disturb each other.
TOGETHER = {
    "tests/guards/": "guards",
    "tests/packaging/test_contents.py": "wheel",
    "tests/packaging/test_metadata.py": "wheel",
    "tests/packaging/test_outside.py": "wheel",
    "tests/packaging/test_container.py": "wheel",
    "tests/commands/test_demo.py": "demo",
    "tests/job/test_flags.py": "flags",
    "tests/job/test_locks.py::TestStory": "locks",
    "tests/job/test_pictures.py": "pictures",
    "tests/job/test_resuming.py::TestANotice": "resuming",
    "tests/job/test_runs.py::TestAFresh": "fresh checkout",
    "tests/machine/test_bake.py::test_a_step_": "builder",
    "tests/machine/test_bake.py::test_another_machine": "builder",
    "tests/machine/test_boot.py": "boot",
    "tests/machine/test_no_way_up.py": "no way up",
    "tests/sandbox/web/test_browser.py": "chromium",
    "tests/web/test_page": "chromium",
    "tests/docs/test_docs_executed.py::test_a_pipeline": "pipeline",
    "tests/docs/test_docs_executed.py::test_the_example": "pipeline",
    "tests/docs/test_docs_site.py": "site",
}

# Stories that keep a processor busy begin where others mostly wait; side by side they would slow each other down.
BESIDE = {
    "tests/examples/test_promotion.py": "tests/commands/test_inside.py",
    "tests/examples/test_bikeshare.py": "tests/commands/test_kill.py",
    "tests/examples/test_property_valuation.py": "tests/commands/test_launch.py",
    "tests/stories/test_crowd.py": "tests/machine/test_interruption.py",
}


class Together(LoadScopeScheduling):  # type: ignore[misc]  # a class without types
    """Sends each group to one worker, and every other test to whoever is free.

    xdist's own marks for that write into a test's id where this pytest does not look any more.
    """

    def _split_scope(self, nodeid: str) -> str:
        return next((group for start, group in TOGETHER.items() if nodeid.startswith(start)), nodeid)


@pytest.hookimpl(tryfirst=True, optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """One more than there are processors: stories wait for their machines half of the time."""
    return (os.cpu_count() or 1) + 1


@pytest.hookimpl(tryfirst=True, optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> Together | None:
    """The scheduler of ``--dist loadgroup``."""
    return Together(config, log) if config.getvalue("dist") == "loadgroup" else None


@pytest.fixture(scope="session", autouse=True)
def descriptions_read_once() -> Iterator[None]:
    """AWS's descriptions of its services, megabytes of JSON, are read once and not for each client.

    Nor are the hundreds of methods of a client made for each: they belong to the service alone.
    """
    creator_class: Any = ClientCreator
    read, make = cache(JSONFileLoader().load_file), creator_class._create_methods
    made: dict[str, dict[str, object]] = {}

    def methods(creator: ClientCreator, service_model: ServiceModel) -> dict[str, object]:
        name = service_model.service_name
        if name not in made:
            made[name] = make(creator, service_model)
        return dict(made[name])

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(JSONFileLoader, "load_file", lambda _, path: read(path))
        patch.setattr(ClientCreator, "_create_methods", methods)
        yield


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Refuse tests that do not name the behaviour they check, and set busy ones beside those that wait."""
    mute = sorted(item.nodeid for item in items if not _says_what(item))
    if mute:
        raise pytest.UsageError("tests without a docstring: " + ", ".join(mute))
    for busy, waiting in BESIDE.items():
        moved = [item for item in items if item.nodeid.startswith(busy)]
        others = [item for item in items if not item.nodeid.startswith(busy)]
        place = next((at for at, item in enumerate(others) if item.nodeid.startswith(waiting)), None)
        if place is not None:
            items[:] = [*others[:place], *moved, *others[place:]]


def _says_what(item: pytest.Item) -> bool:
    test = getattr(item, "obj", None)
    # A state machine's one generated test is described by its class.
    owner = item.parent if getattr(test, "__name__", "") == "runTest" else None
    return bool(getattr(test, "__doc__", None) or getattr(getattr(owner, "obj", None), "__doc__", None))


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Note the tests that were skipped because something is not installed."""
    if report.skipped and "not installed" in str(report.longrepr):
        _missing_tools.append(report.nodeid)


def pytest_configure(config: pytest.Config) -> None:
    """Before workers start: what runnerkit asks AWS for is noted, and Ctrl-C reaches what tests start."""
    recorded.begin()
    config.pluginmanager.register(Pulse(), "pulse")
    # A shell makes what it runs in the background deaf to it, and everything that is started there inherits that.
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """In CI a skipped tier is a failure; everywhere an action is that no policy allows."""
    if recorded.end() or (os.environ.get("CI") and _missing_tools):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say which actions no policy allows, and which tests a missing tool kept from running."""
    recorded.tell(terminalreporter)
    if os.environ.get("CI") and _missing_tools:
        terminalreporter.section("skipped for want of a tool, which CI must have")
        for nodeid in _missing_tools:
            terminalreporter.line(nodeid)
