"""The plan, by tables that a reader can check."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from runnerkit.actions import Demand, Deregister, Launch, Mark, Retire, Terminate
from runnerkit.breakers import breaker_open_until
from runnerkit.model import Failure, Instance, Job, LaunchNote, Market, Observed, Runner, State
from runnerkit.names import Birth, RunnerName, label_digest
from runnerkit.phases import LIFE, Pair, Phase, is_capacity, join, phase
from runnerkit.plan import RULES, plan
from runnerkit.wishes import Policy, RunnerSpec

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
REPO = "acme/widgets"
LABELS = ("runnerkit=1/gpu=t4",)
DIGEST = label_digest(REPO, LABELS)
POLICY = Policy()
OLD = 1000.0


def ago(seconds: float) -> datetime:
    return NOW - timedelta(seconds=seconds)


def instance(age: float = OLD, **fields: object) -> Instance:
    """A running machine launched so many seconds ago, with the default leases."""
    at = ago(age)
    made = Instance(
        "i-1",
        "rk-7-1",
        REPO,
        "eu-west-1",
        "eu-west-1a",
        "g4dn.xlarge",
        Market.SPOT,
        State.RUNNING,
        at,
        digest=DIGEST,
        runner_id=11,
        online_by=at + timedelta(seconds=300),
        idle_until=at + timedelta(seconds=600),
        expires_at=at + timedelta(days=1),
    )
    return replace(made, **fields)  # type: ignore[arg-type]  # the table's fields are those of Instance


def runner(age: float = OLD, **fields: object) -> Runner:
    """A registered runner that was never online."""
    labels = (*LABELS, Birth(ago(age)).label)
    made = Runner(11, "rk-7-1", REPO, online=False, busy=False, labels=labels, place=REPO)
    return replace(made, **fields)  # type: ignore[arg-type]  # the table's fields are those of Runner


def job(number: int = 7, **fields: object) -> Job:
    made = Job(number, 1, 1, REPO, "train", "queued", LABELS, ago(100), private=True, fork=False)
    return replace(made, **fields)  # type: ignore[arg-type]  # the table's fields are those of Job


def observed(
    *things: Instance | Runner, failures: tuple[Failure, ...] = (), repos: tuple[str, ...] = (REPO,)
) -> Observed:
    return Observed(
        NOW,
        frozenset(repos),
        tuple(thing for thing in things if isinstance(thing, Instance)),
        tuple(thing for thing in things if isinstance(thing, Runner)),
        failures,
    )


def wish(number: int = 7, **fields: object) -> Demand:
    return Demand(job(number, **fields), RunnerSpec(), REPO)


ONLINE = {"online": True, "connected": True}
PHASES = [
    # instance, runner, phase, counts as capacity
    (None, runner(5), Phase.REGISTERED, True),
    (None, runner(61), Phase.DANGLING, False),
    (None, runner(61, **ONLINE), Phase.READY, True),
    (None, runner(61, **ONLINE, busy=True), Phase.BUSY, False),
    (instance(5, state=State.PENDING), None, Phase.BOOTING, True),
    (instance(61), None, Phase.GONE, False),
    (instance(100), runner(100), Phase.BOOTING, True),
    (instance(301), runner(301), Phase.BOOTING, False),
    (instance(100), runner(100, **ONLINE), Phase.READY, True),
    (instance(599), runner(599, **ONLINE), Phase.READY, True),
    (instance(601), runner(601, **ONLINE), Phase.READY, False),
    (instance(), runner(**ONLINE, busy=True), Phase.BUSY, False),
    (instance(), runner(connected=True), Phase.LOST, False),
    (instance(), runner(busy=True), Phase.LOST, False),
    (instance(state=State.STOPPED), runner(), Phase.STOPPED, False),
    (instance(state=State.TERMINATED), runner(5), Phase.DANGLING, False),
    (instance(state=State.SHUTTING_DOWN), runner(**ONLINE, busy=True), Phase.DANGLING, False),
    (instance(state=State.TERMINATED), None, Phase.ENDED, False),
    # of a burst, without its name: only a registration that waits for such machines makes it capacity
    (instance(10, name="", batch="1-0-0", hand_over_by=ago(-50)), runner(10), Phase.BOOTING, True),
    (instance(10, name="", batch="1-0-0", hand_over_by=ago(-50)), None, Phase.BOOTING, False),
    (instance(70, name="", batch="1-0-0", hand_over_by=ago(10)), runner(70), Phase.UNNAMED, False),
]


@pytest.mark.parametrize(("machine", "record", "expected", "capacity"), PHASES)
def test_phase_and_capacity(machine: Instance | None, record: Runner | None, expected: Phase, capacity: bool) -> None:
    """What EC2 and GitHub say together has one name, and counts as capacity only within its lease."""
    pair = Pair(machine, record)
    assert expected is phase(pair, POLICY, NOW)
    assert capacity is is_capacity(pair, POLICY, NOW)


@pytest.mark.parametrize(
    ("name", "age", "where"),
    [
        ("rk-7-1", 5, Phase.GONE),
        ("rk-7-1", 20, Phase.GONE),
        ("rk-7-1", 21, Phase.BOOTING),  # an older runner of the same name
        ("rk-8-1", 5, Phase.BOOTING),
    ],
)
def test_a_young_machine_whose_runner_took_a_job_does_not_boot(name: str, age: float, where: Phase) -> None:
    """A runner takes one job: when GitHub lists it no more, the machine is over, however quick the job was."""
    seen = replace(observed(instance(20)), taken={name: ago(age)})
    (pair,) = join(seen)
    assert where is phase(pair, POLICY, NOW)
    launches = [action for action in plan(seen, (wish(9),), POLICY, NOW).actions if isinstance(action, Launch)]
    assert (["rk-9-1"] if where is Phase.GONE else []) == [str(each.name) for each in launches]


UPKEEP = [
    # what the world looks like, what is done, what for
    ((instance(100), runner(100)), []),
    ((instance(301), runner(301)), [Retire]),
    ((instance(), runner(**ONLINE)), []),
    ((instance(80_000), runner(80_000, **ONLINE)), []),
    ((instance(80_000), runner(80_000, **ONLINE, busy=True)), []),
    ((instance(86_401), runner(86_401, **ONLINE, busy=True)), [Terminate]),
    ((instance(86_399, expires_at=None), runner(86_399, **ONLINE, busy=True)), []),
    ((instance(86_401, expires_at=None), runner(86_401, **ONLINE, busy=True)), [Terminate]),
    ((instance(301, online_by=None), runner(301)), [Retire]),
    ((instance(61),), [Mark]),
    ((instance(gone_since=ago(119)),), []),
    ((instance(gone_since=ago(120)),), [Terminate]),
    ((instance(gone_since=ago(120)), runner(**ONLINE)), [Mark]),
    ((instance(), runner(connected=True)), [Mark]),
    ((instance(lost_since=ago(599)), runner(connected=True)), []),
    ((instance(lost_since=ago(600)), runner(connected=True)), [Retire]),
    ((instance(lost_since=ago(5)), runner(**ONLINE)), [Mark]),
    ((instance(state=State.STOPPED), runner()), [Terminate]),
    ((instance(state=State.TERMINATED), runner()), [Deregister]),
    ((runner(59),), []),
    ((runner(61),), [Deregister]),
    ((instance(state=State.TERMINATED),), []),
]


@pytest.mark.parametrize(("world", "expected"), UPKEEP)
def test_upkeep(world: tuple[Instance | Runner, ...], expected: list[type]) -> None:
    """Each phase has one rule, and nothing else ends a machine."""
    assert expected == [type(action) for action in plan(observed(*world), (), POLICY, NOW).actions]


def test_every_phase_has_a_rule_and_a_row() -> None:
    """The table of life is complete, so a new phase cannot be forgotten anywhere."""
    assert set(Phase) == set(RULES) == set(LIFE)
    assert set(Phase) >= {after for row in LIFE.values() for after in row.then}


def test_busy_alone_never_ends_a_machine() -> None:
    """However long a runner reads as idle, only its lifetime ends it from outside."""
    for age in (601, 3_600, 86_000):
        assert () == plan(observed(instance(age), runner(age, **ONLINE)), (), POLICY, NOW).actions


def test_absence_needs_confirmation_by_id() -> None:
    """A machine without a runner in the list is only terminated by an action that asks GitHub by id first."""
    (action,) = plan(observed(instance(gone_since=ago(500))), (), POLICY, NOW).actions
    assert isinstance(action, Terminate)
    assert (True, 11) == (action.confirm, action.runner_id)


def test_registration_without_machine_is_confirmed_with_the_cloud() -> None:
    """A registration whose machine was never seen is only deleted after asking the cloud for it by name."""
    (action,) = plan(observed(runner(61)), (), POLICY, NOW).actions
    assert isinstance(action, Deregister)
    assert action.confirm


@pytest.mark.parametrize(
    ("reason", "connected", "failed"),
    [
        ("Client.InstanceInitiatedShutdown", False, True),
        ("Client.InstanceInitiatedShutdown", True, False),
        ("Server.SpotInstanceTermination", False, False),
        ("Server.InternalError", False, False),
    ],
)
def test_only_a_machine_that_ended_itself_before_it_was_online_failed(
    reason: str, connected: bool, failed: bool
) -> None:
    """What AWS took back, or could not start, says nothing about the label, so the breaker does not count it."""
    dead = instance(state=State.TERMINATED, state_reason=reason)
    (action,) = plan(observed(dead, runner(connected=connected)), (), POLICY, NOW).actions
    assert isinstance(action, Deregister)
    assert failed is action.failed


def test_foreign_runners_and_foreign_repositories_are_left_alone() -> None:
    """A runner without our birth label is not ours, and machines of repositories not listed are not judged."""
    theirs = runner(5_000, labels=("self-hosted", "gpu"))
    elsewhere = instance(5_000, repo="acme/other", gone_since=ago(4_000))
    assert () == plan(observed(theirs, elsewhere), (), POLICY, NOW).actions


def test_expired_machines_end_wherever_they_serve() -> None:
    """The maximum lifetime holds for every machine of the owner, listed repository or not."""
    elsewhere = instance(90_000, repo="acme/other")
    (action,) = plan(observed(elsewhere), (), POLICY, NOW).actions
    assert isinstance(action, Terminate)
    assert not action.confirm


def test_a_name_registered_again_does_not_claim_the_old_machine() -> None:
    """Instances and runners are joined by the registration's id: an old machine is not covered by a new namesake."""
    old, new = instance(5_000, id="i-old", runner_id=3), instance(10, id="i-new", runner_id=11)
    pairs = {pair.instance.id: pair.runner for pair in join(observed(old, new, runner(10))) if pair.instance}
    assert {"i-old": None, "i-new": runner(10)} == pairs


