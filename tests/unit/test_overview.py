"""What the status page is told: jobs and why, machines in time, numbers, money, refusals - from pass and notes."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from time import process_time
from typing import TYPE_CHECKING, Any

import pytest

from runnerkit.actions import Demand, Launch, Plan, Refused, Waiting
from runnerkit.applying import Outcome
from runnerkit.errors import NoCapacity, PolicyRefused
from runnerkit.history import Note
from runnerkit.model import Instance, Job, Market, Observed, Runner, State
from runnerkit.names import RunnerName
from runnerkit.overview import About, Overview, overview
from runnerkit.overview.whole import percentile
from runnerkit.overview.words import End, Kind
from runnerkit.overview.words import State as Shown
from runnerkit.wishes import Policy, RunnerSpec

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runnerkit.overview import Seen

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
REPO = "acme/widgets"
MINUTE = timedelta(minutes=1)
POLICY = Policy()


NOTHING = Observed(NOW, frozenset({REPO}))


@dataclass(frozen=True)
class Look:
    """A pass made by hand."""

    observed: Observed = NOTHING
    demand: tuple[Demand, ...] = ()
    refused: tuple[Refused, ...] = ()
    plan: Plan = field(default_factory=Plan)
    outcomes: tuple[Outcome, ...] = ()
    unserved: tuple[Job, ...] = ()
    active: tuple[Job, ...] = ()


def ago(minutes: float) -> datetime:
    return NOW - timedelta(minutes=minutes)


def job(number: int = 1, *, minutes: float = 5, **more: Any) -> Job:  # noqa: ANN401 - whatever the fields hold
    url = f"https://forge.example/{REPO}/actions/runs/9/job/{number}"
    facts = {"status": "queued", "labels": ("runnerkit=9/gpu=t4",), "url": url} | more
    return Job(number, 9, 1, REPO, f"train {number}", created_at=ago(minutes), **facts)


def instance(number: int = 1, *, minutes: float = 30, **more: Any) -> Instance:  # noqa: ANN401 - whatever the fields hold
    facts: dict[str, Any] = {"runner_id": number, "run_id": 9, "job_id": number, "state": State.RUNNING} | more
    place = ("eu-west-1", "eu-west-1a", "g5.xlarge", Market.SPOT)
    return Instance(f"i-{number}", f"rk-{number}-1", REPO, *place, launched_at=ago(minutes), **facts)


def runner(number: int = 1, *, online: bool = True, busy: bool = True, connected: bool = True) -> Runner:
    born = f"runnerkit-born-{int(ago(30).timestamp())}"
    return Runner(number, f"rk-{number}-1", REPO, online, busy, ("runnerkit=9", born), connected, REPO)


def seen(*instances: Instance, runners: Sequence[Runner] = (), **more: Any) -> Look:  # noqa: ANN401 - whatever the fields hold
    return Look(Observed(NOW, frozenset({REPO}), instances, tuple(runners)), **more)


def note(minutes: float, kind: str, **facts: Any) -> Note:  # noqa: ANN401 - whatever the fields hold
    return Note(ago(minutes), kind, facts)


def launched(minutes: float, number: int = 1, *, price: float | None = 0.6, on_demand: float | None = 1.5) -> Note:
    place = {"type": "g5.xlarge", "zone": "eu-west-1a", "region": "eu-west-1", "market": "spot"}
    who = {"runner": f"rk-{number}-1", "instance": f"i-{number}", "repo": REPO, "run": 9, "job": number}
    return note(minutes, "instance-launched", **who, **place, price=price, on_demand=on_demand)


def ended(minutes: float, number: int = 1, *, since: float = 60, reason: str = "") -> Note:
    facts = dict(launched(since, number).facts) | {"since": ago(since).isoformat(), "until": ago(minutes).isoformat()}
    return Note(ago(minutes), "instance-ended", facts | {"reason": reason})


def show(look: Seen | None, *notes: Note, about: About | None = None) -> Overview:
    return overview(look, notes, POLICY, NOW, about=about or About())


# --- jobs -------------------------------------------------------------------------------------------------------------


def test_nothing_yet() -> None:
    """Before the first pass there is a document that says so, and after a quiet one it is empty."""
    assert show(None).passed is None
    quiet = show(Look())
    assert quiet.passed == NOW
    assert (quiet.jobs, quiet.machines, quiet.repos, quiet.refusals) == ((), (), (), ())
    assert quiet.numbers.queue_p50 is None


WISH = Demand(job(), RunnerSpec())
LAUNCH = Launch(RunnerName.for_job(1), REPO, WISH.job.labels, RunnerSpec(), run_id=9, job_id=1)
LATER = NOW + 3 * MINUTE
HOPELESS = NoCapacity("every offering was refused", hint="widen the wish")


@pytest.mark.parametrize(
    ("look", "state", "why", "hint", "until"),
    [
        (Look(demand=(WISH,), plan=Plan((LAUNCH,))), Shown.LAUNCHING, "a machine is being launched for it", "", None),
        (
            Look(demand=(WISH,), plan=Plan((), (Waiting(WISH.job, "spot is dry", LATER),))),
            Shown.WAITING,
            "spot is dry",
            "",
            LATER,
        ),
        (
            Look(demand=(WISH,), plan=Plan((LAUNCH,)), outcomes=(Outcome(LAUNCH, HOPELESS),)),
            Shown.FAILED,
            "every offering was refused",
            "widen the wish",
            None,
        ),
        (
            Look(refused=(Refused(job(), PolicyRefused("a fork's job", hint="set forks = true")),)),
            Shown.REFUSED,
            "a fork's job",
            "set forks = true",
            None,
        ),
        (
            Look(unserved=(job(labels=("self-hosted", "macos")),)),
            Shown.UNSERVED,
            "no registered runner has all of these labels, and none of them asks for runnerkit",
            "",
            None,
        ),
    ],
    ids=["launching", "waiting", "failed", "refused", "unserved"],
)
def test_why_a_job_waits(look: Look, state: Shown, why: str, hint: str, until: datetime | None) -> None:
    """A job says its state, the reason, what to do, and when it is looked at again."""
    (line,) = show(look).jobs
    assert (state, why, hint, until) == (line.state, line.why, line.hint, line.until)
    assert ago(5) == line.since
    assert line.url == "https://forge.example/acme/widgets/actions/runs/9/job/1"


def test_a_job_whose_machine_boots() -> None:
    """A job whose own machine is on its way names it and does not count as blocked."""
    booting = runner(online=False, busy=False, connected=False)
    found = show(seen(instance(minutes=1), runners=[booting], demand=(WISH,)))
    assert [(Shown.COMING, "rk-1-1")] == [(line.state, line.machine) for line in found.jobs]
    assert (found.numbers.waiting, found.numbers.blocked) == (1, 0)


def test_order_of_jobs() -> None:
    """What somebody must act on comes first, then the longest wait."""
    waiting = tuple(Demand(job(number, minutes=number), RunnerSpec()) for number in (1, 3, 2))
    refused = Refused(job(4, minutes=0), PolicyRefused("no"))
    assert [4, 3, 2, 1] == [line.id for line in show(Look(demand=waiting, refused=(refused,))).jobs]


# --- machines ---------------------------------------------------------------------------------------------------------


ONLINE = note(28, "runner-online", runner="rk-1-1", seconds=90.0)
TAKEN = note(27, "job-taken", runner="rk-1-1", job=1, run=9, repo=REPO, seconds=200.0)
OVER = note(10, "job-over", runner="rk-1-1", job=1, run=9, repo=REPO, conclusion="success")
STRUCK = note(12, "instance-interrupted", runner="rk-1-1", instance="i-1")


@pytest.mark.parametrize(
    ("look", "notes", "expected", "end"),
    [
        (None, [launched(30)], [(Kind.BOOTING, 30, None)], End.NONE),
        (None, [launched(30), ONLINE], [(Kind.BOOTING, 30, 28.5), (Kind.READY, 28.5, None)], End.NONE),
        (
            None,
            [launched(30), ONLINE, TAKEN, OVER, ended(9, since=30)],
            [(Kind.BOOTING, 30, 28.5), (Kind.READY, 28.5, 27), (Kind.BUSY, 27, 10), (Kind.ENDING, 10, 9)],
            End.DONE,
        ),
        (None, [launched(30), TAKEN], [(Kind.BOOTING, 30, 27), (Kind.BUSY, 27, None)], End.NONE),
        (
            None,
            [launched(30), TAKEN, STRUCK, ended(12, since=30)],
            [(Kind.BOOTING, 30, 27), (Kind.BUSY, 27, 12)],
            End.INTERRUPTED,
        ),
        (None, [launched(30), ended(25, since=30)], [(Kind.BOOTING, 30, 25)], End.FAILED),
        (seen(instance(), runners=[runner()]), [], [(Kind.BUSY, 30, None)], End.NONE),
        (
            seen(instance(), runners=[runner()]),
            [launched(30), ONLINE],
            [(Kind.BOOTING, 30, 28.5), (Kind.BUSY, 28.5, None)],
            End.NONE,
        ),
        (
            seen(
                instance(),
                runners=[runner()],
                active=(job(status="in_progress", runner_name="rk-1-1", started_at=ago(20)),),
            ),
            [launched(30), ONLINE],
            [(Kind.BOOTING, 30, 28.5), (Kind.READY, 28.5, 20), (Kind.BUSY, 20, None)],
            End.NONE,
        ),
        (
            seen(instance(lost_since=ago(3)), runners=[runner(online=False)]),
            [launched(30), TAKEN],
            [(Kind.BOOTING, 30, 27), (Kind.BUSY, 27, 3), (Kind.LOST, 3, None)],
            End.NONE,
        ),
        (seen(), [launched(30), TAKEN], [(Kind.BOOTING, 30, 27)], End.DONE),
        (
            seen(instance(state=State.TERMINATED, state_reason="Server.SpotInstanceTermination", ended_at=ago(4))),
            [launched(30), TAKEN],
            [(Kind.BOOTING, 30, 27), (Kind.BUSY, 27, 4)],
            End.INTERRUPTED,
        ),
        (None, [launched(30), replace(TAKEN, at=ago(45))], [(Kind.BOOTING, 30, None)], End.NONE),
    ],
    ids=[
        "boots",
        "is ready",
        "did its job",
        "took a job unnoticed online",
        "is taken back",
        "never came online",
        "works, without notes",
        "works, ahead of the notes",
        "works, as the job says",
        "is lost",
        "was forgotten by everybody",
        "is taken back, as EC2 says",
        "has a name that another one had before",
    ],
)
def test_timeline(
    look: Look | None, notes: list[Note], expected: list[tuple[Kind, float, float | None]], end: End
) -> None:
    """The line of a machine has a segment for each thing it did, from the notes and from the world."""
    (line,) = show(look, *notes).machines
    found = [(part.kind, _minutes(part.begin), part.end and _minutes(part.end)) for part in line.segments]
    assert expected == found
    assert end is line.end


def _minutes(at: datetime) -> float:
    return (NOW - at) / MINUTE


def test_machine_facts() -> None:
    """A line tells hardware, price, run and the job that really runs there, with a link to it."""
    other = job(7, status="in_progress", runner_name="RK-1-1", started_at=ago(20))
    lease = instance(expires_at=NOW + 60 * MINUTE)
    (line,) = show(seen(lease, runners=[runner()], active=(other,)), launched(30)).machines
    assert ("busy", "g5.xlarge", "eu-west-1a", "spot", 0.6) == (
        line.phase,
        line.type,
        line.zone,
        line.market,
        line.price,
    )
    assert (7, 9, "train 7", other.url) == (line.job, line.run, line.title, line.url)
    assert NOW + 60 * MINUTE == line.lease


@pytest.mark.parametrize(
    ("facts", "url"),
    [
        ({}, "https://github.com/acme/widgets/actions/runs/9"),
        (
            {"url": "https://ghe.example/acme/other/actions/runs/1/job/5"},
            "https://ghe.example/acme/widgets/actions/runs/9",
        ),
        ({"url": "javascript:alert(1)"}, "https://github.com/acme/widgets/actions/runs/9"),
    ],
)
def test_links(facts: dict[str, str], url: str) -> None:
    """Without a job's own address its run is linked, at the GitHub that other jobs show; never anything but http."""
    told = note(40, "job-seen", job=5, title="other", repo="acme/other", **facts)
    (line,) = show(None, told, launched(30)).machines
    assert url == line.url


