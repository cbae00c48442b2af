"""Metrics: what events and passes come to, in Prometheus's words."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from prometheus_client.parser import text_string_to_metric_families

from runnerkit import events
from runnerkit.errors import ForgeUnavailable, NoCapacity
from runnerkit.model import Breadth, Market, Refusal
from runnerkit.overview import About, Board
from runnerkit.testing import FakeClock, FakeWorld, Habits
from runnerkit.web.measures import COUNTER, MEASURES
from runnerkit.web.metrics import Metrics

AT = datetime(2026, 1, 1, tzinfo=UTC)
REPO = "acme/widgets"


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def metrics(clock: FakeClock) -> Metrics:
    return Metrics(clock)


def told(metrics: Metrics) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    """Every sample that the page has."""
    families = text_string_to_metric_families(metrics.render().decode())
    return {(s.name, frozenset(s.labels.items())): s.value for family in families for s in family.samples}


def of(metrics: Metrics, name: str, **labels: str) -> float | None:
    return told(metrics).get((f"runnerkit_{name}", frozenset(labels.items())))


def taken(seconds: float) -> events.JobTaken:
    return events.JobTaken(1, 1, REPO, "rk-1-1", seconds)


def test_queue_times_are_a_histogram_and_percentiles(metrics: Metrics, clock: FakeClock) -> None:
    """A hundred jobs: half waited no longer than 50 s, 99 no longer than 99 s; what is an hour old counts no more."""
    for seconds in range(1, 101):
        metrics.emit(taken(float(seconds)))
    assert 100 == of(metrics, "job_queue_seconds_count", repo=REPO)
    assert 60 == of(metrics, "job_queue_seconds_bucket", repo=REPO, le="60.0")
    quantiles = [of(metrics, "job_queue_quantile_seconds", quantile=share) for share in ("0.5", "0.9", "0.99")]
    assert [50, 90, 99] == quantiles
    clock.advance(3601)
    metrics.emit(taken(7.0))
    assert 7 == of(metrics, "job_queue_quantile_seconds", quantile="0.5")


def test_nobody_knows_percentiles_of_nothing(metrics: Metrics) -> None:
    """Without a job there is no number, rather than a zero that looks like success."""
    value = of(metrics, "job_queue_quantile_seconds", quantile="0.5")
    assert value != value  # noqa: PLR0124 - that is what NaN is


def test_events_are_counted_by_code_market_and_family(metrics: Metrics) -> None:
    """Launches, refusals, failures, interruptions and re-runs, each where it belongs."""
    refusal = Refusal("InsufficientInstanceCapacity", Breadth.POOL, "g5.xlarge", "eu-west-1", "a", Market.SPOT, AT)
    for event in (
        events.InstanceLaunched("rk-1-1", "i-1", "g5.xlarge", "eu-west-1a", "spot", 0.4, REPO, "eu-west-1"),
        events.OfferingRefused("rk-1-1", refusal),
        events.LaunchFailed("rk-1-1", NoCapacity("full")),
        events.InstanceInterrupted("rk-1-1", "i-1", REPO, "g5.xlarge", "eu-west-1a", "abcdef12"),
        events.RunRepeated("rk-1-1", REPO, 1, 2),
        events.JobOver(1, 1, REPO, "rk-1-1", "success"),
        events.ActionFailed("launch", "rk-1-1", ForgeUnavailable("down")),
        events.DeliveriesRepeated(3),
    ):
        metrics.emit(event)
    place = {"market": "spot", "region": "eu-west-1"}
    assert 1 == of(metrics, "launches_total", repo=REPO, family="g5", **place)
    assert 1 == of(metrics, "launch_refusals_total", code="InsufficientInstanceCapacity", **place)
    assert 1 == of(metrics, "launch_failures_total", code="no-capacity")
    assert 1 == of(metrics, "interruptions_total", repo=REPO, family="g5")
    assert 1 == of(metrics, "reruns_total", repo=REPO)
    assert 1 == of(metrics, "jobs_over_total", repo=REPO, conclusion="success")
    assert 1 == of(metrics, "actions_failed_total", action="launch", code="github-unavailable")
    assert 3 == of(metrics, "redeliveries_total")


def test_a_pass_is_measured_and_says_what_it_could_not_read(metrics: Metrics, clock: FakeClock) -> None:
    """Its length, its end, and how many repositories were left out, which is zero again after the next."""
    metrics.emit(events.RepositorySkipped(REPO, ForgeUnavailable("down")))
    metrics.emit(events.PassEnded(0, 0, 0, 0, 1.5))
    assert (1, 1.5) == (of(metrics, "repositories_unread"), of(metrics, "pass_seconds_sum"))
    assert clock.now().timestamp() == of(metrics, "last_pass_timestamp_seconds")
    metrics.emit(events.PassEnded(0, 0, 0, 0, 1.5))
    assert 0 == of(metrics, "repositories_unread")


def test_what_a_pass_saw_is_shown() -> None:
    """Jobs, machines by phase and dollars an hour as the real controller saw them; the next pass replaces them."""
    world = FakeWorld(habits=Habits(boot=20, job=60))
    world.forge.queue(REPO, ["runnerkit=1/gpu=t4"])
    world.forge.queue(REPO, ["runnerkit=2/gup=t4"])
    metrics, fleet = Metrics(world.clock), world.fleet()
    for _ in range(2):
        done = fleet.once()
        metrics.passed(done, fleet.machines(done))
    assert 1 == of(metrics, "jobs_refused")
    assert 1 == sum(value for (name, _), value in told(metrics).items() if name == "runnerkit_machines")
    live = sum(instance.price or 0 for instance in done.observed.instances if instance.live)
    assert live == of(metrics, "dollars_per_hour")


def test_a_real_day_is_counted_as_it_was() -> None:
    """Real events of a controller: three jobs, one of them interrupted and repeated; also what they cost."""
    world = FakeWorld(habits=Habits(boot=20, job=600))
    board = Board(world.journal, world.clock, world.policy, About())
    metrics, fleet = Metrics(world.clock), world.fleet()
    metrics.spent = board.spent
    for number in range(3):
        world.forge.queue(REPO, [f"runnerkit={number}/gpu=t4"], run_id=number + 1)
    for turn in range(80):
        board.saw(fleet.once(tidy=False))
        world.clock.advance(30)
        if turn == 5:
            world.interrupt(world.cloud.live()[0].id)
    for event in world.events.seen:
        metrics.emit(event)
    waits = [event.seconds for event in world.events.of(events.JobTaken)]
    ended = world.events.of(events.InstanceEnded)
    assert len(waits) == of(metrics, "job_queue_seconds_count", repo=REPO) == len(ended) == 4
    assert sum(waits) == of(metrics, "job_queue_seconds_sum", repo=REPO)
    assert 4 == sum(value for (name, _), value in told(metrics).items() if name == "runnerkit_launches_total")
    assert 1 == of(metrics, "interruptions_total", repo=REPO, family="g4dn") == of(metrics, "reruns_total", repo=REPO)
    assert 3 == of(metrics, "jobs_over_total", repo=REPO, conclusion="success")
    prices = {event.instance: event.price or 0.0 for event in world.events.of(events.InstanceLaunched)}
    spans = {e.instance: datetime.fromisoformat(e.until) - datetime.fromisoformat(e.since) for e in ended}
    dollars = sum(prices[instance] * span.total_seconds() / 3600 for instance, span in spans.items())
    assert dollars == pytest.approx(of(metrics, "dollars_today", repo=REPO))


def test_repositories_that_nothing_was_spent_on_are_gone(metrics: Metrics) -> None:
    """Yesterday's amounts vanish; when the journal cannot be read the last ones stay."""
    metrics.spent = lambda: {"Acme/Widgets": 2.5, "acme/other": 1.0}
    assert (2.5, 1.0) == (of(metrics, "dollars_today", repo=REPO), of(metrics, "dollars_today", repo="acme/other"))
    metrics.spent = lambda: {REPO: 3.0}
    assert (3.0, None) == (of(metrics, "dollars_today", repo=REPO), of(metrics, "dollars_today", repo="acme/other"))

    def unreadable() -> dict[str, float]:
        raise ForgeUnavailable("no journal")

    metrics.spent = unreadable
    assert 3.0 == of(metrics, "dollars_today", repo=REPO)


