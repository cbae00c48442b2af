"""A secret shows itself only to who asks for it: not in text, logs, errors, events, dumps or copies."""

from __future__ import annotations

import copy
import gzip
import io
import json
import logging
import pprint
import traceback
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runnerkit import boot, labels
from runnerkit.actions import Launch
from runnerkit.errors import CloudUnavailable, RunnerkitError
from runnerkit.launching import Launcher
from runnerkit.model import Registration, Runner
from runnerkit.names import RunnerName, Secret
from runnerkit.ports import LaunchOrder, Machine
from runnerkit.settings import GitHubSettings
from runnerkit.system import LogEvents
from runnerkit.testing import FakeForge, FakeWorld

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

REPO = "acme/widgets"
LABEL = "runnerkit=1/gpu=t4"
RUNNER = Runner(11, "rk-7-1", REPO, online=False, busy=False)
MACHINE = Machine("rk-7-1", REPO, (LABEL,), online_within=300, idle=300, life=3_600, baked=True)
# Begun so that none turns up by chance in what is printed anyway: Hypothesis tries words of the code, too.
TEXTS = st.text(st.characters(categories=["L", "N", "P", "S"]), min_size=9, max_size=60).map(lambda text: f"zq7~{text}")

RENDERINGS: dict[str, Callable[[Secret], str]] = {
    "repr": repr,
    "str": str,
    "format": "{}".format,
    "f-string": lambda secret: f"{secret} {secret!r} {secret!s} {secret!a}",
    "percent": lambda secret: "%s %r" % (secret, secret),  # noqa: UP031 - that is what is tested
    "in a list": lambda secret: str([secret, (secret,), {"x": secret}]),
    "json": lambda secret: json.dumps({"secret": secret}, default=str),
    "pprint": lambda secret: pprint.pformat({"secret": [secret]}),
    "registration": lambda secret: repr(Registration(RUNNER, secret)),
    "registration as dict": lambda secret: str(asdict(Registration(RUNNER, secret))),
    "an error about it": lambda secret: str(RunnerkitError(f"cannot use {secret}", hint=f"{secret!r}").as_dict()),
    "log": lambda secret: logging.LogRecord("x", 10, "f", 1, "%s %r", (secret, secret), None).getMessage(),
    "attributes": lambda secret: str([getattr(secret, "__dict__", {}), dir(secret)]),
    "copies": lambda secret: repr([copy.copy(secret), copy.deepcopy(secret)]),
}


@pytest.mark.parametrize("rendering", RENDERINGS)
@settings(max_examples=30, deadline=None)
@given(text=TEXTS)
def test_no_rendering_shows_a_secret(rendering: str, text: str) -> None:
    """Whatever prints it, by accident or for debugging, prints stars."""
    shown = RENDERINGS[rendering](Secret(text))
    assert text not in shown
    assert text.encode("unicode_escape").decode() not in shown


@given(text=TEXTS)
def test_only_reveal_gives_it_away(text: str) -> None:
    """Who needs it can have it, and compare it."""
    assert text == Secret(text).reveal() == copy.deepcopy(Secret(text)).reveal()
    assert Secret(text) == Secret(text)
    assert hash(Secret(text)) == hash(Secret(text))
    assert Secret(text) != Secret(f"{text}!")
    assert Secret(text) != text


def test_a_secret_is_no_json_by_itself() -> None:
    """Nobody serialises it without saying how."""
    with pytest.raises(TypeError):
        json.dumps(Secret("x"))
    with pytest.raises(TypeError):
        f"{Secret('a secret of our own'):>80}"


@given(token=TEXTS, key=TEXTS)
def test_settings_do_not_dump_their_secrets(token: str, key: str) -> None:
    """Token and key are masked in every form that settings are shown or stored in."""
    written = GitHubSettings.model_validate({"token": token, "private_key": key})
    shown = [
        repr(written),
        str(written),
        written.model_dump_json(),
        str(written.model_dump(mode="json")),
        str(written.model_dump()),
        pprint.pformat(dict(written)),
    ]
    assert not any(secret in text for secret in (token, key) for text in shown)


def test_user_data_is_not_part_of_an_orders_text() -> None:
    """The order that travels to the cloud holds the secret, and does not show it."""
    order = LaunchOrder("rk-7-1", boot.user_data(MACHINE, Secret("VGhpc0lzVGhlU2VjcmV0")), {}, {})
    assert b"VGhpc0lzVGhlU2VjcmV0" in order.user_data
    assert "VGhpc0lzVGhlU2VjcmV0" not in repr(order)


class TellingForge(FakeForge):
    """A FakeForge whose secrets can be recognised wherever they turn up."""

    text = "aml0LWNvbmZpZ3VyYXRpb24tdGhhdC1ub2JvZHktbWF5LXNlZQ"

    def register(self, repo: str, name: str, labels: Sequence[str]) -> Registration:
        """Register, with a secret of known text."""
        return Registration(super().register(repo, name, labels).runner, Secret(self.text))


@pytest.mark.parametrize("trouble", [None, "user data", "launch", "refused"])
def test_a_launch_tells_its_secret_to_the_machine_alone(trouble: str | None, caplog: pytest.LogCaptureFixture) -> None:
    """Neither events, log, journal, tags, errors nor tracebacks hold it, whatever happens; the user data does."""
    caplog.set_level(logging.DEBUG)
    world = FakeWorld()
    world.forge = TellingForge(world.clock, world.lies)
    if trouble == "launch":
        world.lies.at_effect = _lose
    if trouble == "refused":
        world.cloud.refuse_all()
    oversized: Callable[[Machine, Secret], bytes] = lambda m, s: boot.user_data(m, s) * 40  # noqa: E731 - one word
    launcher = Launcher(
        world.outside, world.policy, "runnerkit", oversized if trouble == "user data" else boot.user_data
    )
    told = ""
    try:
        launcher.start(Launch(RunnerName.for_job(7), REPO, (LABEL,), labels.parse(LABEL).spec))
    except RunnerkitError as error:
        told = "".join(traceback.format_exception(error)) + str(error.as_dict())
    assert bool(told) is (trouble is not None)
    said = [
        told,
        caplog.text,
        repr(world.events.seen),
        _logged(world),
        str(world.cloud._tags),
        repr(world.forge._runners),
    ]
    said += [repr(vars(world.journal)), repr(world.cloud.live())]
    assert not [text for text in said if TellingForge.text in text]
    assert len(world.cloud.user_data) == sum(
        TellingForge.text in _unpacked(raw) for raw in world.cloud.user_data.values()
    )


def _lose(effect: str) -> None:
    if effect == "before launch":
        raise CloudUnavailable("nobody answers")


def _logged(world: FakeWorld) -> str:
    stream = io.StringIO()
    for as_json in (True, False):
        log = LogEvents(stream, as_json=as_json)
        for event in world.events.seen:
            log.emit(event)
    return stream.getvalue()


def _unpacked(raw: bytes) -> str:
    text = gzip.decompress(raw) if raw.startswith(b"\x1f\x8b") else raw
    document: dict[str, Any] = json.loads(text.removeprefix(boot.HEADER))
    return str([file["content"] for file in document["write_files"] if file["path"] == boot.JIT_FILE])


def test_the_runner_and_its_birth_are_no_secret() -> None:
    """What may be shown is shown: the registration's runner, for whoever debugs."""
    shown = repr(Registration(RUNNER, Secret("x" * 20)))
    assert "rk-7-1" in shown
    assert datetime.now(tz=UTC).isoformat() not in shown
