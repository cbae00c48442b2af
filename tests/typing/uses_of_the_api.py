"""How other people's programs use runnerkit, annotated as they would: only mypy reads the bodies.

A line that ends in ``type: ignore`` is a mistake that the types must catch; mypy complains when it no longer does.
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Any, assert_type

import runnerkit
from runnerkit import app, config, errors, labels
from runnerkit.applying import Outcome
from runnerkit.config import Config, Origins
from runnerkit.events import Event, InstanceLaunched, RunnerOnline
from runnerkit.fleet import Fleet
from runnerkit.journals import FileJournal
from runnerkit.launching import Outside
from runnerkit.model import Attempt, Instance, Job, Leftover, Market, Refusal, Runner
from runnerkit.names import RunnerName, Secret
from runnerkit.passes import MachineStatus, Pass
from runnerkit.ports import Clock, Cloud, Events, Forge, Journal, Reports
from runnerkit.slots import LaunchRequest, Slot
from runnerkit.system import LogEvents, SeveralEvents, SilentEvents, SystemClock
from runnerkit.testing import FakeClock, FakeCloud, FakeForge, FakeWorld, Habits, Lies, MemoryJournal, RecordedEvents
from runnerkit.wishes import GpuWish, Policy, Range, RunnerSpec, SpotUse

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from runnerkit.phases import Phase


def a_configuration(folder: Path) -> Config:
    """Read it, ask where a value came from, and look at a secret on purpose only."""
    read, origins = config.load(os.environ, folder)
    assert_type(read, Config)
    assert_type(origins, Origins)
    assert_type(read.named(), dict[str, RunnerSpec])
    assert_type(read.policy, Policy)
    assert_type(read.github.repositories, tuple[str, ...])
    token: str | None = read.github.token  # type: ignore[assignment]  # a secret is no text
    if read.github.token is not None:
        assert_type(read.github.token.get_secret_value(), str)
    del token
    return read


def a_controller(read: Config, listener: Events) -> None:
    """One pass, and what became of it."""
    fleet = app.fleet(read, repos=["acme/widgets"], events=SeveralEvents(listener, SilentEvents()))
    assert_type(fleet, Fleet)
    done = fleet.once()
    assert_type(done, Pass)
    assert_type(done.failed, tuple[Outcome, ...])
    for outcome in done.failed:
        assert_type(outcome.error, errors.RunnerkitError | None)
    for refused in done.refused:
        assert_type(refused.job, Job)
        assert_type(refused.error.as_dict(), dict[str, Any])
    assert_type(done.observed.at, datetime)
    assert_type(fleet.sweep(dry_run=True), tuple[Pass, tuple[Leftover, ...]])
    fleet.run(interval=10, passes=3)
    fleet.run(10, 3)  # type: ignore[call-arg]  # passes is named


def machines(fleet: Fleet) -> dict[str, Phase]:
    """Status, by name."""
    found = fleet.status()
    assert_type(found, tuple[MachineStatus, ...])
    for machine in found:
        assert_type(machine.pair.instance, Instance | None)
        assert_type(machine.pair.runner, Runner | None)
        machine.pair.instance.id  # type: ignore[union-attr]  # noqa: B018 - either may be missing
    assert_type(fleet.terminate(["rk-7-1"], force=True), tuple[Outcome, ...])
    return {machine.name: machine.phase for machine in found}


def launched(fleet: Fleet) -> Sequence[Slot]:
    """Machines on request, told one by one, then waited for."""
    seen: list[Slot] = []
    request = fleet.request("runnerkit=1/gpu=t4", "acme/widgets", count=2)
    assert_type(request, LaunchRequest)
    slots = fleet.launch(request, told=seen.append)
    assert_type(slots, tuple[Slot, ...])
    assert_type(slots[0].price, float | None)
    assert_type(slots[0].name, RunnerName)
    assert_type(fleet.choose(request.spec), tuple[Attempt, ...])
    fleet.launch("runnerkit=1/gpu=t4")  # type: ignore[arg-type]  # a label is not yet a request
    return fleet.wait(slots)


def a_label(text: str) -> str:
    """Read a label, change the wish, and spell it again."""
    label = labels.parse(text)
    assert_type(label, labels.Label)
    assert_type(label.scope, str | None)
    wish = label.spec.model_copy(update={"gpu": (GpuWish(model="l4", count=2),), "spot": SpotUse.ONLY})
    assert_type(wish, RunnerSpec)
    assert_type(wish.cpu, Range | None)
    assert_type(labels.read(["runnerkit=1"], arrays=True), labels.Label | None)
    RunnerSpec(gpu="t4")  # type: ignore[arg-type]  # a wish for GPUs is no text
    return labels.format_label(labels.Label(label.scope, wish))


def by_short_names(folder: Path) -> Sequence[runnerkit.Slot]:
    """The same by what the package itself exports."""
    read, _ = runnerkit.load({}, folder)
    assert_type(read, Config)
    fleet = runnerkit.connect(read)
    assert_type(fleet, Fleet)
    assert_type(runnerkit.parse_label("runnerkit"), labels.Label)
    assert_type(runnerkit.__version__, str)
    try:
        return fleet.launch(fleet.request("runnerkit=1/gpu=t4", "acme/widgets"))
    except (runnerkit.ConfigError, runnerkit.PolicyRefused):
        return ()


def handled(ask: Callable[[], Pass]) -> int:
    """Errors are told apart by family, and carry what is needed to go on."""
    try:
        ask()
    except errors.NoCapacity as error:
        assert_type(error.refusals, tuple[Refusal, ...])
        assert_type(error.refusals[0].market, Market)
    except errors.RateLimited as error:
        assert_type(error.reset, datetime)
    except errors.LabelError as error:
        assert_type(error.key, str)
    except (errors.CloudError, errors.ForgeError) as error:
        assert_type(error.retryable, bool)
    except errors.RunnerkitError as error:
        assert_type(error.code, str)
        assert_type(error.hint, str)
        return error.exit_code
    return 0


class Counter:
    """Anything with emit() listens."""

    def __init__(self) -> None:
        self.online = 0

    def emit(self, event: Event) -> None:
        """Count what matters."""
        if isinstance(event, RunnerOnline):
            assert_type(event.seconds, float)
            self.online += 1


class Deaf:
    """No listener."""

    def emit(self) -> None:
        """Hear nothing."""


def listeners(stream: Any, read: Config) -> tuple[Events, Events]:  # noqa: ANN401 - any text stream
    """Our listeners and other people's are interchangeable."""
    app.fleet(read, events=Deaf())  # type: ignore[arg-type]  # it would never hear of an event
    return Counter(), LogEvents(stream, as_json=True)