def test_a_pass_that_failed_is_a_pass(metrics: Metrics, clock: FakeClock) -> None:
    """Nothing before the first one, so that no alarm rings at the start; then the last one, whatever became of it."""
    before = of(metrics, "last_pass_timestamp_seconds")
    assert before != before  # noqa: PLR0124 - that is what NaN is
    metrics.emit(events.ActionFailed("launch", "rk-1-1", ForgeUnavailable("down")))
    assert (still := of(metrics, "last_pass_timestamp_seconds")) != still
    metrics.emit(events.ActionFailed("pass", "", ForgeUnavailable("down")))
    assert clock.now().timestamp() == of(metrics, "last_pass_timestamp_seconds")


@pytest.mark.parametrize(("left", "shown"), [(4321, 4321.0), (0, 0.0)])
def test_what_github_still_allows_is_asked_when_somebody_looks(left: int, shown: float) -> None:
    """The number is that of the moment."""
    assert shown == of(Metrics(FakeClock(), lambda: left), "github_calls_left")


def test_every_metric_is_made_as_the_table_says(metrics: Metrics) -> None:
    """Names, kinds and help texts of the page are those from which the documentation is written."""
    families = {family.name: family for family in text_string_to_metric_families(metrics.render().decode())}
    for measure in MEASURES.values():
        family = families[measure.name]
        assert (measure.kind, measure.means) == (family.type, family.documentation)
        assert measure.name.startswith("runnerkit_")
        assert not (measure.kind == COUNTER and measure.name.endswith("_total"))
        assert {"job", "run", "runner", "instance"}.isdisjoint(measure.labels)