def test_registration_without_instance() -> None:
    """A runner whose instance is not to be seen is a line of its own and costs nothing."""
    young = replace(runner(online=False, connected=False), labels=(f"runnerkit-born-{int(ago(0.5).timestamp())}",))
    found = show(seen(runners=[young]))
    assert [("registered", "", None)] == [(line.phase, line.instance, line.price) for line in found.machines]
    assert (0.0, 0) == (found.numbers.dollars_an_hour, found.numbers.unpriced)


def test_reason_of_the_end() -> None:
    """Our own reason for ending a machine says more than EC2's."""
    ours = note(20, "instance-terminated", runner="rk-1-1", instance="i-1", reason="it never came online")
    (line,) = show(None, launched(30), ours, ended(19, since=30, reason="Client.UserInitiatedShutdown")).machines
    assert line.reason == "it never came online"


def test_order_of_machines() -> None:
    """The living come first, newest on top; then the dead, the last one on top; older than a day is forgotten."""
    old = [launched(60 * 30, 5), ended(60 * 25, 5, since=60 * 30)]
    dead = [launched(60, 1), ended(20, 1), launched(90, 2), ended(10, 2, since=90)]
    found = show(seen(instance(3, minutes=9), instance(4, minutes=3)), *old, *dead)
    assert ["rk-4-1", "rk-3-1", "rk-2-1", "rk-1-1"] == [line.name for line in found.machines]


