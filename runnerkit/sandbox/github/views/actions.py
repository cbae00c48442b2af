"""Runners, runs and jobs as GitHub shows them."""

from typing import Any

from runnerkit.sandbox.github.clock import stamp
from runnerkit.sandbox.github.exchange import Links
from runnerkit.sandbox.github.jobs import jobs_of, run_status
from runnerkit.sandbox.github.records import Approval, Job, Run, Runner
from runnerkit.sandbox.github.state import Lists, State
from runnerkit.sandbox.github.views.accounts import Json, minimal_repository, node_id, user

READ_ONLY = frozenset({"self-hosted", "linux", "macos", "windows", "x64", "arm", "arm64"})
WORKFLOW_ID = 161_335


def runner(found: Runner) -> Json:
    """Show a runner."""
    return {
        "id": found.id,
        "name": found.name,
        "runner_group_id": found.group_id,
        "os": found.os,
        "status": "online" if found.online else "offline",
        "busy": found.busy,
        "ephemeral": True,
        "version": found.version,
        "labels": [_label(found.id, place, name) for place, name in enumerate(found.labels)],
    }


def _label(runner_id: int, place: int, name: str) -> Json:
    kind = "read-only" if name.lower() in READ_ONLY else "custom"
    return {"id": runner_id * 100 + place, "name": name, "type": kind}


def job(links: Links, found: Job, run: Run) -> Json:
    """Show a job; GitHub fills ``started_at`` in before it has started."""
    url = f"{links.api}/repos/{found.repository}"
    return {
        "id": found.id,
        "run_id": found.run_id,
        "run_url": f"{url}/actions/runs/{found.run_id}",
        "run_attempt": found.attempt,
        "node_id": node_id("CheckRun", found.id),
        "head_sha": run.head_sha,
        "head_branch": run.head_branch,
        "workflow_name": run.workflow,
        "url": f"{url}/actions/jobs/{found.id}",
        "html_url": f"{links.web}/{found.repository}/actions/runs/{found.run_id}/job/{found.id}",
        "check_run_url": f"{url}/check-runs/{found.id}",
        "status": found.status,
        "conclusion": found.conclusion,
        "created_at": stamp(found.created_at),
        "started_at": stamp(found.started_at or found.created_at),
        "completed_at": found.completed_at and stamp(found.completed_at),
        "name": found.name,
        "steps": found.steps,
        "labels": list(found.labels),
        "runner_id": found.runner_id,
        "runner_name": found.runner_name,
        "runner_group_id": found.runner_group_id,
        "runner_group_name": found.runner_group_name,
    }


def run(state: State, links: Links, found: Run, lists: Lists) -> Json:
    """Show a run at its latest attempt, with the jobs' states as ``lists`` has them."""
    jobs = jobs_of(lists.jobs, found.latest)
    status, conclusion = run_status(jobs)
    moved = [moment for each in jobs for moment in (each.started_at, each.completed_at) if moment]
    url = f"{links.api}/repos/{found.repository}/actions/runs/{found.id}"
    return {
        "id": found.id,
        "name": found.workflow,
        "node_id": node_id("WorkflowRun", found.id),
        "check_suite_id": found.id,
        "check_suite_node_id": node_id("CheckSuite", found.id),
        "head_branch": found.head_branch,
        "head_sha": found.head_sha,
        "path": f".github/workflows/{found.workflow}.yml",
        "display_title": _title(state, found),
        "run_number": found.number,
        "event": found.event,
        "status": status,
        "conclusion": conclusion,
        "workflow_id": WORKFLOW_ID,
        "url": url,
        "html_url": f"{links.web}/{found.repository}/actions/runs/{found.id}",
        "pull_requests": pull_requests(state, links, found),
        "created_at": stamp(found.created_at),
        "updated_at": stamp(max([found.latest.started_at, *moved])),
        "run_attempt": found.latest.number,
        "run_started_at": stamp(found.latest.started_at),
        "actor": user(links, state.account(found.actor)),
        "triggering_actor": user(links, state.account(found.latest.actor)),
        **{f"{part}_url": f"{url}/{part}" for part in ("jobs", "logs", "artifacts", "cancel", "rerun")},
        "check_suite_url": f"{links.api}/repos/{found.repository}/check-suites/{found.id}",
        "previous_attempt_url": f"{url}/attempts/{found.latest.number - 1}" if found.latest.number > 1 else None,
        "workflow_url": f"{links.api}/repos/{found.repository}/actions/workflows/{WORKFLOW_ID}",
        "head_commit": _head_commit(state, found),
        "repository": minimal_repository(state, links, state.repository(found.repository)),
        "head_repository": minimal_repository(state, links, state.repository(found.head_repository)),
    }


def _title(state: State, found: Run) -> str:
    return state.commits.get((found.head_repository, found.head_sha), found.workflow)


def _head_commit(state: State, found: Run) -> Json:
    author = {"name": found.actor, "email": f"{found.actor}@users.noreply.example"}
    return {
        "id": found.head_sha,
        "tree_id": found.head_sha,
        "message": _title(state, found),
        "timestamp": stamp(found.created_at),
        "author": author,
        "committer": author,
    }


def pull_requests(state: State, links: Links, found: Run) -> list[Json]:
    """Show the pull request of a run; GitHub leaves the list empty for forks."""
    issue = state.issues.get((found.repository, found.pull_number or 0))
    if issue is None or issue.pull is None or found.head_repository != found.repository:
        return []
    repository = state.repository(found.repository)
    url = f"{links.api}/repos/{repository.full_name}"
    embedded = {"id": repository.id, "name": repository.name, "url": url}
    return [
        {
            "id": issue.id,
            "number": issue.number,
            "url": f"{url}/pulls/{issue.number}",
            "head": {"ref": issue.pull.head_ref, "sha": issue.pull.head_sha, "repo": embedded},
            "base": {"ref": issue.pull.base_ref, "sha": issue.pull.head_sha, "repo": embedded},
        }
    ]


def environment(links: Links, repository: str, name: str, number: int) -> Json:
    """Show an environment as approvals embed it."""
    return {
        "id": number,
        "node_id": node_id("Environment", number),
        "name": name,
        "url": f"{links.api}/repos/{repository}/environments/{name}",
        "html_url": f"{links.web}/{repository}/deployments/activity_log?environments_filter={name}",
    }


def approval(state: State, links: Links, found: Run, said: Approval) -> Json:
    """Show what a reviewer said."""
    times: dict[str, Any] = dict.fromkeys(("created_at", "updated_at"), stamp(said.at))
    return {
        "state": said.state,
        "comment": said.comment,
        "environments": [environment(links, found.repository, said.environment, 1) | times],
        "user": user(links, state.account(said.login)),
    }


def pending(links: Links, found: Run, name: str) -> Json:
    """Show an environment a run waits for."""
    return {
        "environment": environment(links, found.repository, name, 1),
        "wait_timer": 0,
        "wait_timer_started_at": None,
        "current_user_can_approve": True,
        "reviewers": [],
    }