def test_the_living_claim_a_registration_before_the_dead() -> None:
    """Should two instances carry one registration, the dead one must not cost the living one its runner."""
    dead = instance(10, id="i-0", state=State.TERMINATED)
    alive = instance(20, id="i-1")
    assert () == plan(observed(dead, alive, runner(20)), (), POLICY, NOW).actions


# --- what starts ------------------------------------------------------------------------------------------------------


def launched(
    *things: Instance | Runner, demand: tuple[Demand, ...], policy: Policy = POLICY, **more: object
) -> list[str]:
    seen = observed(*things, **more)  # type: ignore[arg-type]  # failures only
    return [str(a.name) for a in plan(seen, demand, policy, NOW).actions if isinstance(a, Launch)]


def test_a_queued_job_gets_a_machine_named_after_it() -> None:
    """The name of the first machine for a job is rk-<job id>-1."""
    assert ["rk-7-1"] == launched(demand=(wish(7),))


@pytest.mark.parametrize(
    ("world", "why"),
    [
        ((instance(10), runner(10)), "booting"),
        ((instance(10),), "just launched, not listed on GitHub yet"),
        ((runner(10),), "just registered, not seen on EC2 yet"),
        ((instance(100), runner(100, **ONLINE)), "ready"),
    ],
)
def test_capacity_on_its_way_is_not_launched_again(world: tuple[Instance | Runner, ...], why: str) -> None:
    """A job whose machine is on its way waits for it."""
    assert [] == launched(*world, demand=(wish(7),)), why