# --- numbers ----------------------------------------------------------------------------------------------------------


def test_numbers() -> None:
    """Phases, dollars, what spot saved, queue times and counts."""
    notes = [
        launched(30),
        *(note(5 + n, "job-taken", runner=f"rk-{n}-1", job=n, run=9, seconds=n * 10.0) for n in range(1, 11)),
        note(60 * 25, "job-taken", runner="rk-99-1", job=99, run=9, seconds=9_999.0),
        STRUCK,
        note(4, "run-repeated", runner="rk-1-1", run=9),
        launched(120, 2),
        ended(60, 2, since=120),
    ]
    numbers = show(seen(instance(), instance(3, minutes=6), runners=[runner()]), *notes).numbers
    assert {"busy": 1, "gone": 1} == numbers.phases
    assert (0.6, 1) == (numbers.dollars_an_hour, numbers.unpriced)
    assert pytest.approx(0.9) == numbers.dollars_today
    assert pytest.approx(1.35) == numbers.saved_today
    assert (50.0, 90.0, 10) == (numbers.queue_p50, numbers.queue_p90, numbers.taken)
    assert (2, 1, 1) == (numbers.launches, numbers.interruptions, numbers.reruns)


def test_today_begins_at_midnight() -> None:
    """A machine of yesterday counts for today only from midnight UTC on, and for the week as a whole."""
    numbers = show(None, launched(13 * 60), ended(11 * 60, since=13 * 60)).numbers
    assert pytest.approx(0.6) == numbers.dollars_today
    assert pytest.approx(1.2) == numbers.dollars_week


