"""Days of a made-up world: the built-in scenarios, drawn ones, and controllers that break a rule and are caught."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from runnerkit.cli.commands import app
from runnerkit.errors import ConfigError
from runnerkit.testing.simulation import Scenario, Simulation, built_in, named, read, simulate
from runnerkit.testing.simulation.report import waits
from runnerkit.testing.simulation.scenario import Controllers, Duration, Faults, Happening, Load, Machines
from runnerkit.wishes import Policy

if TYPE_CHECKING:
    from pathlib import Path

    from runnerkit.testing.simulation import Report

SHORT = Duration(median=300, spread=0.5, most=1800)
QUICK = Policy(max_machines=60, max_life=3 * 3600)


def complaint(report: Report) -> str:
    """What broke, for the reader of a failed test."""
    lines = [f"{b.invariant}: {b.what} (seed {report.seed}, {b.at} s)\n" + "\n".join(b.trace) for b in report.breaches]
    return "\n".join(lines)


def crowd(jobs_per_hour: float = 20.0, **more: object) -> Load:
    """Short jobs."""
    return Load.model_validate({"jobs_per_hour": jobs_per_hour, "duration": SHORT, **more})


# --- scenarios that come along ----------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("name", list(built_in()))
def test_a_scenario_keeps_every_invariant(name: str) -> None:
    """A shorter version of each built-in scenario ends with nothing broken and every job accounted for."""
    report = simulate(named(name), days=0.25)
    assert report.ok, complaint(report)
    assert report.jobs == sum(report.outcomes.values())
    assert "waiting" not in report.outcomes or report.given_up


@pytest.mark.slow
def test_a_drought_of_spot_is_bridged_on_demand() -> None:
    """While spot cannot be had, jobs run on demand; those that insist on spot wait until it is back."""
    drought = Happening(what="drought", at=3600, lasts=2 * 3600, market="spot")
    loads = (crowd(), crowd(4, labels=("runnerkit={run}/gpu=t4/spot=only",)))
    report = simulate(Scenario(days=0.2, load=loads, policy=QUICK, happenings=(drought,)))
    assert report.ok, complaint(report)
    assert report.money.on_demand > 0
    insisting, others = max(report.queue, key=len), sorted(report.queue, key=len)[1]
    assert report.queue[others].max < 1800 < report.queue[insisting].max


@pytest.mark.slow
def test_interrupted_jobs_go_on_where_they_were() -> None:
    """Every job that lost its machine succeeds in a later attempt; with stages less work is repeated than without."""
    scenario = Scenario(days=0.2, load=(crowd(15),), policy=QUICK, machines=Machines(interruptions=1.5, stage=60))
    report = simulate(scenario)
    assert report.ok, complaint(report)
    assert 0 < report.survived <= report.interrupted_jobs
    anew = simulate(scenario.model_copy(update={"machines": Machines(interruptions=1.5, resume=False)}))
    assert report.waste["repeated"].seconds < anew.waste["repeated"].seconds


def test_a_run_that_merely_fails_is_not_repeated() -> None:
    """Failures of jobs themselves cost one attempt each."""
    report = simulate(Scenario(days=0.05, load=(crowd(40, fails=0.5),)))
    assert report.ok, complaint(report)
    assert (0, 0) == (report.reruns, report.interruptions)
    assert report.outcomes["failure"] > 0


def test_the_same_seed_gives_the_same_course() -> None:
    """Everything but the real time it took is equal; another seed is another course."""

    def told(seed: int) -> dict[str, object]:
        return simulate(named("hostile"), days=0.06, seed=seed).as_dict() | {"took": 0}

    assert told(3) == told(3)
    assert told(3) != told(4)


def test_controllers_die_and_two_work_at_once() -> None:
    """Crashes happen, the next process goes on, and a rival does not disturb."""
    controllers = Controllers(count=2, crashes=300, restart=20)
    report = simulate(Scenario(days=0.05, load=(crowd(40),), policy=QUICK, controllers=controllers))
    assert report.ok, complaint(report)
    assert report.crashes > 0


def test_bursts_start_many_machines_with_one_call() -> None:
    """Equal jobs get their machines together, and every machine is known by its job in the end; controllers die."""
    load = crowd(60, matrix=0.5, matrix_size=12)
    controllers = Controllers(bursts=True, crashes=150)
    simulation = Simulation(Scenario(days=0.06, load=(load,), policy=QUICK, controllers=controllers))
    report = simulation.play()
    assert report.ok, complaint(report)
    assert report.launches >= report.jobs
    calls = sum(
        control.calls["ec2", "launch_batch"] + control.calls["ec2", "launch"] for control in simulation.controls
    )
    assert calls < report.launches / 2
    worked = [hire for hire in simulation.world.ledger.hires.values() if hire.worked]
    assert all(hire.rental.job_id and hire.rental.runner for hire in worked)


def test_percentiles_are_by_nearest_rank() -> None:
    """p50 of four is the second, p99 the last; nothing gives zeros."""
    found = waits([4, 1, 3, 2])
    assert (4, 2, 4, 4, 4) == (found.jobs, found.p50, found.p90, found.p99, found.max)
    assert 0 == waits([]).max


# --- small scenarios, each of which breaks without one rule (tests/guards) --------------------------------------------


def test_a_calm_hour() -> None:
    """Some jobs, nothing special: each gets one machine, and every machine comes to its own end."""
    report = simulate(Scenario(days=0.04, load=(crowd(30, matrix=0.2, matrix_size=4),), policy=QUICK))
    assert report.ok, complaint(report)
    assert report.machines == report.jobs


def test_bad_boots() -> None:
    """A third of all boots fails, and half of those machines do not end themselves."""
    machines = Machines(never_boots=0.3, never_ends=0.5)
    report = simulate(Scenario(days=0.04, load=(crowd(20),), policy=QUICK, machines=machines))
    assert report.ok, complaint(report)
    assert report.machines > report.jobs


def test_nothing_boots() -> None:
    """No machine ever comes online: every job has its tries, and no more."""
    policy = Policy(max_machines=60, max_tries=2, max_life=3600)
    report = simulate(Scenario(days=0.02, load=(crowd(20),), policy=policy, machines=Machines(never_boots=1.0)))
    assert report.ok, complaint(report)
    assert report.given_up == report.jobs


def test_a_full_house() -> None:
    """More jobs than machines are allowed: they take turns."""
    report = simulate(Scenario(days=0.02, load=(crowd(60),), policy=Policy(max_machines=3)))
    assert report.ok, complaint(report)
    assert 3 == report.most_machines


def test_failures_are_final() -> None:
    """Half of the jobs fail by themselves while others are interrupted: only those are repeated."""
    load = crowd(60, fails=0.5, matrix=0.1, matrix_size=3, duration=Duration(median=1200, spread=0.3))
    report = simulate(Scenario(days=0.04, load=(load,), policy=QUICK, machines=Machines(interruptions=3)))
    assert report.ok, complaint(report)
    assert report.reruns > 0


# --- drawn scenarios --------------------------------------------------------------------------------------------------

SHARES = st.sampled_from([0.0, 0.05, 0.2])
HAPPENINGS = st.lists(
    st.builds(
        Happening,
        what=st.sampled_from(["drought", "outage", "rate-limit", "interrupt", "crash", "burst"]),
        at=st.integers(0, 7200),
        lasts=st.sampled_from([60, 600, 3000]),
        of=st.sampled_from(["github", "ec2", "both"]),
        market=st.sampled_from(["spot", "both"]),
        types=st.sampled_from([("*",), ("g4dn.*",)]),
        jobs=st.sampled_from([5, 30]),
    ),
    max_size=3,
).map(tuple)
SCENARIOS = st.builds(
    Scenario,
    days=st.just(0.08),
    seed=st.integers(0, 2**16),
    policy=st.just(QUICK),
    load=st.builds(
        crowd, st.sampled_from([5.0, 25.0]), matrix=SHARES, cancelled=SHARES, fails=SHARES, hangs=st.just(0.0)
    ).map(lambda load: (load,)),
    machines=st.builds(
        Machines,
        never_boots=SHARES,
        never_ends=SHARES,
        falls_silent=SHARES,
        interruptions=st.sampled_from([0.0, 0.5, 3.0]),
        silent_interruptions=SHARES,
        resume=st.booleans(),
    ),
    faults=st.builds(
        Faults,
        lag=st.sampled_from([0.0, 8.0, 20.0]),
        missing=st.sampled_from([0.0, 0.02]),
        lost=st.sampled_from([0.0, 0.05]),
        failing=st.sampled_from([0.0, 0.05]),
        hints_lost=st.sampled_from([0.0, 0.5, 1.0]),
    ),
    controllers=st.builds(
        Controllers,
        count=st.integers(1, 2),
        crashes=st.sampled_from([0.0, 100.0]),
        shared_journal=st.booleans(),
        journal_lost=st.booleans(),
    ),
    happenings=HAPPENINGS,
)


@pytest.mark.slow
@given(SCENARIOS)
@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    # Shrinking plays many more days; the printed scenario and its seed are enough to play it again.
    phases=(Phase.explicit, Phase.reuse, Phase.generate),
)
def test_whatever_is_drawn_every_invariant_holds(scenario: Scenario) -> None:
    """Two hours of any mixture of load, lies, losses, happenings and crashes: jobs are served and nothing is left."""
    report = simulate(scenario)
    assert report.ok, complaint(report)


# --- controllers that break a rule ------------------------------------------------------------------------------------

BAD_BOOTS = Scenario(
    days=0.05,
    load=(crowd(10),),
    machines=Machines(never_boots=1.0, never_ends=0.5),
    policy=Policy(max_machines=60, max_tries=2, max_life=6 * 3600),
)
TAKEN = Scenario(
    days=0.1,
    load=(crowd(20, duration=Duration(median=3600, spread=0.1)),),
    machines=Machines(interruptions=8, resume=False),
    policy=Policy(max_machines=60, max_reruns=1, spot_breaker_interruptions=100_000),
)
STAYING = Scenario(
    days=0.05, load=(crowd(10, hangs=1.0),), machines=Machines(never_ends=0.5), policy=Policy(max_life=3600)
)
FULL = Scenario(days=0.02, load=(crowd(80),), policy=Policy(max_machines=5))
DRY = Scenario(
    days=0.05,
    load=(crowd(10),),
    patience=3000,
    happenings=(Happening(what="drought", at=600, lasts=1200),),
)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("scenario", "broken", "invariant"),
    [
        (BAD_BOOTS, {"max_tries": 50, "breaker_failures": 100_000}, "launches are bounded"),
        (BAD_BOOTS, {"online_within": 20_000}, "no machine outlives its lease"),
        (STAYING, {"max_life": 5 * 86_400}, "no machine outlives its lease"),
        (FULL, {"max_machines": 1_000}, "caps are never crossed"),
        (TAKEN, {"max_reruns": 20}, "runs are repeated a few times at most"),
        (DRY, {"refusal_memory": 80_000, "backoff_limit": 80_000}, "no queued job waits for ever"),
    ],
    ids=["no breaker", "no online deadline", "no lifetime", "no cap", "endless repeats", "endless back-off"],
)
def test_a_controller_without_a_bound_is_caught(scenario: Scenario, broken: dict[str, int], invariant: str) -> None:
    """The same scenario is fine with the policy it names, and breaks that invariant under a controller without it."""
    fine = simulate(scenario)
    assert fine.ok, complaint(fine)
    report = simulate(scenario, policy=scenario.policy.model_copy(update=broken))
    assert invariant in {breach.invariant for breach in report.breaches}, report.as_dict()
    assert report.breaches[0].trace


def test_a_machine_that_is_ended_while_it_works_is_seen() -> None:
    """Whoever ends a busy machine breaks the first of all invariants."""
    simulation = Simulation(Scenario(days=0.02, load=(crowd(60),)))
    world = simulation.world

    def careless() -> None:
        busy = [runner.name for runner in world.forge.real_runners() if runner.busy]
        world.cloud.terminate("", [instance.id for instance in world.cloud.live() if instance.name in busy])

    world.agenda.after(900, careless)
    report = simulation.play()
    assert "no running job is killed" == report.breaches[0].invariant


def test_a_repeated_failure_is_seen() -> None:
    """Whoever repeats a run that merely failed breaks an invariant."""
    simulation = Simulation(Scenario(days=0.02, load=(crowd(60, fails=1.0),)))
    world = simulation.world

    def eager() -> None:
        failed = next(job for job in world.forge.real_jobs() if job.conclusion == "failure")
        world.forge.rerun_failed(failed.repo, failed.run_id)

    world.agenda.after(1200, eager)
    report = simulation.play()
    assert "a job that merely failed is never run again" == report.breaches[0].invariant


# --- the command ------------------------------------------------------------------------------------------------------

OWN = """
days = 0.02
[policy]
max_machines = 3
[[load]]
labels = ["runnerkit={run}/cpu=4"]
jobs_per_hour = 30
duration = { median = "2m", most = "10m" }
"""


def test_the_command_plays_a_file_and_prints_json(tmp_path: Path) -> None:
    """A scenario of one's own is played with another seed; the report is one JSON document."""
    file = tmp_path / "mine.toml"
    file.write_text(OWN, encoding="utf-8")
    done = CliRunner().invoke(app, ["simulate", "--scenario", str(file), "--seed", "5", "--json"])
    told = json.loads(done.stdout)
    assert (0, True, "mine", 5) == (done.exit_code, told["ok"], told["scenario"], told["seed"])
    assert told["most_machines"] <= 3