@pytest.mark.parametrize(
    ("world", "why"),
    [
        ((instance(301), runner(301)), "missed its online deadline"),
        ((instance(601), runner(601, **ONLINE)), "idle beyond its lease"),
        ((instance(), runner(**ONLINE, busy=True)), "works for somebody else"),
        ((instance(state=State.TERMINATED), runner(5)), "dead"),
        ((instance(100), runner(100, connected=True)), "lost"),
    ],
)
def test_a_machine_past_its_lease_is_not_capacity(world: tuple[Instance | Runner, ...], why: str) -> None:
    """Launched is a lease: a machine that cannot take the job any more is replaced under the next name."""
    assert ["rk-7-2"] == launched(*world, demand=(wish(7),)), why


def test_demand_is_counted_for_the_label_set_not_for_names() -> None:
    """Any sibling may take any machine: three equal jobs and two machines need one more, whatever their names."""
    two = (
        instance(10, id="i-1", name="rk-7-1", runner_id=1),
        instance(10, id="i-2", name="rk-8-1", runner_id=2),
        runner(10, id=1, name="rk-7-1"),
        runner(10, id=2, name="rk-8-1"),
    )
    assert ["rk-9-1"] == launched(*two, demand=(wish(7), wish(8), wish(9)))


def test_other_label_sets_are_no_capacity() -> None:
    """A machine serves exactly its own label set."""
    other = wish(9, labels=("runnerkit=2/gpu=l4",))
    assert ["rk-9-1"] == launched(instance(10), runner(10), demand=(other,))


