"""Telling of jobs and runs, by what has become of them since the last look."""

from collections.abc import Iterator
from typing import Any

from runnerkit.sandbox.github import events
from runnerkit.sandbox.github.engine import deployments
from runnerkit.sandbox.github.events import BRANCH
from runnerkit.sandbox.github.git import reading
from runnerkit.sandbox.github.jobs import jobs_of, run_status
from runnerkit.sandbox.github.records import Happening, Job, Run
from runnerkit.sandbox.github.state import State
from runnerkit.sandbox.github.views import actions, environments
from runnerkit.sandbox.github.views.accounts import Json, node_id

RUNNER = ("runner_id", "runner_name", "runner_group_id", "runner_group_name")
STAGES = ("requested", "in_progress", "completed")
FIRST = STAGES[:1]


class Watch:
    """An observer of the world; it looks only where somebody listens."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._jobs: dict[int, str] | None = None
        self._runs: dict[int, tuple[int, str]] = {}
        self._looking = False
        state.observers.append(self.look)

    def look(self) -> None:
        """Tell what is new; what was there before anybody listened is not."""
        if self._looking:
            return
        if not self._state.hooks and self._state.git.root is None:
            self._jobs = None
            return
        self._looking = True
        try:
            for happening in self._news():
                self._state.tell(happening)
        finally:
            self._looking = False

    def _news(self) -> list[Happening]:
        first = self._jobs is None
        known = self._jobs if self._jobs is not None else {}
        self._jobs = known
        found: list[Happening] = []
        for run in list(self._state.live.runs.values()):
            found += self._of_run(run, FIRST)
        for job in list(self._state.live.jobs.values()):
            before = known.get(job.id, "")
            if before != job.status:
                known[job.id] = job.status
                found += [self._job(job, action, status) for action, status in _steps(job, before)]
        for run in list(self._state.live.runs.values()):
            found += self._of_run(run, STAGES)
        return [] if first else found

    def _of_run(self, run: Run, stages: tuple[str, ...]) -> Iterator[Happening]:
        attempt, told = self._runs.get(run.id, (0, ""))
        if attempt != run.latest.number:
            told = ""
        if told == "completed" or (told and stages == FIRST):
            return
        jobs = jobs_of(self._state.live.jobs, run.latest)
        status, _ = run_status(jobs, run)
        reached = STAGES.index(status) if status in STAGES else 0
        ran = status != "completed" or any(each.started_at for each in jobs)
        for stage in STAGES[(STAGES.index(told) + 1 if told else 0) : reached + 1]:
            if stage in stages and (ran or stage != "in_progress"):
                self._runs[run.id] = (run.latest.number, stage)
                yield self._run(run, stage)

    def _job(self, job: Job, action: str, status: str) -> Happening:
        run = self._state.live.runs[job.run_id]
        shown = actions.job(events.links(self._state), job, run)
        if status != job.status:
            shown |= {"status": status, "conclusion": None, "completed_at": None}
        if status in {"queued", "waiting"}:
            shown |= {"started_at": shown["created_at"], "steps": [], **dict.fromkeys(RUNNER)}
        body: Json = {"workflow_job": shown}
        if deployments.deploys(job):
            body["deployment"] = environments.deployment(self._state, events.links(self._state), run, job)
        return self._told(run, "workflow_job", action, body)

    def _run(self, run: Run, action: str) -> Happening:
        state, at = self._state, events.links(self._state)
        shown = actions.run(state, at, run, state.live)
        page = f"{at.web}/{run.repository}"
        if action != "completed":
            shown |= {"status": "queued" if action == "requested" else action, "conclusion": None}
        workflow = {
            "id": shown["workflow_id"],
            "node_id": node_id("Workflow", shown["workflow_id"]),
            "name": run.workflow,
            "path": shown["path"],
            "state": "active",
            "created_at": shown["created_at"],
            "updated_at": shown["created_at"],
            "url": shown["workflow_url"],
            "html_url": f"{page}/blob/{state.repository(run.repository).default_branch}/{shown['path']}",
            "badge_url": f"{page}/workflows/{run.workflow}/badge.svg",
        }
        return self._told(run, "workflow_run", action, {"workflow_run": shown, "workflow": workflow})

    def _told(self, run: Run, event: str, action: str, body: Json) -> Happening:
        login, name = run.latest.actor, run.repository
        payload: dict[str, Any] = {"action": action} | body | events.common(self._state, name, login)
        ref = BRANCH + self._state.repository(name).default_branch
        # Workflows that wait for others' runs are those of the default branch; a job's progress triggers none.
        sha = (reading.resolve(self._state.git, name, ref) or "") if event == "workflow_run" else ""
        return Happening(name, event, login, action, ref=ref, sha=sha, head_sha=sha, payload=payload)


def _steps(job: Job, before: str) -> Iterator[tuple[str, str]]:
    """Give action and status of every event between two looks; nobody sees a job start that was never queued."""
    if not before and job.status == "waiting":
        # GitHub says queued first, of a job that is waiting already.
        yield "queued", "waiting"
    if job.status == "waiting":
        yield "waiting", "waiting"
        return
    ran = job.started_at is not None and job.runner_id is not None
    if before != "in_progress" and (job.status == "queued" or (before != "queued" and ran)):
        yield "queued", "queued"
    if ran and before != "in_progress" and job.status in {"in_progress", "completed"}:
        yield "in_progress", "in_progress"
    if job.status == "completed":
        yield "completed", "completed"
