"""FakeForge: a GitHub that lives in memory, keeps the Forge and Reports contracts, and misbehaves when told to."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

from runnerkit.errors import ForgeRejected, ForgeUnavailable, NameTaken, NotFound, RunnerBusy
from runnerkit.model import Job, Registration, Release, Runner
from runnerkit.names import Secret, label_key
from runnerkit.ports import RunnerPackage
from runnerkit.testing.lies import Late, Lies
from runnerkit.testing.papers import Papers
from runnerkit.testing.runs import FAILED, OVER, summary

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runnerkit.history import Run
    from runnerkit.ports import Clock

__all__ = ["OVER", "FakeForge"]
RUNNER_NAME = re.compile(r"[A-Za-z0-9_.-]{1,64}")


class FakeForge(Papers):
    """Keeps the Forge and Reports contracts in memory, for any number of repositories.

    Args:
        clock: The world's clock.
        lies: What it does wrong.
        organization: Register runners at this organisation's group instead of at repositories.
    """

    def __init__(self, clock: Clock, lies: Lies | None = None, organization: str | None = None) -> None:
        super().__init__(clock, lies or Lies())
        self.registrations = 0
        self.runner_releases = [Release("2.336.0", clock.now() - timedelta(days=10))]
        self.reruns: list[int] = []
        self._organization = organization
        self._runners: dict[int, Runner] = {}
        self._jobs: dict[int, Job] = {}
        self._superseded: set[int] = set()
        self._runner_list: Late[Runner] = Late(clock, self.lies)
        self._job_list: Late[Job] = Late(clock, self.lies)

    # --- the contract: runners ----------------------------------------------------------------------------------------

    def place(self, repo: str) -> str:
        """The organisation's group if there is one, else the repository."""
        return f"{self._organization} (group machines)" if self._organization else repo

    def downloads(self, repo: str) -> Sequence[RunnerPackage]:
        """One package for each architecture."""
        del repo
        return [RunnerPackage("linux", arch, f"https://example.invalid/{arch}", "0" * 64) for arch in ("x64", "arm64")]

    def releases(self, repo: str) -> Sequence[Release]:
        """What a test put there."""
        del repo
        self._may_fail("releases")
        return list(self.runner_releases)

    def runners(self, repo: str) -> Sequence[Runner]:
        """The runners of a repository's level, as the lagging list shows them."""
        self._may_fail("runners")
        place = self.place(repo)
        return [replace(runner, repo=repo) for runner in self._runner_list.shown() if runner.place == place]

    def runner(self, repo: str, runner_id: int) -> Runner | None:
        """One runner by id, always the truth."""
        self._may_fail("runner")
        runner = self._runners.get(runner_id)
        return replace(runner, repo=repo) if runner is not None and runner.place == self.place(repo) else None

    def runner_named(self, repo: str, name: str) -> Runner | None:
        """One runner by name, always the truth."""
        self._may_fail("runner by name")
        there = [replace(runner, repo=repo) for runner in self._runners.values() if runner.place == self.place(repo)]
        return next((runner for runner in there if runner.name.lower() == name.lower()), None)

    def register(self, repo: str, name: str, labels: Sequence[str]) -> Registration:
        """Register a runner; the name is the lock."""
        self.lies.at_effect("before register")
        self._may_fail("register")
        if not RUNNER_NAME.fullmatch(name) or not labels:
            raise ForgeRejected(f"{name!r} is no name for a runner, or it has no labels")
        taken = {runner.name.lower() for runner in self._runners.values() if runner.place == self.place(repo)}
        if name.lower() in taken:
            raise NameTaken(f"a runner named {name} is registered already")
        runner = Runner(
            next(self._numbers), name, repo, online=False, busy=False, labels=tuple(labels), place=self.place(repo)
        )
        self.registrations += 1
        self._change_runner(runner)
        self.lies.at_effect("after register")
        if self.lies.chance(self.lies.lost):
            raise ForgeUnavailable("the answer to the registration was lost")
        return Registration(runner, Secret(f"jit-{runner.id}"))

    def deregister(self, repo: str, runner_id: int) -> bool:
        """Delete a runner unless it is truly busy."""
        self.lies.at_effect("before deregister")
        self._may_fail("deregister")
        runner = self.runner(repo, runner_id)
        if runner is None:
            return False
        if runner.busy:
            raise RunnerBusy(f"runner {runner.name} is running a job")
        self._drop_runner(runner_id)
        self.lies.at_effect("after deregister")
        return True

    # --- the contract: jobs -------------------------------------------------------------------------------------------

    def queued(self, repo: str) -> Sequence[Job]:
        """The waiting jobs of a repository, as the lagging list shows them."""
        return [job for job in self.active(repo) if job.status == "queued"]

    def active(self, repo: str) -> Sequence[Job]:
        """The jobs of a repository's runs that are not over, as the lagging list shows them."""
        self._may_fail("queued")
        shown = [job for job in self._job_list.shown() if job.repo == repo and job.id not in self._superseded]
        going = {job.run_id for job in shown if job.status != OVER}
        return sorted((job for job in shown if job.run_id in going), key=lambda job: (job.created_at, job.id))

    def run(self, repo: str, run_id: int) -> Run | None:
        """A run, always the truth; it is over when all of its jobs are."""
        self._may_fail("run")
        jobs = self._latest(repo, run_id)
        if not jobs:
            return None
        return summary(jobs)

    def jobs(self, repo: str, run_id: int) -> Sequence[Job]:
        """The jobs of a run's latest attempt."""
        found = self._latest(repo, run_id)
        if not found:
            raise NotFound(f"{repo} has no run {run_id}")
        return found

    def job(self, repo: str, job_id: int) -> Job | None:
        """One job by id, always the truth."""
        self._may_fail("job")
        job = self._jobs.get(job_id)
        return job if job is not None and job.repo == repo else None

    def rerun_failed(self, repo: str, run_id: int) -> None:
        """Queue a completed run's failed jobs again, under new ids."""
        self.lies.at_effect("before rerun_failed")
        self._may_fail("rerun_failed")
        self._rerun(repo, run_id, [job for job in self.jobs(repo, run_id) if job.conclusion in FAILED])
        self.lies.at_effect("after rerun_failed")

    def rerun_job(self, repo: str, job_id: int) -> None:
        """Queue one job of a completed run again, under a new id."""
        self.lies.at_effect("before rerun_job")
        job = self.job(repo, job_id)
        if job is None:
            raise NotFound(f"{repo} has no job {job_id}")
        self._rerun(repo, job.run_id, [] if job_id in self._superseded else [job])
        self.lies.at_effect("after rerun_job")

    def annotations(self, repo: str, job_id: int) -> Sequence[str]:
        """What a test let the job say."""
        if self.job(repo, job_id) is None:
            raise NotFound(f"{repo} has no job {job_id}")
        return list(self._said.get(job_id, ()))

    def cancel(self, repo: str, run_id: int) -> None:
        """Cancel what is not over yet."""
        for job in self.jobs(repo, run_id):
            if job.status != OVER:
                self._change_job(replace(job, status=OVER, conclusion="cancelled"))

    # --- for tests ----------------------------------------------------------------------------------------------------

    def queue(
        self,
        repo: str,
        labels: Sequence[str],
        *,
        run_id: int | None = None,
        event: str = "push",
        private: bool = True,
        fork: bool = False,
    ) -> Job:
        """A job starts to wait for a runner, in a run of its own unless one is named."""
        number = next(self._numbers)
        job = Job(
            number,
            run_id or number,
            1,
            repo,
            f"job {number}",
            "queued",
            tuple(labels),
            self._clock.now(),
            event=event,
            private=private,
            fork=fork,
        )
        self.own(repo)
        self._change_job(job)
        return job

    def real_runners(self) -> list[Runner]:
        """The runners as they truly are."""
        return list(self._runners.values())

    def real_jobs(self) -> list[Job]:
        """The jobs as they truly are."""
        return list(self._jobs.values())

    def connect(self, runner_id: int) -> bool:
        """A machine starts to listen with a registration; False when there is none (any more)."""
        runner = self._runners.get(runner_id)
        if runner is None:
            return False
        self._change_runner(replace(runner, online=True, connected=True))
        return True

    def disconnect(self, runner_id: int) -> None:
        """A machine falls silent."""
        if runner_id in self._runners:
            self._change_runner(replace(self._runners[runner_id], online=False))

    def assign(self, runner_id: int) -> Job | None:
        """Give an online runner the oldest queued job all of whose labels it carries."""
        runner = self._runners.get(runner_id)
        if runner is None or not runner.online or runner.busy:
            return None
        for job in self._jobs.values():
            if self._fits(runner, job):
                self._change_runner(replace(runner, busy=True))
                taken = replace(job, status="in_progress", runner_name=runner.name, started_at=self._clock.now())
                self._change_job(taken)
                return taken
        return None

    def finish(self, job_id: int, conclusion: str = "success") -> None:
        """A job is over, and with it its just-in-time runner; one that was lost meanwhile stays registered."""
        job = self._jobs[job_id]
        self._change_job(replace(job, status=OVER, conclusion=conclusion, completed_at=self._clock.now()))
        for runner in list(self._runners.values()):
            if runner.name == job.runner_name and runner.busy:
                if runner.online:
                    self._drop_runner(runner.id)
                else:
                    self._change_runner(replace(runner, busy=False))

    def hide(self, runner_id: int, seconds: float) -> None:
        """The list leaves a runner out for a while, though it is there (and may be working)."""
        self._runner_list.hide(runner_id, self._clock.now() + timedelta(seconds=seconds))

    def vanish(self, runner_id: int) -> None:
        """GitHub forgets a runner."""
        self._drop_runner(runner_id)

    # --- inside -------------------------------------------------------------------------------------------------------

    def _fits(self, runner: Runner, job: Job) -> bool:
        same_place = self.place(job.repo) == runner.place
        return job.status == "queued" and same_place and label_key(job.labels) <= label_key(runner.labels)

    def _latest(self, repo: str, run_id: int) -> list[Job]:
        found = [job for job in self._jobs.values() if job.repo == repo and job.run_id == run_id]
        return [job for job in found if job.id not in self._superseded]

    def _rerun(self, repo: str, run_id: int, again: Sequence[Job]) -> None:
        if not again or any(job.status != OVER for job in self.jobs(repo, run_id)):
            raise ForgeRejected(f"run {run_id} is still going, or has no failed jobs")
        self.reruns.append(run_id)
        for job in again:
            self._superseded.add(job.id)
            self._change_job(self._again(job))

    def _again(self, job: Job) -> Job:
        number, now = next(self._numbers), self._clock.now()
        fresh = replace(job, id=number, run_attempt=job.run_attempt + 1, created_at=now, status="queued")
        return replace(fresh, conclusion=None, runner_name=None, started_at=None, completed_at=None)

    def _change_runner(self, runner: Runner) -> None:
        self._runners[runner.id] = runner
        self._runner_list.remember(self._runners.values())

    def _drop_runner(self, runner_id: int) -> None:
        self._runners.pop(runner_id, None)
        self._runner_list.remember(self._runners.values())

    def _change_job(self, job: Job) -> None:
        self._jobs[job.id] = job
        self._job_list.remember(self._jobs.values())
