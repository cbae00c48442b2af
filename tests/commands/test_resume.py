"""``resume``: a run of `launch` that AWS interrupted goes on, once, with a machine that is there first."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from runnerkit.names import label_digest
from tests.commands.test_loop import until
from tests.docs.doc_pages import ROOT
from tests.docs.test_docs_workflows import run as run_step
from tests.docs.test_docs_workflows import step_with

if TYPE_CHECKING:
    from pathlib import Path

    from runnerkit.sandbox.github.records import Job
    from tests.commands.conftest import Bench

LABEL = "runnerkit=42/gpu=t4"
REPO = "acme/widgets"
DIGEST = label_digest(REPO, [LABEL])


def working(bench: Bench, *, label: str = LABEL, **run: Any) -> tuple[Job, str]:  # noqa: ANN401 - fields of a run
    """A job on a machine that `launch` made in the same run, and the machine's id."""
    bench.world.hollow.work = 60
    job = bench.world.github.queue_job(REPO, [label], **run)
    done = bench.launch(label=label, GITHUB_RUN_ID=str(job.run_id), GITHUB_RUN_ATTEMPT="1")
    assert done.code == 0, done.out
    assert until(lambda: job.status == "in_progress")
    return job, done.json["machines"][0]["instance"]


def interrupted(bench: Bench, **run: Any) -> Job:  # noqa: ANN401 - fields of a run
    """A run that is over because AWS took the machine of its job."""
    job, machine = working(bench, **run)
    bench.world.ec2.interrupt(machine, 0)
    assert until(lambda: bench.world.ec2.instances("terminated") != [])
    if job.status != "completed":
        bench.world.github.finish_job(job, "failure")
    return job


def resume(bench: Bench, run: object, *more: str) -> dict[str, Any]:
    """What became of it."""
    told = bench.run("resume", str(run), "--json", *more)
    assert told.code == 0, told.out + told.err
    answer: dict[str, Any] = told.json
    return answer


def test_an_interrupted_run_goes_on_with_a_machine_of_its_new_attempt(bench: Bench) -> None:
    """The machine first, under the name that `launch` would give it, then the failed job; it ends well."""
    job = interrupted(bench)
    bench.world.hollow.work = 0.3
    planned = resume(bench, job.run_id, "--dry-run")
    assert (planned["done"], planned["wanted"][0]["count"]) == ("would-repeat", 1)
    assert len(bench.world.ec2.instances("pending", "running")) == 0
    done = resume(bench, f"{bench.world.github.url}/{REPO}/actions/runs/{job.run_id}")
    assert (done["done"], done["machines"][0]["runner"]) == ("repeated", f"rk-{job.run_id}-2-{DIGEST}-1")
    again = [each for each in bench.world.github.state.live.jobs.values() if each.attempt == 2]
    assert until(lambda: all(each.conclusion == "success" for each in again))
    assert len(again) == 1


def test_twice_is_once(bench: Bench) -> None:
    """The second one finds a run that goes on, or one that went well."""
    job = interrupted(bench)
    both = [bench.start("resume", str(job.run_id), "--json") for _ in range(2)]
    ended = [process.communicate(timeout=60)[0] for process in both]
    assert [process.returncode for process in both] == [0, 0], ended
    assert bench.world.github.count("POST", "*/rerun*", 201) == 1
    assert len(bench.world.ec2.instances("pending", "running")) == 1


def test_what_merely_failed_is_left_with_the_reason(bench: Bench) -> None:
    """Nothing to do is exit code 0: the workflow that asks for every run that is over must not be red for it."""
    job, _ = working(bench)
    bench.world.github.finish_job(job, "failure")
    bench.world.hollow.work = 0
    assert until(lambda: bench.world.ec2.instances("terminated") != [])
    told = resume(bench, job.run_id)
    assert (told["done"], told["because"]) == ("left", "not-interrupted")
    assert "left as it is" in bench.run("resume", str(job.run_id)).out
    assert bench.world.github.count("POST", "*/rerun*") == 0


@pytest.mark.parametrize(
    ("run", "label", "settings", "because"),
    [
        ({}, LABEL, {"RUNNERKIT_POLICY__MAX_RERUNS": "0"}, "attempts"),
        ({}, "runnerkit=42/gpu=t4/retry=never", {}, "retry-never"),
        ({"event": "merge_group"}, LABEL, {}, "merge-queue"),
    ],
)
def test_bounds_are_kept(bench: Bench, run: dict[str, Any], label: str, settings: dict[str, str], because: str) -> None:
    """Attempts, the label's own word, and merge queues, which have thrown the change out."""
    job = interrupted(bench, label=label, **run)
    bench.environment.update(settings)
    assert resume(bench, job.run_id)["because"] == because