def test_labels_are_compared_without_case() -> None:
    """GitHub compares labels without case, so a runner serves a job that spells them otherwise."""
    assert [] == launched(instance(10), runner(10), demand=(wish(7, labels=("RunnerKit=1/GPU=T4",)),))


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        (Policy(max_machines=2), 1),
        (Policy(max_machines=1), 0),
        (Policy(max_machines_per_repo=3), 2),
        (Policy(), 4),
    ],
)
def test_caps(policy: Policy, expected: int) -> None:
    """Never more machines at once than policy allows, whatever waits; dead ones do not count."""
    world = (instance(), runner(**ONLINE, busy=True), instance(5, id="i-2", state=State.TERMINATED, runner_id=99))
    jobs = tuple(wish(number) for number in (21, 22, 23, 24))
    assert expected == len(launched(*world, demand=jobs, policy=policy))


@pytest.mark.parametrize(("older", "newer"), [(8, 9), (9, 8)])
def test_who_waits_longest_gets_the_only_place(older: int, newer: int) -> None:
    """Of different label sets, whatever they are called and in whichever order they are listed."""
    jobs = tuple(
        wish(number, labels=(f"runnerkit={number}",), created_at=ago(300 if number == older else 200))
        for number in (8, 9)
    )
    assert [f"rk-{older}-1"] == launched(demand=jobs, policy=Policy(max_machines=1))
    assert [f"rk-{older}-1", f"rk-{newer}-1"] == launched(demand=jobs)


def test_machines_of_other_repositories_count_for_the_cap() -> None:
    """The cap is the owner's, so machines that serve unlisted repositories take part in it."""
    elsewhere = instance(10, repo="acme/other", runner_id=99)
    assert [] == launched(elsewhere, demand=(wish(7),), policy=Policy(max_machines=1))


def test_a_job_gets_a_bounded_number_of_machines() -> None:
    """After max_tries machines for one job nothing more is launched, and the reason says so."""
    spent = instance(name="rk-7-5", state=State.TERMINATED)
    decided = plan(observed(spent), (wish(7),), POLICY, NOW)
    assert () == decided.actions
    assert "5 machines were launched for it" in decided.waiting[0].why


def test_serials_grow_past_everything_seen() -> None:
    """A name is never used again while EC2 or GitHub still shows its last bearer."""
    seen = (instance(name="rk-7-2", state=State.TERMINATED, runner_id=98), runner(5_000, name="rk-7-3"))
    assert ["rk-7-4"] == launched(*seen, demand=(wish(7),))


def test_the_journal_remembers_names_that_ec2_forgot() -> None:
    """EC2 shows the dead for an hour; the tries of a job stay bounded for as long as it may wait."""
    notes = [LaunchNote(name, REPO, ago(7_000)) for name in ("rk-7-1", "rk-7-5", "rk-8-9", "not a name")]
    seen = replace(observed(), launches=tuple(notes))
    decided = plan(seen, (wish(7),), POLICY, NOW)
    assert () == decided.actions
    assert "5 machines were launched for it" in decided.waiting[0].why


