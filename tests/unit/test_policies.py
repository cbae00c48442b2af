"""Policy for each organisation and repository: which entry counts, what it bounds, and what it counts together."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pytest

from runnerkit.actions import Demand, Launch
from runnerkit.config import Config
from runnerkit.errors import ConfigError, PolicyRefused
from runnerkit.history import Interruption
from runnerkit.model import Instance, Job, Market, Observed, State
from runnerkit.plan import plan
from runnerkit.specs import digest, for_job, resolve, ungated
from runnerkit.testing import FakeWorld
from runnerkit.wishes import Bounds, Policy, RunnerSpec, SpotUse

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
POLICY = Policy.model_validate(
    {
        "max_price": 5.0,
        "max_machines": 50,
        "types": ["g5.*"],
        "repositories": {
            "acme/*": {"max_price": 2.0, "max_machines": 2},
            "acme/train": {"max_price": 9.0, "types": ["p4d.*"], "dollars_per_day": 10.0},
            "acme/t*": {"types": ["g6.*"], "forks": True},
        },
    }
)


@pytest.mark.parametrize(
    ("repo", "price", "types", "forks"),
    [
        ("other/repo", 5.0, ("g5.*",), False),
        ("acme/web", 2.0, ("g5.*",), False),
        ("acme/tools", 2.0, ("g6.*",), True),
        ("ACME/Train", 9.0, ("p4d.*",), True),
    ],
)
def test_the_narrowest_entry_wins_key_by_key(repo: str, price: float, types: tuple[str, ...], forks: bool) -> None:
    """All, then patterns by how many letters they fix, then the name itself; case does not count."""
    found = POLICY.of(repo)
    assert (found.max_price, found.types, found.forks) == (price, types, forks)


def test_more_fixed_letters_win_wherever_they_stand() -> None:
    """`*/train` fixes six letters and `acme/*` five, whichever comes first in the alphabet."""
    policy = Policy.model_validate({"repositories": {"*/train": {"max_price": 1.0}, "acme/*": {"max_price": 2.0}}})
    assert [1.0, 2.0, 1.0] == [policy.of(repo).max_price for repo in ("acme/train", "acme/web", "other/train")]


def job(number: int, repo: str, **fields: object) -> Job:
    made = {"event": "push", "private": True, "fork": False, **fields}
    labels = (f"runnerkit={number}/gpu=t4",)
    return Job(number, number, 1, repo, "train", "queued", labels, NOW, **made)  # type: ignore[arg-type]  # fields by name


def wish(number: int, repo: str, spec: RunnerSpec | None = None) -> Demand:
    return Demand(job(number, repo), spec or RunnerSpec(spot=SpotUse.PREFER), repo)


def machine(repo: str) -> Instance:
    place = ("eu-west-1", "eu-west-1a", "g5.xlarge", Market.SPOT, State.RUNNING, NOW)
    return Instance(f"i-{repo}", f"rk-{abs(hash(repo)) % 1000}-1", repo, *place)


def launched(*demand: Demand, policy: Policy, **observed: object) -> tuple[list[str], list[str]]:
    """The repositories that get a machine, and the reasons of the others."""
    world = Observed(NOW, frozenset({"acme/web", "acme/train", "b/c"}), **observed)  # type: ignore[arg-type]  # fields by name
    decided = plan(world, demand, policy, NOW)
    return [a.repo for a in decided.actions if isinstance(a, Launch)], [each.why for each in decided.waiting]


def test_machines_of_an_owner_are_counted_together() -> None:
    """An entry for `acme/*` bounds what all of its repositories have at once, and no other's."""
    demand = [wish(1, "acme/web"), wish(2, "acme/train"), wish(3, "b/c")]
    there, reasons = launched(*demand, policy=POLICY, instances=(machine("acme/web"),))
    assert (there, len(reasons)) == (["acme/web", "b/c"], 1)
    assert "for acme/*, policy allows 2 (max_machines)" in reasons[0]


def test_a_spent_budget_stops_launches_until_midnight() -> None:
    """Dollars of the day by entry; the reason tells what was spent, the time is the next day's beginning."""
    world = Observed(NOW, frozenset({"acme/train"}), spent={"acme/train": 10.5, "acme/web": 99.0})
    decided = plan(world, [wish(2, "acme/train"), wish(3, "b/c")], POLICY, NOW)
    assert [a.repo for a in decided.actions if isinstance(a, Launch)] == ["b/c"]
    (waiting,) = decided.waiting
    assert "10.50 dollars were spent today for acme/train" in waiting.why
    assert waiting.until == datetime(2026, 3, 2, tzinfo=UTC)


def test_a_budget_for_everything_counts_everybody() -> None:
    """Without an entry the cap is for the whole installation."""
    policy = Policy(dollars_per_day=20)
    assert launched(wish(1, "b/c"), policy=policy, spent={"b/c": 5.0, "x/y": 15.0})[0] == []
    assert launched(wish(1, "b/c"), policy=policy, spent={"b/c": 5.0, "x/y": 14.0})[0] == ["b/c"]


def test_after_two_interruptions_the_same_wish_is_bought_on_demand() -> None:
    """Who prefers spot gets on demand for a while; who insists on spot keeps it."""
    prefer, only = RunnerSpec(spot=SpotUse.PREFER), RunnerSpec(spot=SpotUse.ONLY)
    both = tuple(
        Interruption(NOW - timedelta(minutes=minutes), digest(spec), f"rk-{minutes}-{spec.spot}")
        for spec in (prefer, only)
        for minutes in (1, 2)
    )
    world = Observed(NOW, frozenset({"b/c"}), interruptions=both)
    actions = plan(world, [wish(1, "b/c", prefer), wish(2, "b/c", only)], Policy(), NOW).actions
    found = {a.job_id: (a.spec.spot, a.spot_paused is not None) for a in actions if isinstance(a, Launch)}
    assert found == {1: (SpotUse.NEVER, True), 2: (SpotUse.ONLY, False)}