def test_forgotten_machine_costs_no_more() -> None:
    """A machine whose end nobody noted is not billed for ever."""
    numbers = show(seen(), launched(600), note(540, "job-taken", runner="rk-1-1", job=1, run=9, seconds=1.0)).numbers
    assert pytest.approx(0.6) == numbers.dollars_week
    assert numbers.dollars_an_hour == 0


@pytest.mark.parametrize(
    ("values", "share", "expected"),
    [
        ([], 0.5, None),
        ([7.0], 0.9, 7.0),
        ([1.0, 2.0], 0.5, 1.0),
        ([3.0, 1.0, 2.0], 0.5, 2.0),
        ([1.0, 2.0, 3.0], 0.9, 3.0),
    ],
)
def test_percentile(values: list[float], share: float, expected: float | None) -> None:
    """The smallest value that this share of all do not exceed."""
    assert expected == percentile(values, share)


def test_costs_by_repository_and_run() -> None:
    """Dollars add up by repository, whatever the case, and by run over all of its machines, with a link."""
    other = dict(launched(60, 2).facts) | {"repo": "Acme/Widgets", "run": 10}
    notes = [launched(120), ended(60, since=120), Note(ago(60), "instance-launched", other), launched(30, 3)]
    found = show(seen(instance(2, minutes=60, run_id=10), instance(3, minutes=30)), *notes)
    (repo,) = found.repos
    assert (1.5, 3) == (round(repo.week, 6), repo.machines)
    assert [(9, 0.9, 2, True), (10, 0.6, 1, True)] == [
        (run.run, round(run.dollars, 6), run.machines, run.going) for run in found.runs
    ]
    assert found.runs[0].url == "https://github.com/acme/widgets/actions/runs/9"


def test_a_run_pays_for_the_machines_that_its_jobs_took() -> None:
    """Whoever has the same labels may take a machine that was launched for another run; unused ones stay with that."""
    taken = note(50, "job-taken", runner="rk-1-1", run=12, job=77, repo=REPO, seconds=9.0)
    earlier = note(300, "job-taken", runner="rk-1-1", run=11, job=76, repo=REPO, seconds=9.0)
    found = show(Look(), earlier, launched(60), ended(30), taken, launched(60, 2), ended(30, 2))
    assert [(9, 0.3, 1), (12, 0.3, 1)] == sorted((run.run, round(run.dollars, 6), run.machines) for run in found.runs)