def test_a_run_that_goes_is_left_alone(bench: Bench) -> None:
    """GitHub repeats nothing before all is over."""
    job, _ = working(bench)
    assert resume(bench, job.run_id)["because"] in {"not-over", "nothing-failed"}


def test_the_annotation_is_a_witness_where_ec2_has_forgotten(bench: Bench) -> None:
    """The job said so before it ended."""
    job, _ = working(bench)
    bench.world.github.finish_job(job, "failure", annotation="runnerkit: spot interruption")
    assert resume(bench, job.run_id, "--dry-run")["done"] == "would-repeat"


def test_without_capacity_nothing_is_repeated(bench: Bench) -> None:
    """A job without a machine would wait for a day; the run stays as it is, to be resumed later."""
    job = interrupted(bench)
    bench.world.ec2.capacity("*", "*", "spot", 0)
    bench.world.ec2.capacity("*", "*", "on-demand", 0)
    told = bench.run("resume", str(job.run_id), "--json")
    assert (told.code, told.json["error"]["code"]) == (4, "no-capacity")
    assert bench.world.github.count("POST", "*/rerun*") == 0


@pytest.mark.parametrize(("words", "code"), [(["999999"], 2), (["rk-1-1"], 2), (["train"], 2)])
def test_what_is_no_run_is_refused(bench: Bench, words: list[str], code: int) -> None:
    """A runner is not a run, and a number that GitHub does not know is said to be unknown."""
    assert bench.run("resume", *words, "--json").code == code


@pytest.mark.parametrize(
    ("settings", "workflow", "label", "by"),
    [
        ({}, "", LABEL, "nobody"),
        ({"RUNNERKIT_GITHUB__RECOVERY": "none"}, "- run: runnerkit resume 5", LABEL, "nobody"),
        ({"RUNNERKIT_GITHUB__RECOVERY": "controller"}, "", LABEL, "controller"),
        ({}, "- run: runnerkit resume 5", LABEL, "resume"),
        ({}, "- run: runnerkit once", LABEL, "controller"),
        ({}, "", f"{LABEL}/spot=never", "not-needed"),
        ({}, "", f"{LABEL}/retry=never", "not-needed"),
    ],
)
def test_launch_says_when_nobody_would_repeat_the_run(
    bench: Bench, tmp_path: Path, settings: dict[str, str], workflow: str, label: str, by: str
) -> None:
    """By settings, by the checkout's workflows, and not where nothing can be lost; it costs no call."""
    (tmp_path / ".github" / "workflows").mkdir(parents=True)
    (tmp_path / ".github" / "workflows" / "any.yaml").write_text(f"steps:\n  {workflow}\n", encoding="utf-8")
    told = bench.launch(label=label, **settings)
    assert (told.code, told.json["recovery"]["by"]) == (0, by)
    assert bool(told.json["recovery"]["note"]) is (by == "nobody")
    spoken = bench.run("launch", "--runs-on", label, **settings)
    assert spoken.err.count("examples/resume.yml") == (by == "nobody")
    assert bench.world.github.count("GET", "*/contents/*") == 0


def test_launch_takes_a_controllers_word_from_the_journal(bench: Bench) -> None:
    """Where one has looked after the repository lately, it will repeat the run."""
    bench.world.github.queue_job(REPO, [LABEL])
    assert bench.run("once").code == 0
    assert bench.launch(label="runnerkit=43/gpu=t4").json["recovery"]["by"] == "controller"


def test_the_examples_step_lets_an_interrupted_run_go_on(bench: Bench, tmp_path: Path) -> None:
    """Byte by byte as GitHub would run it, with the run's number in its variable."""
    step = step_with(ROOT / "examples/resume.yml", "resume")
    job = interrupted(bench)
    bench.world.hollow.work = 0.3
    done = run_step({**step, "env": {**step["env"], "RUN": str(job.run_id)}}, bench.world, tmp_path)
    assert (0, True) == (done.returncode, "goes on as attempt 2" in done.stdout), done.stderr
    again = [each for each in bench.world.github.state.live.jobs.values() if each.attempt == 2]
    assert until(lambda: [each.conclusion for each in again] == ["success"])
