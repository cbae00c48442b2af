"""Workflow runs and their jobs: what waits, what became of it, run it again, cancel it."""

from __future__ import annotations

import threading
from collections import OrderedDict
from functools import partial
from typing import TYPE_CHECKING, Any

from runnerkit.errors import ForgeRejected, NotFound
from runnerkit.github import places, views
from runnerkit.github.active import OVER, Watch
from runnerkit.github.asks import Ask, unreadable

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from runnerkit.github.client import Client
    from runnerkit.github.level import Level
    from runnerkit.history import Run
    from runnerkit.model import Job

# The newest runs are read in pages of this size; all that matters of a quiet repository is on one.
NEWEST = 30
MOST_NEW_PAGES = 10
# GitHub shows no more than a thousand runs for one filter.
MOST_RUN_PAGES = 10
REMEMBERED_RUNS = 2048
_FORBIDDEN = 403
_CONFLICT = 409


class Runs:
    """The half of the forge that is about runs and jobs."""

    def __init__(self, client: Client, level: Level) -> None:
        self._client = client
        self._needs = level.needs
        self._lock = threading.Lock()
        self._watches: dict[str, Watch] = {}
        self._remembered: OrderedDict[tuple[str, int], Run] = OrderedDict()

    def queued(self, repo: str) -> Sequence[Job]:
        """Every job of the repository that waits for a runner, oldest first: those of :meth:`active`."""
        return [job for job in self.active(repo) if job.status == "queued"]

    def active(self, repo: str) -> Sequence[Job]:
        """Every job, in whatever state, of the repository's runs that are not over; oldest first.

        Costs two lists of runs (seven the first time) and a call for each run that is not over; all of them are free
        while they do not change. See :mod:`runnerkit.github.active`.
        """
        with self._lock:
            watch = self._watches.setdefault(repo.lower(), Watch())
        found: dict[int, Job] = {}
        with watch.lock:
            for run in self._going(repo, watch):
                jobs = self._jobs_of(run)
                if watch.unseen(run) and all(job.status == OVER for job in jobs) and self._is_over(run):
                    watch.forget(run)
                    continue
                found.update((job.id, job) for job in jobs)
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

        Privacy, fork and event are known when the job's run was listed or read before, and unknown otherwise.
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
        self._remember(found)
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

    def _going(self, repo: str, watch: Watch) -> Sequence[Run]:
        watch.begin()
        gap = self._read_newest(repo, watch)
        for status in watch.statuses(gap=gap):
            watch.add(self._with_status(repo, status))
        return watch.end()

    def _read_newest(self, repo: str, watch: Watch) -> bool:
        """Read the newest runs; True when there are more new ones than may be read."""
        for number in range(1, MOST_NEW_PAGES + 1):
            page = self._newest(repo, number)
            watch.add(page)
            if watch.reaches_back(page):
                return False
        return True

    def _newest(self, repo: str, number: int) -> list[Run]:
        params: dict[str, str | int] = {"exclude_pull_requests": "true", "per_page": NEWEST, "page": number}
        ask = self._ask("GET", repo, "runs", f"list the newest runs of {repo}", params=params, background=True)
        rows, _next = self._client.some(ask, "workflow_runs", partial(views.run, repo=repo))
        return self._understood_runs(repo, rows)

    def _with_status(self, repo: str, status: str) -> list[Run]:
        params = {"status": status, "exclude_pull_requests": "true"}
        ask = self._ask("GET", repo, "runs", f"list the {status} runs of {repo}", params=params, background=True)
        rows = self._client.rows(ask, "workflow_runs", most=MOST_RUN_PAGES, each=partial(views.run, repo=repo))
        return self._understood_runs(repo, rows)

    def _understood_runs(self, repo: str, rows: Iterable[Run | None]) -> list[Run]:
        found: list[Run] = []
        for run in rows:
            if run is None:
                self._client.warn(f"GitHub listed a run of {repo} without an id; it was left out")
            else:
                found.append(run)
                self._remember(run)
        return found

    def _is_over(self, run: Run) -> bool:
        ask = self._ask("GET", run.repo, f"runs/{run.id}", f"show run {run.id} of {run.repo}", background=True)
        try:
            told = self._client.page(ask, slim=partial(views.run, repo=run.repo)).body
        except NotFound:
            return True
        return told is not None and told.status == OVER

    def _jobs_of(self, run: Run) -> Sequence[Job]:
        try:
            return self.jobs(run.repo, run.id)
        except NotFound:
            return ()  # deleted since it was listed

    def _jobs(self, repo: str, place: str, what: str, run_id: int) -> list[Job]:
        params = {} if "attempts" in place else {"filter": "latest"}
        ask = self._ask("GET", repo, place, what, params=params, background=True)
        found: dict[int, Job] = {}
        for row in self._client.rows(ask, "jobs", each=views.slim_job):
            job = views.job(row, repo, self._known(repo, run_id), self._client.clock.now())
            if job is None:
                self._client.warn(f"GitHub listed a job of run {run_id} of {repo} without an id; it was left out")
            else:
                found.setdefault(job.id, job)
        return list(found.values())

    def _known(self, repo: str, run_id: int | None) -> Run | None:
        with self._lock:
            return self._remembered.get((repo.lower(), run_id or 0))

    def _remember(self, run: Run) -> None:
        with self._lock:
            self._remembered[run.repo.lower(), run.id] = run
            self._remembered.move_to_end((run.repo.lower(), run.id))
            while len(self._remembered) > REMEMBERED_RUNS:
                self._remembered.popitem(last=False)

    def _ask(self, verb: str, repo: str, place: str, what: str, **more: Any) -> Ask:  # noqa: ANN401 - Ask's own fields
        need = self._needs.read_runs if verb == "GET" else self._needs.runs
        path = f"/repos/{places.repository(repo)}/actions/{place}"
        return Ask(verb=verb, path=path, what=what, repo=repo, need=need, **more)