def test_the_command_lists_what_comes_along() -> None:
    """Every built-in scenario is shown with what it is about, and can be read."""
    done = CliRunner().invoke(app, ["simulate", "--list", "--json"])
    assert list(built_in()) == [each["name"] for each in json.loads(done.stdout)]
    assert all(named(name).about for name in built_in())


def test_the_command_tells_people_what_broke(tmp_path: Path) -> None:
    """A broken invariant is exit code 1, with what happened before and how to see it again."""
    file = tmp_path / "impatient.toml"
    file.write_text(OWN.replace("days = 0.02", "days = 0.02\npatience = 0"), encoding="utf-8")
    done = CliRunner().invoke(app, ["simulate", "--scenario", str(file)])
    assert 1 == done.exit_code
    assert "broken: no queued job waits for ever" in done.output
    assert f"see it again: runnerkit simulate --scenario {file} --days 0.02 --seed 1" in done.output
    assert "job-seen" in done.output


@pytest.mark.parametrize(
    ("text", "said"),
    [("days = 0", "days"), ("nonsense = 1", "nonsense"), ("[[load]]\nduration = 3", "load.0.duration"), ("=", "read")],
)
def test_a_scenario_that_cannot_be_used_is_refused(text: str, said: str, tmp_path: Path) -> None:
    """File, key and reason are named."""
    file = tmp_path / "wrong.toml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match=said) as caught:
        read(file)
    assert "wrong.toml" in caught.value.message


def test_an_unknown_scenario_names_the_known_ones() -> None:
    """Bad usage: exit code 2, and what there is."""
    done = CliRunner().invoke(app, ["simulate", "weather", "--json"])
    assert 2 == done.exit_code
    assert "drought" in json.loads(done.stdout)["error"]["hint"]