# --- troubles ---------------------------------------------------------------------------------------------------------


def refusal(minutes: float, zone: str = "eu-west-1a") -> Note:
    said = {"type": "g5.xlarge", "zone": zone, "market": "spot", "code": "InsufficientInstanceCapacity"}
    return note(minutes, "offering-refused", runner="rk-1-1", refusal=said | {"at": ago(minutes).isoformat()})


def test_refusals() -> None:
    """Refusals are told by code and pool, the latest first, with how often and until when they are remembered."""
    first, second = show(None, refusal(9), refusal(2), refusal(5, "eu-west-1b")).refusals
    assert ("eu-west-1a", 2, ago(2), ago(2) + timedelta(seconds=POLICY.refusal_memory)) == (
        first.zone,
        first.times,
        first.last,
        first.until,
    )
    assert ("eu-west-1b", 1) == (second.zone, second.times)


def test_failures() -> None:
    """Failures are told with reason and hint; the same one again is one line, and one moment counts once."""
    error = HOPELESS.as_dict()
    twice = [note(at, "launch-failed", runner="rk-1-1", error=error) for at in (9, 3)]
    same = note(3, "action-failed", action="launch", runner="rk-1-1", error=error)
    other = note(5, "action-failed", action="tidy", runner="", error={"message": "no"})
    found = show(None, *twice, same, other)
    assert [("launch", "widen the wish", 2), ("tidy", "", 1)] == [(f.what, f.hint, f.times) for f in found.failures]
    assert (ago(9), ago(3)) == found.missed


@pytest.mark.parametrize(
    "kind",
    [
        "instance-launched",
        "instance-ended",
        "runner-online",
        "job-taken",
        "job-seen",
        "launch-failed",
        "offering-refused",
        "action-failed",
        "instance-interrupted",
    ],
)
@pytest.mark.parametrize("value", [None, 7, "x", [], {"at": "never"}])
def test_garbled_notes(kind: str, value: object) -> None:
    """A note with anything in its fields costs its own line at most."""
    names = ("runner", "instance", "job", "run", "seconds", "error", "refusal", "since", "until", "price", "url")
    found = show(Look(), Note(ago(5), kind, dict.fromkeys(names, value)), launched(30, 2))
    assert "rk-2-1" in {line.name for line in found.machines}
    json.dumps(found.as_dict(), allow_nan=False)


# --- the document -----------------------------------------------------------------------------------------------------


def test_document() -> None:
    """The document is JSON with times as seconds, segments as short lists, and nothing of Python in it."""
    look = seen(instance(), runners=[runner()], demand=(WISH,))
    told = json.loads(json.dumps(show(look, launched(30), ONLINE, about=About(served=(REPO,))).as_dict()))
    assert 1 == told["format"]
    assert int(NOW.timestamp()) == told["passed"]
    assert ["booting", int(ago(30).timestamp()), int(ago(28.5).timestamp())] == told["machines"][0]["segments"][0]
    assert (None, "") == (told["machines"][0]["until"], told["machines"][0]["end"])
    assert [REPO] == told["about"]["served"]
    assert "allowance" not in told["about"]


@pytest.mark.slow
def test_a_thousand_machines() -> None:
    """A thousand machines and ten thousand notes take a tenth of a second of the processor."""
    live = [instance(number, minutes=number % 300 + 1) for number in range(1, 1001)]
    notes: list[Note] = []
    for number in range(1, 2301):
        minutes = number % 300 + 1 if number <= 1000 else number % 9000 + 400
        notes.append(launched(minutes, number))
        notes.append(note(minutes - 0.5, "runner-online", runner=f"rk-{number}-1", seconds=40.0))
        notes.append(note(minutes - 0.6, "job-taken", runner=f"rk-{number}-1", job=number, run=number, seconds=55.0))
        notes.append(note(minutes - 0.6, "job-over", runner=f"rk-{number}-1", job=number, run=number))
        if number > 1000:
            notes.append(ended(minutes - 9, number, since=minutes))
    look = seen(*live, runners=[runner(number) for number in range(1, 1001)])
    took = []
    for _ in range(5):
        began = process_time()
        found = show(look, *notes)
        took.append(process_time() - began)
    assert len(notes) >= 10_000
    assert len(found.machines) >= 1000
    assert min(took) < 0.1 * 2.5, f"{min(took):.3f} s, of which 0.1 s are meant and the rest is for slow computers"
