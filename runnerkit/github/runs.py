"""Workflow runs and their jobs: what waits, what became of it, run it again, cancel it."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from runnerkit.errors import ForgeRejected, NotFound
from runnerkit.github import places, views
from runnerkit.github.asks import Ask, unreadable

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from runnerkit.github.client import Client
    from runnerkit.github.level import Level
    from runnerkit.history import Run
    from runnerkit.model import Job

# Runs that can hold queued jobs, in the order in which a run passes through them: none slips through in between.
WAITING = ("queued", "in_progress")
# GitHub shows no more than a thousand runs for one filter.
MOST_RUN_PAGES = 10
_FORBIDDEN = 403
_CONFLICT = 409


class Runs:
    """The half of the forge that is about runs and jobs."""

    def __init__(self, client: Client, level: Level) -> None:
        self._client = client
        self._needs = level.needs
        self._lock = threading.Lock()
        self._listed: dict[str, dict[int, Run]] = {}

    def queued(self, repo: str) -> Sequence[Job]:
        """Every job of the repository that waits for a runner, oldest first.

        Costs a call for each list of runs and one for each run in them; nothing while they do not change.
        """
        runs = self._waiting_runs(repo)
        with self._lock:
            self._listed[repo.lower()] = runs
        found: dict[int, Job] = {}
        for run in runs.values():
            for job in self._jobs_of(run):
                if job.status == "queued":
                    found.setdefault(job.id, job)
        return sorted(found.values(), key=lambda job: (job.created_at, job.id))

    def jobs(self, repo: str, run_id: int) -> Sequence[Job]:
        """The jobs of a run's latest attempt."""
        return self._jobs(repo, f"runs/{int(run_id)}/jobs", f"list the jobs of run {run_id} of {repo}", run_id)

    def attempt(self, repo: str, run_id: int, number: int) -> Sequence[Job]:
        """The jobs of one attempt of a run, counted from 1."""
        what = f"list the jobs of attempt {number} of run {run_id} of {repo}"
        return self._jobs(repo, f"runs/{int(run_id)}/attempts/{int(number)}/jobs", what, run_id)

    def job(self, repo: str, job_id: int) -> Job | None:
        """One job by id, read fresh; None when there is none.

        Privacy, fork and event are those of the last listing, and unknown where the job's run was not in it.
        """
        ask = self._ask("GET", repo, f"jobs/{int(job_id)}", f"show job {job_id} of {repo}")
        try:
            body = self._client.read(ask)
        except NotFound:
            return None
        run_id = views.integer(views.record(body).get("run_id"))
        found = views.job(body, repo, self._known(repo, run_id), self._client.clock.now())
        if found is None:
            raise unreadable(ask.what)
        return found

    def run(self, repo: str, run_id: int) -> Run | None:
        """A run at its latest attempt, read fresh; None when there is none."""
        ask = self._ask("GET", repo, f"runs/{int(run_id)}", f"show run {run_id} of {repo}")
        try:
            body = self._client.read(ask)
        except NotFound:
            return None
        found = views.run(body, repo)
        if found is None:
            raise unreadable(ask.what)
        return found

    def rerun_failed(self, repo: str, run_id: int) -> None:
        """Run a completed run's failed jobs again, and those that depend on them.

        Raises:
            ForgeRejected: GitHub refuses, for example while the run is still going.
        """
        self._rerun(
            repo, f"runs/{int(run_id)}/rerun-failed-jobs", f"run the failed jobs of run {run_id} of {repo} again"
        )

    def rerun_job(self, repo: str, job_id: int) -> None:
        """Run one job of a completed run again, and those that depend on it.

        Raises:
            ForgeRejected: As for :meth:`rerun_failed`.
        """
        self._rerun(repo, f"jobs/{int(job_id)}/rerun", f"run job {job_id} of {repo} again")

    def cancel(self, repo: str, run_id: int) -> None:
        """Cancel a run; one that is over already is not an error."""
        what = f"cancel run {run_id} of {repo}"
        self._client.ask(self._ask("POST", repo, f"runs/{int(run_id)}/cancel", what, fine=frozenset({_CONFLICT})))

    def _rerun(self, repo: str, place: str, what: str) -> None:
        self._client.ask(self._ask("POST", repo, place, what, meanings={_FORBIDDEN: ForgeRejected}))

    def _waiting_runs(self, repo: str) -> dict[int, Run]:
        found: dict[int, Run] = {}
        for status in WAITING:
            params = {"status": status, "exclude_pull_requests": "true"}
            ask = self._ask("GET", repo, "runs", f"list the {status} runs of {repo}", params=params, background=True)
            for row in self._client.rows(ask, "workflow_runs", most=MOST_RUN_PAGES):
                run = views.run(row, repo)
                if run is None:
                    self._client.warn(f"GitHub listed a run of {repo} without an id; it was left out")
                else:
                    found.setdefault(run.id, run)
        return found

    def _jobs_of(self, run: Run) -> Iterable[Job]:
        try:
            return self.jobs(run.repo, run.id)
        except NotFound:
            return ()  # deleted since it was listed

    def _jobs(self, repo: str, place: str, what: str, run_id: int) -> list[Job]:
        params = {} if "attempts" in place else {"filter": "latest"}
        ask = self._ask("GET", repo, place, what, params=params, background=True)
        found: dict[int, Job] = {}
        for row in self._client.rows(ask, "jobs"):
            job = views.job(row, repo, self._known(repo, run_id), self._client.clock.now())
            if job is None:
                self._client.warn(f"GitHub listed a job of run {run_id} of {repo} without an id; it was left out")
            else:
                found.setdefault(job.id, job)
        return list(found.values())

    def _known(self, repo: str, run_id: int | None) -> Run | None:
        with self._lock:
            return self._listed.get(repo.lower(), {}).get(run_id or 0)

    def _ask(self, verb: str, repo: str, place: str, what: str, **more: Any) -> Ask:  # noqa: ANN401 - Ask's own fields
        need = self._needs.read_runs if verb == "GET" else self._needs.runs
        path = f"/repos/{places.repository(repo)}/actions/{place}"
        return Ask(verb=verb, path=path, what=what, repo=repo, need=need, **more)
