"""The contract of runs and jobs at a forge: what waits, what became of it, run it again, cancel it."""

# ruff: noqa: S101 - a suite asserts

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from runnerkit.errors import ForgeRejected, NotFound

if TYPE_CHECKING:
    from runnerkit.model import Job
    from runnerkit.testing.contracts.benches import ForgeBench

GPU = ("runnerkit=77/gpu=t4",)
ARRAY = ("self-hosted", "Runnerkit", "gpu=l4")
UNKNOWN_ID = 4711


class RunContract:
    """What runs and jobs do. Needs a fixture ``bench``."""

    def test_nothing_waits_at_first(self, bench: ForgeBench) -> None:
        """An empty queue is no error."""
        assert list(bench.forge.queued(bench.repo)) == []

    def test_a_waiting_job_tells_all_that_decides_about_it(self, bench: ForgeBench) -> None:
        """Labels as written, the event, the first attempt, private and no fork."""
        (job_id,) = bench.queue(bench.repo, ARRAY, event="workflow_dispatch")
        (job,) = bench.forge.queued(bench.repo)
        assert (job.id, job.repo, job.labels) == (job_id, bench.repo, ARRAY)
        assert (job.status, job.conclusion, job.runner_name) == ("queued", None, None)
        assert (job.run_attempt, job.event, job.private, job.fork) == (1, "workflow_dispatch", True, False)
        assert job.created_at.utcoffset() is not None
        assert job.run_id > 0

    @pytest.mark.parametrize("fork", [True, False])
    def test_a_public_repository_and_a_fork_are_told(self, bench: ForgeBench, fork: bool) -> None:  # noqa: FBT001 - a column
        """Policy refuses strangers' code, and this is how it knows."""
        bench.queue(bench.public_repo, GPU, event="pull_request", fork=fork)
        (job,) = bench.forge.queued(bench.public_repo)
        assert (job.private, job.fork, job.event) == (False, fork, "pull_request")

    def test_only_waiting_jobs_are_listed(self, bench: ForgeBench) -> None:
        """Each once, oldest first; neither the finished siblings of a run nor other repositories' jobs."""
        first, done, second = bench.queue(bench.repo, GPU, ARRAY, GPU)
        (third,) = bench.queue(bench.repo, GPU)
        (failed,) = bench.queue(bench.repo, GPU)
        bench.queue(bench.public_repo, GPU)
        bench.finish(done)
        bench.finish(failed, "failure")
        assert [job.id for job in bench.forge.queued(bench.repo)] == [first, second, third]

    def test_a_taken_job_waits_no_more(self, bench: ForgeBench) -> None:
        """The list follows; who runs it is told."""
        taken, waits = bench.queue(bench.repo, GPU, ARRAY)
        registration = bench.forge.register(bench.repo, "rk-77-1", GPU)
        bench.connect(registration.jit_config)
        bench.assign()
        assert [job.id for job in bench.forge.queued(bench.repo)] == [waits]
        assert told(bench, taken) == ("in_progress", None, "rk-77-1")

    # --- runs that are not over ---------------------------------------------------------------------------------------

    def test_nothing_is_active_at_first(self, bench: ForgeBench) -> None:
        """An empty list is no error."""
        assert list(bench.forge.active(bench.repo)) == []

    def test_all_jobs_of_runs_that_are_not_over_are_active(self, bench: ForgeBench) -> None:
        """Also those that are finished, oldest first; neither those of finished runs nor of other repositories."""
        first, second, done = bench.queue(bench.repo, GPU, ARRAY, GPU)
        (over,) = bench.queue(bench.repo, GPU)
        (third,) = bench.queue(bench.repo, GPU)
        bench.queue(bench.public_repo, GPU)
        bench.finish(done, "failure")
        bench.finish(over)
        found = {job.id: (job.status, job.conclusion) for job in bench.forge.active(bench.repo)}
        waits = ("queued", None)
        assert found == {first: waits, second: waits, done: ("completed", "failure"), third: waits}
        assert list(found) == sorted(found)

    def test_active_jobs_are_followed_to_their_end(self, bench: ForgeBench) -> None:
        """Look after look: queued, in progress, and gone with their run."""
        (job_id,) = bench.queue(bench.repo, GPU)
        assert [(job.id, job.status) for job in bench.forge.active(bench.repo)] == [(job_id, "queued")]
        registration = bench.forge.register(bench.repo, "rk-77-1", GPU)
        bench.connect(registration.jit_config)
        bench.assign()
        (job,) = bench.forge.active(bench.repo)
        assert (job.id, job.status, job.runner_name) == (job_id, "in_progress", "rk-77-1")
        bench.finish(job_id)
        assert list(bench.forge.active(bench.repo)) == []

    def test_a_run_started_again_is_active_again(self, bench: ForgeBench) -> None:
        """However long it has been over."""
        (job_id,) = bench.queue(bench.repo, GPU)
        run_id = run_of(bench, job_id)
        bench.finish(job_id, "failure")
        assert list(bench.forge.active(bench.repo)) == []
        bench.forge.rerun_failed(bench.repo, run_id)
        (job,) = bench.forge.active(bench.repo)
        assert (job.run_id, job.run_attempt, job.status) == (run_id, 2, "queued")

    def test_a_run_is_told_as_it_is(self, bench: ForgeBench) -> None:
        """Going, then over with its conclusion; the second attempt is the one that is told."""
        first, second = bench.queue(bench.repo, GPU, ARRAY, event="workflow_dispatch")
        run_id = run_of(bench, first)
        assert run_facts(bench, run_id) == (1, False, None)
        bench.finish(first, "failure")
        assert run_facts(bench, run_id) == (1, False, None)
        bench.finish(second)
        assert run_facts(bench, run_id) == (1, True, "failure")
        bench.forge.rerun_failed(bench.repo, run_id)
        assert run_facts(bench, run_id) == (2, False, None)
        run = bench.forge.run(bench.repo, run_id)
        assert run is not None
        assert (run.id, run.repo, run.event, run.private, run.fork) == (
            run_id,
            bench.repo,
            "workflow_dispatch",
            True,
            False,
        )

    def test_an_unknown_run_is_none(self, bench: ForgeBench) -> None:
        """Also one of another repository."""
        (job_id,) = bench.queue(bench.public_repo, GPU)
        assert bench.forge.run(bench.repo, UNKNOWN_ID) is None
        assert bench.forge.run(bench.repo, run_of(bench, job_id)) is None

    def test_a_job_by_id_is_always_fresh(self, bench: ForgeBench) -> None:
        """Its conclusion is there as soon as it is over, whatever was read before."""
        (job_id,) = bench.queue(bench.repo, GPU)
        assert told(bench, job_id) == ("queued", None, None)
        bench.finish(job_id, "cancelled")
        assert told(bench, job_id) == ("completed", "cancelled", None)

    def test_a_listed_job_and_the_job_by_id_agree(self, bench: ForgeBench) -> None:
        """After a listing nothing is lost by asking again."""
        (job_id,) = bench.queue(bench.repo, GPU)
        (listed,) = bench.forge.queued(bench.repo)
        assert bench.forge.job(bench.repo, job_id) == listed

    def test_an_unknown_job_is_none(self, bench: ForgeBench) -> None:
        """Also one of another repository."""
        (job_id,) = bench.queue(bench.public_repo, GPU)
        assert bench.forge.job(bench.repo, UNKNOWN_ID) is None
        assert bench.forge.job(bench.repo, job_id) is None

    def test_a_runs_jobs_are_all_of_them(self, bench: ForgeBench) -> None:
        """Waiting or over, and none of another run."""
        ids = bench.queue(bench.repo, GPU, ARRAY)
        bench.queue(bench.repo, GPU)
        bench.finish(ids[0])
        found = bench.forge.jobs(bench.repo, run_of(bench, ids[0]))
        assert {job.id: job.status for job in found} == {ids[0]: "completed", ids[1]: "queued"}

    def test_an_unknown_run_is_not_found(self, bench: ForgeBench) -> None:
        """Whatever is wanted of it."""
        for ask in (bench.forge.jobs, bench.forge.rerun_failed, bench.forge.cancel):
            with pytest.raises(NotFound):
                ask(bench.repo, UNKNOWN_ID)

    # --- again --------------------------------------------------------------------------------------------------------

    @pytest.mark.parametrize("conclusion", ["failure", "cancelled"])
    def test_failed_jobs_are_run_again(self, bench: ForgeBench, conclusion: str) -> None:
        """Under new ids in the next attempt, with the same labels and facts; what is known of the first stays."""
        (first,) = bench.queue(bench.repo, GPU, event="workflow_dispatch")
        run_id = run_of(bench, first)
        bench.finish(first, conclusion)
        bench.forge.rerun_failed(bench.repo, run_id)
        (again,) = bench.forge.queued(bench.repo)
        assert again.id != first
        assert (again.run_id, again.run_attempt, again.status, again.conclusion) == (run_id, 2, "queued", None)
        assert (again.labels, again.event, again.private, again.fork) == (GPU, "workflow_dispatch", True, False)
        assert [job.id for job in bench.forge.jobs(bench.repo, run_id)] == [again.id]
        assert told(bench, first) == ("completed", conclusion, None)

    def test_only_failed_jobs_are_run_again(self, bench: ForgeBench) -> None:
        """What succeeded is not repeated, and still belongs to the run."""
        failed, fine = bench.queue(bench.repo, GPU, ARRAY)
        bench.finish(failed, "failure")
        bench.finish(fine)
        run_id = run_of(bench, fine)
        bench.forge.rerun_failed(bench.repo, run_id)
        assert [job.labels for job in bench.forge.queued(bench.repo)] == [GPU]
        states = {job.labels: job.status for job in bench.forge.jobs(bench.repo, run_id)}
        assert states == {GPU: "queued", ARRAY: "completed"}

    def test_a_run_can_fail_and_be_run_again_several_times(self, bench: ForgeBench) -> None:
        """Each time it is one attempt more."""
        (job_id,) = bench.queue(bench.repo, GPU)
        run_id = run_of(bench, job_id)
        for attempt in (2, 3):
            bench.finish(job_id, "failure")
            bench.forge.rerun_failed(bench.repo, run_id)
            (job,) = bench.forge.queued(bench.repo)
            assert job.run_attempt == attempt
            job_id = job.id

    def test_a_run_under_way_is_not_run_again(self, bench: ForgeBench) -> None:
        """GitHub refuses until every job of it is over, and nothing changes."""
        failed, waits = bench.queue(bench.repo, GPU, ARRAY)
        bench.finish(failed, "failure")
        with pytest.raises(ForgeRejected):
            bench.forge.rerun_failed(bench.repo, run_of(bench, failed))
        assert [job.id for job in bench.forge.queued(bench.repo)] == [waits]

    def test_a_run_without_failures_is_not_run_again(self, bench: ForgeBench) -> None:
        """There is nothing to repeat, and GitHub says so."""
        (job_id,) = bench.queue(bench.repo, GPU)
        bench.finish(job_id)
        with pytest.raises(ForgeRejected):
            bench.forge.rerun_failed(bench.repo, run_of(bench, job_id))
        assert list(bench.forge.queued(bench.repo)) == []

    def test_one_job_alone_is_run_again(self, bench: ForgeBench) -> None:
        """Its sibling that failed too stays as it is."""
        first, second = bench.queue(bench.repo, GPU, ARRAY)
        for job_id in (first, second):
            bench.finish(job_id, "failure")
        run_id = run_of(bench, first)
        bench.forge.rerun_job(bench.repo, first)
        states = {job.labels: (job.status, job.run_attempt) for job in bench.forge.jobs(bench.repo, run_id)}
        assert states[GPU] == ("queued", 2)
        assert states[ARRAY][0] == "completed"
        assert first not in {job.id for job in bench.forge.active(bench.repo)}

    def test_a_job_of_a_run_under_way_is_not_run_again(self, bench: ForgeBench) -> None:
        """As with all failed jobs of a run."""
        failed, waits = bench.queue(bench.repo, GPU, ARRAY)
        bench.finish(failed, "failure")
        with pytest.raises(ForgeRejected):
            bench.forge.rerun_job(bench.repo, failed)
        assert [job.id for job in bench.forge.queued(bench.repo)] == [waits]

    # --- no more ------------------------------------------------------------------------------------------------------

    def test_a_cancelled_run_waits_no_more(self, bench: ForgeBench) -> None:
        """All of its waiting jobs are over; cancelling again is no error; other runs go on."""
        first, second = bench.queue(bench.repo, GPU, ARRAY)
        (other,) = bench.queue(bench.repo, GPU)
        for _ in range(2):
            bench.forge.cancel(bench.repo, run_of(bench, first))
        assert [job.id for job in bench.forge.queued(bench.repo)] == [other]
        assert {told(bench, job_id) for job_id in (first, second)} == {("completed", "cancelled", None)}

    def test_a_run_that_is_over_stays_as_it_ended(self, bench: ForgeBench) -> None:
        """Cancelling it changes nothing."""
        (job_id,) = bench.queue(bench.repo, GPU)
        bench.finish(job_id)
        bench.forge.cancel(bench.repo, run_of(bench, job_id))
        assert told(bench, job_id) == ("completed", "success", None)


def job_of(bench: ForgeBench, job_id: int) -> Job:
    """A job as it is now."""
    repos = (bench.repo, bench.public_repo)
    return next(job for repo in repos if (job := bench.forge.job(repo, job_id)) is not None)


def run_of(bench: ForgeBench, job_id: int) -> int:
    """The run that a job belongs to."""
    return job_of(bench, job_id).run_id


def run_facts(bench: ForgeBench, run_id: int) -> tuple[int, bool, str | None]:
    """Attempt, whether it is over, and conclusion of a run of the private repository."""
    run = bench.forge.run(bench.repo, run_id)
    assert run is not None
    return run.attempt, run.status == "completed", run.conclusion


def told(bench: ForgeBench, job_id: int) -> tuple[str, str | None, str | None]:
    """Status, conclusion and runner of a job."""
    job = job_of(bench, job_id)
    return job.status, job.conclusion, job.runner_name