@pytest.mark.parametrize(("age", "expected"), [(5, []), (61, ["rk-7-1"])])
def test_a_machine_that_ec2_does_not_show_yet_counts_for_the_cap(age: float, expected: list[str]) -> None:
    """EC2's list lags: what was launched within the settle window takes part in the cap though it is not listed."""
    seen = replace(observed(), launches=(LaunchNote("rk-3-1", REPO, ago(age)),))
    actions = plan(seen, (wish(7),), Policy(max_machines=1), NOW).actions
    assert expected == [str(action.name) for action in actions]


@pytest.mark.parametrize(
    ("world", "notes", "why"),
    [
        ((runner(10, name="rk-3-1"),), (), "registered by somebody whose journal is another one"),
        ((runner(10, name="rk-3-1"),), ("rk-3-1",), "and noted, it is no second one"),
        ((instance(10, name="", batch="1-0-0", hand_over_by=ago(-50)),), ("rk-3-1",), "shown without its name yet"),
    ],
)
def test_a_machine_on_its_way_is_counted_once(
    world: tuple[Instance | Runner, ...], notes: tuple[str], why: str
) -> None:
    """Of two places it has one, however it is seen; the other goes to a job of another label set."""
    seen = replace(observed(*world), launches=tuple(LaunchNote(name, REPO, ago(5)) for name in notes))
    jobs = [wish(number, labels=("runnerkit=2/gpu=l4",)) for number in (8, 9)]
    actions = plan(seen, jobs, Policy(max_machines=2), NOW).actions
    assert ["rk-8-1"] == [str(action.name) for action in actions], why


BREAKER = [
    # seconds ago of each failure, open?
    ([], False),
    ([10, 20], False),
    ([10, 20, 30], True),
    ([10, 20, 2_000], False),
    ([1_790, 1_795, 1_799], True),
    ([1_801, 1_802, 1_803], False),
]


@pytest.mark.parametrize(("ages", "is_open"), BREAKER)
def test_breaker(ages: list[float], is_open: bool) -> None:
    """Three failures of one label set within 15 minutes stop its launches for half an hour."""
    failures = tuple(Failure(ago(age), DIGEST, "launch-rejected") for age in ages)
    assert is_open is (breaker_open_until(failures, DIGEST, POLICY, NOW) is not None)
    assert ([] if is_open else ["rk-7-1"]) == launched(demand=(wish(7),), failures=failures)


def test_breaker_of_one_label_set_leaves_the_others_alone() -> None:
    """One broken label does not stop the others."""
    failures = tuple(Failure(ago(age), DIGEST, "x") for age in (1, 2, 3))
    other = wish(9, labels=("runnerkit=2/gpu=l4",))
    assert ["rk-9-1"] == launched(demand=(wish(7), other), failures=failures)


def test_the_plan_is_deterministic() -> None:
    """The same world in another order gives the same plan."""
    things = [instance(10, id=f"i-{n}", name=f"rk-{n}-1", runner_id=n) for n in range(5)]
    records = [runner(age, id=n, name=f"rk-{n}-1") for n, age in enumerate([10] * 5 + [61] * 3)]
    jobs = tuple(wish(number) for number in range(20, 30))
    one = plan(observed(*things, *records), jobs, POLICY, NOW)
    two = plan(observed(*reversed(things), *reversed(records)), tuple(reversed(jobs)), POLICY, NOW)
    assert one.actions == two.actions
    assert ["rk-5-1", "rk-6-1", "rk-7-1"] == [each.name for each in one.actions if isinstance(each, Deregister)]


def test_names_are_short_and_parse_back() -> None:
    """Names of both kinds survive EC2 and GitHub, and say whose machine it is."""
    for name in (RunnerName.for_job(10**12, 50), RunnerName.for_launch(10**12, 50, DIGEST, 99)):
        assert name == RunnerName.parse(str(name))
        assert len(str(name)) <= 64
    for foreign in ("", "rk-", "rk-x-1", "gpu-runner", "rk-1", "rk-1-2-zz-1", "RK-1-1\n"):
        assert RunnerName.parse(foreign) is None
