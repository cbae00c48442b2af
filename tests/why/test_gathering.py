"""Questions about a whole small world, asked as `why` asks them: from EC2, GitHub, journal and a pass."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from runnerkit.chronicle import Chronicle
from runnerkit.errors import CloudDenied, NothingKnown
from runnerkit.model import Market
from runnerkit.testing import FakeWorld, Habits, MemoryJournal
from runnerkit.understanding import Understanding, Wishes
from runnerkit.why import questions
from runnerkit.why.gathering import Hub, Sources, answers
from runnerkit.wishes import Policy, RunnerSpec

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from datetime import datetime

    from runnerkit.history import Note
    from runnerkit.why.answers import Answer

REPO, LABEL = "acme/widgets", "runnerkit=1/gpu=t4"


def made(policy: Policy | None = None, *, bursts: bool = False, **habits: float) -> FakeWorld:
    """A world in which controllers note what happens, as the real ones do."""
    world = FakeWorld(habits=Habits(**{"boot": 30.0, **habits}), policy=policy or Policy(), bursts=bursts)
    world.events = Chronicle(world.events, world.journal, world.clock)  # type: ignore[assignment]  # both take events
    return world


def ask(world: FakeWorld, what: object, journal: MemoryJournal | None = None) -> Answer:
    """The first answer."""
    understanding = Understanding(world.outside, world.policy, Wishes({}, RunnerSpec()))

    def github(_repos: Sequence[str]) -> Hub:
        return Hub(world.forge, lambda _repo: world.fleet().preview(), understanding.spec_of)

    sources = Sources(world.cloud, journal or world.journal, world.clock, world.policy, github, (REPO,))
    return answers(questions.read(str(what)), sources)[0]


def passes(world: FakeWorld, count: int, seconds: float = 60) -> None:
    """A controller's passes."""
    for _ in range(count):
        world.fleet().once()
        world.clock.advance(seconds)


def test_the_next_try_is_when_the_fleet_really_tries() -> None:
    """However far the back-off has grown, what is promised is what happens: not a second before, and then at once."""
    world = made()
    world.cloud.refuse_all()
    job = world.forge.queue(REPO, [LABEL])
    passes(world, 40)
    while (answer := ask(world, job.id)).finding.verdict != "waits":
        passes(world, 1)
    promised = answer.finding.next[0].at
    assert promised is not None
    assert "no capacity for g" in answer.finding.text
    assert f"next try {promised:%H:%M:%S}" in answer.finding.text
    tries = world.forge.registrations
    world.clock.advance((promised - world.clock.now()).total_seconds() - 1)
    world.fleet().once()
    assert tries == world.forge.registrations
    world.clock.advance(2)
    world.fleet().once()
    assert tries < world.forge.registrations


def test_a_cap_is_the_reason_though_a_siblings_machine_is_coming() -> None:
    """The sibling that is served first waits for the machine; the other one for room."""
    world = made(Policy(max_machines=1))
    first, second = (world.forge.queue(REPO, [LABEL], run_id=1) for _ in range(2))
    world.fleet().once()
    assert "coming" == ask(world, first.id).finding.verdict
    held = ask(world, second.id).finding
    assert ("waits", True) == (held.verdict, "max_machines" in held.text)


def test_a_job_whose_tries_are_spent_is_not_promised_another() -> None:
    """Nothing happens by itself any more, and that is the first thing said."""
    world = made(Policy(max_tries=2, breaker_failures=100), never_boots=1)
    job = world.forge.queue(REPO, [LABEL])
    passes(world, 40)
    finding = ask(world, job.id).finding
    assert "gets no further machine: 2 machines were launched for it and none took it" in finding.text
    assert "gh run cancel" in " ".join(each.text for each in finding.next)


def test_a_machine_of_a_burst_is_known_before_it_has_a_name() -> None:
    """EC2 shows it, with no runner's name on it yet, or ever."""
    world = made(bursts=True)
    for _ in range(2):
        world.forge.queue(REPO, [LABEL], run_id=1)
    world.fleet().once()
    (instance, *_) = world.cloud.live()
    for name in ("runnerkit:runner", "runnerkit:runner-id"):
        world.cloud._tags[instance.id].pop(name, None)
    world.cloud._change(instance)
    assert "waits for its runner's name" in ask(world, instance.id).finding.text
    world.clock.advance(3600)
    if world.cloud.live():
        assert "unnamed" == ask(world, instance.id).finding.verdict


class Closed(MemoryJournal):
    """A journal that may not be read."""

    def notes(self, since: datetime, kinds: Collection[str] = ()) -> Sequence[Note]:
        """Refuse."""
        del since, kinds
        raise CloudDenied("the journal's bucket may not be read")


def test_a_journal_that_cannot_be_read_costs_only_what_it_would_have_told() -> None:
    """EC2 and GitHub still answer, and the answer says what is missing, once."""
    world = made()
    job = world.forge.queue(REPO, [LABEL])
    world.fleet().once()
    answer = ask(world, job.id, Closed())
    assert "coming" == answer.finding.verdict
    assert ["the journal could not be read: the journal's bucket may not be read"] == list(answer.unknown)


def test_what_was_deleted_is_told_from_the_journal_or_not_at_all() -> None:
    """A job that GitHub does not know any more is remembered; a number that nobody knows is an error."""
    world = made()
    job = world.forge.queue(REPO, [LABEL])
    passes(world, 1)
    del world.forge._jobs[job.id]
    assert "remembered" == ask(world, job.id).finding.verdict
    with pytest.raises(NothingKnown, match="looked at EC2, the journal and acme/widgets"):
        ask(world, 987_654)


def test_a_pause_of_spot_is_told_while_it_lasts() -> None:
    """After two interruptions the launch that comes next is bought on demand, and the answer says until when."""
    world = made(Policy(max_machines=50), job=3000)
    jobs = [world.forge.queue(REPO, [LABEL], run_id=number) for number in (1, 2)]
    passes(world, 3)
    for instance in world.cloud.live():
        assert Market.SPOT is instance.market
        world.interrupt(instance.id)
    passes(world, 1)
    third = world.forge.queue(REPO, [LABEL], run_id=3)
    finding = ask(world, third.id).finding
    assert "on demand, spot pauses until" in finding.text, jobs