@pytest.mark.parametrize(
    ("event", "spot", "allowed", "expected"),
    [
        ("merge_group", SpotUse.PREFER, False, SpotUse.NEVER),
        ("merge_group", SpotUse.PREFER, True, SpotUse.PREFER),
        ("merge_group", SpotUse.ONLY, False, SpotUse.ONLY),
        ("push", SpotUse.PREFER, False, SpotUse.PREFER),
    ],
)
def test_merge_queues_are_kept_from_spot(event: str, spot: SpotUse, allowed: bool, expected: SpotUse) -> None:
    """An interruption throws a change out of its queue, which no re-run mends."""
    found = for_job(RunnerSpec(spot=spot), job(1, "b/c", event=event), Policy(merge_queue_spot=allowed))
    assert found.spot is expected


@pytest.mark.parametrize(
    ("wanted", "gates", "words"),
    [
        ((), None, None),
        (("gpu",), frozenset({"gpu"}), None),
        (("GPU*",), frozenset({"gpu-large"}), None),
        (("*",), frozenset({"anything"}), None),
        (("*",), frozenset(), "an environment to let job 'train' of b/c through; it passed none"),
        (("gpu",), frozenset({"docs"}), "environments gpu to let job 'train' of b/c through; it passed docs"),
        (("gpu",), None, "nobody can tell which did"),
    ],
)
def test_jobs_without_the_required_environment_are_refused(
    wanted: tuple[str, ...], gates: frozenset[str] | None, words: str | None
) -> None:
    """Unknown counts as no."""
    refused = ungated(job(1, "b/c"), gates, Policy(require_environment=wanted))
    assert (refused is None) if words is None else (refused is not None and words in refused.message)


def test_only_the_listed_specs_may_be_named() -> None:
    """`specs` bounds which of the configuration's specs a repository may use."""
    named = {"small": RunnerSpec(), "large": RunnerSpec()}
    policy = Policy(repositories={"b/*": Bounds(specs=("small",))}).of("b/c")
    assert resolve(RunnerSpec(spec="small"), named, RunnerSpec(), policy).spec == "small"
    with pytest.raises(PolicyRefused, match="spec=large is not allowed"):
        resolve(RunnerSpec(spec="large"), named, RunnerSpec(), policy)


def test_entries_are_checked_where_they_are_written() -> None:
    """A key that does not exist is an error of the configuration, like everywhere."""
    with pytest.raises(ValueError, match="max_machine"):
        Config.model_validate({"policy": {"repositories": {"acme/*": {"max_machine": 3}}}})
    assert ConfigError.exit_code == 2


@pytest.mark.parametrize(
    ("bounds", "type_"),
    [({"types": ["g6.*"]}, "g6.xlarge"), ({"gpus": ["l4"]}, "g6.xlarge"), ({"regions": ["eu-*"]}, "g4dn.xlarge")],
)
def test_what_a_label_leaves_open_is_filled_within_the_entry(bounds: dict[str, object], type_: str) -> None:
    """The wider policy would allow other types; the narrower entry decides, also where it allows more."""
    policy = Policy.model_validate(
        {"types": ["g4dn.*"] if "types" in bounds else [], "repositories": {"acme/*": bounds}}
    )
    world = FakeWorld(policy=policy)
    world.forge.queue("acme/widgets", ["runnerkit=1/gpu=any"])
    world.fleet().once()
    assert [instance.type for instance in world.cloud.live()] == [type_]


def test_a_life_that_an_entry_lengthens_reaches_the_machine() -> None:
    """And one that nothing lengthens does not."""
    policy = Policy.model_validate({"max_life": 3600, "repositories": {"acme/long": {"max_life": 7200}}})
    world = FakeWorld(policy=policy, repos=["acme/long", "acme/short"])
    for repo in world.repos:
        world.forge.queue(repo, ["runnerkit=1/gpu=t4/life=10h"])
    world.fleet().once()
    lives = {each.repo: each.expires_at - each.launched_at for each in world.cloud.live() if each.expires_at}
    assert {repo: round(life.total_seconds(), -2) for repo, life in lives.items()} == {
        "acme/long": 7200,
        "acme/short": 3600,
    }


@pytest.mark.parametrize(
    ("policy", "count", "reason"),
    [
        ({"repositories": {"acme/*": {"max_machines": 1}}}, 2, "for acme/*, policy allows 1 (max_machines)"),
        ({"repositories": {"acme/*": {"dollars_per_day": 0.0}}}, 1, "policy allows 0.00 (dollars_per_day)"),
        ({"dollars_per_day": 0.0}, 1, "policy allows 0.00 (dollars_per_day)"),
        ({"max_machines_per_repo": 1}, 2, "policy allows 1 (max_machines_per_repo)"),
    ],
)
def test_machines_on_request_keep_to_caps_and_budgets(policy: dict[str, object], count: int, reason: str) -> None:
    """`launch` has no controller behind it that would."""
    world = FakeWorld(policy=Policy.model_validate(policy))
    fleet = world.fleet()
    with pytest.raises(PolicyRefused, match=re.escape(reason)):
        fleet.launch(fleet.request("runnerkit=1/gpu=t4", "acme/widgets", count=count))
    assert world.cloud.launches == 0
