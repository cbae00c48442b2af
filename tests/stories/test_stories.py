"""What happens to jobs and machines, from the pull request to nothing left."""

from __future__ import annotations

import pytest

from tests.stories.conftest import REPO, Theatre

pytestmark = [pytest.mark.slow]

TRAIN = """
name: train
on: pull_request
jobs:
  train:
    runs-on: runnerkit=${{ github.run_id }}/gpu=t4
    steps:
      - run: |
          echo "attempt $GITHUB_RUN_ATTEMPT on $RUNNER_NAME"
          echo ran >> COUNTER/train
"""
FAILING = TRAIN + "      - run: exit 3\n      - run: echo never >> COUNTER/never\n"
SLOW = TRAIN + "      - run: sleep 600\n      - if: always()\n        run: echo cleaned >> COUNTER/cleaned\n"


def test_a_failing_pipeline(theatre: Theatre) -> None:
    """The job fails once, is not run again, and its machine is gone as after success."""
    pull = theatre.workflow(FAILING)
    theatre.controller()
    theatre.ends("failure", machines=1, pull=pull)
    assert (theatre.times("train"), theatre.times("never")) == (1, 0)
    assert len(theatre.run.attempts) == 1


def test_cancelled_while_queued(theatre: Theatre) -> None:
    """A job that is cancelled before anybody looked costs nothing."""
    pull = theatre.workflow(TRAIN)
    theatre.world.github.cancel_run(theatre.run)
    theatre.controller()
    theatre.until("a pass was made", lambda: any(event["event"] == "pass-ended" for event in theatre.events))
    theatre.ends("cancelled", machines=0, pull=pull)


def test_cancelled_while_booting(theatre: Theatre) -> None:
    """The machine comes up for nothing, idles for its lease, and ends itself."""
    pull = theatre.workflow(TRAIN)
    theatre.controller(RUNNERKIT_POLICY__IDLE="3")
    theatre.until("a machine is launched", theatre.machines)
    theatre.world.github.cancel_run(theatre.run)
    theatre.ends("cancelled", machines=1, pull=pull)
    assert theatre.times("train") == 0


def test_cancelled_while_running(theatre: Theatre) -> None:
    """Steps with always() still run, the job ends as cancelled within seconds, the machine goes."""
    pull = theatre.workflow(SLOW)
    theatre.controller()
    theatre.until("the job runs", lambda: theatre.times("train"))
    theatre.world.github.cancel_run(theatre.run)
    theatre.ends("cancelled", machines=1, pull=pull)
    assert theatre.times("cleaned") == 1
    assert theatre.job().annotations != []


def test_a_spot_interruption(theatre: Theatre) -> None:
    """The job fails fast instead of after GitHub's ten minutes, and the run is repeated on a new machine."""
    pull = theatre.workflow(TRAIN + '      - run: test "$GITHUB_RUN_ATTEMPT" = 2 || sleep 600\n')
    # Longer than AWS needs from the notice on, as by default: the machine is left to AWS, whose reason then counts.
    theatre.controller(RUNNERKIT_POLICY__CONFIRM="60")
    theatre.until("the job runs", lambda: theatre.times("train"))
    theatre.world.ec2.interrupt(theatre.machines()[0].id, 28.0)
    theatre.until("the second attempt", lambda: len(theatre.run.attempts) == 2)
    theatre.ends("success", machines=2, pull=pull)
    assert theatre.times("train") == 2
    first = min(theatre.all_jobs(theatre.run), key=lambda job: job.id)
    assert first.conclusion == "failure"
    assert any("shutdown signal" in annotation for annotation in first.annotations)
    assert {machine.reason for machine in theatre.machines()} == {
        "Server.SpotInstanceTermination",
        "Client.InstanceInitiatedShutdown",
    }


def test_a_registration_that_vanishes_while_idle(theatre: Theatre) -> None:
    """GitHub drops an idle runner before it got its job; the machine ends itself and the job gets another."""
    github = theatre.world.github
    github.options.auto_assign = False
    pull = theatre.workflow(TRAIN)
    theatre.controller()
    theatre.until("its runner is online", lambda: any(runner.online for runner in github.runners()))
    github.vanish_runner(github.runners()[0].id)
    github.options.auto_assign = True
    theatre.ends("success", machines=2, pull=pull)
    assert theatre.times("train") == 1


def test_two_runs_at_once(theatre: Theatre) -> None:
    """Each run has a label of its own, so each job gets the machine that was launched for it; then all is gone."""
    first = theatre.workflow(TRAIN)
    theatre.world.github.push(REPO, {"other.txt": "x\n"}, branch="other", message="Change more")
    second = theatre.world.github.open_pull_request(REPO, head="other", title="Change more")
    theatre.controller()
    theatre.ends("success", machines=2, pull=first)
    assert theatre.concluded(second) == "success"
    assert theatre.times("train") == 2
    for run in theatre.runs:
        (job,) = theatre.jobs(run)
        assert job.runner_name == f"rk-{job.id}-1"
    ended = {(each.tags["runnerkit:runner"], each.market, each.reason) for each in theatre.machines()}
    names = {job.runner_name for run in theatre.runs for job in theatre.jobs(run)}
    assert ended == {(name, "spot", "Client.InstanceInitiatedShutdown") for name in names}


def test_the_controller_is_killed_in_the_middle(theatre: Theatre) -> None:
    """Another one, on another machine, finds everything as the first left it: nothing is launched twice."""
    hold = theatre.world.ec2.hold("CreateFleet", "after")
    pull = theatre.workflow(TRAIN)
    first = theatre.controller()
    assert hold.reached.wait(60)
    first.kill()
    hold.release()
    theatre.controller(RUNNERKIT_STATE_DIR=str(theatre.world.folder / "elsewhere"))
    theatre.ends("success", machines=1, pull=pull)
    assert theatre.times("train") == 1
