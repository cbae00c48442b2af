"""What happens in the world: runs are triggered, jobs queued, runners come and go."""

from collections.abc import Iterable, Mapping
from typing import Any

from runnerkit.sandbox.github import jobs, people, registrations
from runnerkit.sandbox.github.engine import approvals
from runnerkit.sandbox.github.records import Approval, Attempt, Job, Run, Runner
from runnerkit.sandbox.github.refusals import missing
from runnerkit.sandbox.github.state import State


class Stories:
    """Moves the world on; records come back live, so that their fields show what happens later."""

    state: State

    def add_run(
        self,
        repository: str,
        jobs: Iterable[Mapping[str, Any]] = (),
        *,
        event: str = "push",
        workflow: str = "train",
        head_sha: str | None = None,
        head_branch: str = "main",
        head_repository: str | None = None,
        pull_number: int | None = None,
        actor: str = "octocat",
    ) -> Run:
        """Start a run. A job is ``{"name", "labels"}`` and may have status, group, needs and payload.

        With ``pull_number`` the head is that of the pull request; a ``head_repository`` that differs is a fork.
        """
        with self.state.open():
            base = self.state.repository(repository).full_name
            issue = self.state.issue(base, pull_number) if pull_number is not None else None
            if issue is not None and issue.pull is not None:
                head_sha, head_branch = head_sha or issue.pull.head_sha, issue.pull.head_ref
                head_repository = head_repository or issue.pull.head_repository
            head = self.state.repository(head_repository or base).full_name
            sha = people.add_commit(self.state, base, people.add_commit(self.state, head, head_sha))
            login, now = people.add_account(self.state, actor).login, self.state.now()
            number = self.state.next_id(f"run of {base}")
            run = Run(
                self.state.next_id("run"),
                number,
                base,
                workflow,
                event,
                login,
                sha,
                head_branch,
                head,
                now,
                [Attempt(1, now, login)],
                pull_number,
            )
            self.state.live.runs[run.id] = run
            for each in jobs:
                self._add_job(run, **each)
            return run

    def _add_job(self, run: Run, name: str, labels: Iterable[str], **more: Any) -> Job:  # noqa: ANN401 - record fields
        needs = tuple(more.pop("needs", ()))
        return jobs.add_job(self.state, run, name, labels, needs=needs, **more)

    def queue_job(self, repository: str, labels: Iterable[str], *, name: str = "train", **run: Any) -> Job:  # noqa: ANN401 - of add_run
        """Start a run of one job."""
        started = self.add_run(repository, [{"name": name, "labels": labels}], **run)
        return self.jobs(started)[0]

    def add_job(self, run: Run, name: str, labels: Iterable[str], **more: Any) -> Job:  # noqa: ANN401 - record fields
        """Queue one more job in a run's latest attempt."""
        with self.state.open():
            return self._add_job(run, name, labels, **more)

    def release_job(self, job: Job) -> None:
        """Queue a job that waited for an approval or another job."""
        with self.state.open():
            jobs.release(self.state, job)

    def jobs(self, run: Run) -> list[Job]:
        """List the jobs of a run's latest attempt."""
        with self.state.open(reading=True):
            return jobs.jobs_of(self.state.live.jobs, run.latest)

    def runners(self) -> list[Runner]:
        """List all registrations; GitHub's own machines are not among them."""
        with self.state.open(reading=True):
            return list(self.state.live.runners.values())

    def add_approval(
        self, run: Run, environment: str, *, state: str = "approved", login: str = "octocat", comment: str = ""
    ) -> None:
        """Let somebody approve or reject what a told run wants; its jobs are released by `release_job`."""
        with self.state.open():
            reviewer = people.add_account(self.state, login).login
            run.approvals.append(Approval(environment, state, reviewer, comment, self.state.now()))
            run.waiting_for = [each for each in run.waiting_for if each != environment]

    def wait_for(self, run: Run, environment: str) -> None:
        """Let a run that is told, not made from a workflow file, wait for the approval of an environment."""
        with self.state.open():
            run.waiting_for.append(approvals.ensure(self.state, run.repository, environment).name)

    def runner_connects(self, who: str | int, *, version: str | None = None, system: str = "linux") -> Runner:
        """Bring a runner online, by the JIT configuration it was given or by its id.

        Raises:
            Refused: the registration is gone or the runner is online already.
        """
        with self.state.open():
            version = version or self.state.options.runner_version
            if isinstance(who, str):
                return registrations.connect(self.state, who, version=version, system=system)
            return registrations.come_online(self.state, self._runner(who), version=version, system=system)

    def _runner(self, runner_id: int) -> Runner:
        found = self.state.live.runners.get(runner_id)
        if found is None:
            raise missing()
        return found

    def assign(self) -> None:
        """Give queued jobs to runners; only needed where ``options.auto_assign`` is off."""
        with self.state.open():
            jobs.assign_all(self.state)

    def finish_job(self, job: Job, conclusion: str = "success", *, annotation: str | None = None) -> None:
        """Complete a job; its runner is deregistered as it leaves."""
        with self.state.open():
            if annotation is not None:
                job.annotations.append(annotation)
            jobs.finish(self.state, job, conclusion)

    def lose_runner(self, runner_id: int) -> None:
        """Cut a runner's connection without a farewell: busy until the lease of its job runs out."""
        with self.state.open():
            registrations.lose(self.state, self._runner(runner_id))

    def vanish_runner(self, runner_id: int) -> None:
        """Drop an idle registration."""
        with self.state.open():
            registrations.vanish(self.state, self._runner(runner_id))

    def rerun_failed(self, run: Run, actor: str = "octocat") -> Attempt:
        """Press the button that runs failed jobs again."""
        with self.state.open():
            return jobs.rerun_failed(self.state, run, actor)

    def cancel_run(self, run: Run, *, force: bool = False) -> None:
        """Press the button that cancels a run."""
        with self.state.open():
            jobs.cancel(self.state, run, force=force)