def the_ports(folder: Path) -> tuple[Clock, Journal]:
    """Adapters and fakes keep the same ports."""
    clocks: list[Clock] = [SystemClock(), FakeClock()]
    journals: list[Journal] = [FileJournal(folder / "journal"), MemoryJournal()]
    cloud: Cloud = FakeCloud(clocks[1], owner="team", lies=Lies(lag=5))
    forge: Forge = FakeForge(clocks[1], organization="acme")
    reports: Reports = FakeForge(clocks[1])
    outside = Outside(cloud, forge, clocks[1], RecordedEvents(), journals[1])
    assert_type(outside.cloud, Cloud)
    wrong: Cloud = FakeForge(clocks[1])  # type: ignore[assignment]  # GitHub is no cloud
    del reports, wrong
    return clocks[0], journals[0]


@contextmanager
def a_world(policy: Policy) -> Iterator[FakeWorld]:
    """Other people's tests: a world with its own time, fleets that know nothing of each other, events by kind."""
    world = FakeWorld(Lies(lag=3, seed=7), Habits(boot=5), policy)
    job = world.forge.queue("acme/widgets", ["runnerkit=1/gpu=t4"])
    assert_type(job, Job)
    assert_type(world.fleet(workers=1).once(), Pass)
    world.clock.advance(60)
    assert_type(world.events.of(InstanceLaunched), list[InstanceLaunched])
    world.events.of("instance-launched")  # type: ignore[arg-type]  # a kind is a class
    yield world


def a_secret(secret: Secret) -> Mapping[str, str]:
    """Only reveal() gives a text."""
    plain: str = secret  # type: ignore[assignment]  # a secret is no text
    del plain
    return {"jit": secret.reveal()}
