"""Runners, runs and jobs as GitHub shows them."""

import hashlib
from datetime import timedelta

from runnerkit.sandbox.github.clock import stamp
from runnerkit.sandbox.github.engine.catalogue import Listed, workflow_id
from runnerkit.sandbox.github.exchange import Links
from runnerkit.sandbox.github.jobs import jobs_of, run_status
from runnerkit.sandbox.github.records import Artifact, Job, Repository, Run, Runner
from runnerkit.sandbox.github.state import Lists, State
from runnerkit.sandbox.github.views.accounts import Json, minimal_repository, node_id, user

READ_ONLY = frozenset({"self-hosted", "linux", "macos", "windows", "x64", "arm", "arm64"})
WORKFLOW_ID = 161_335
RETENTION = timedelta(days=90)


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


def labels(found: Runner) -> Json:
    """Show a runner's labels as a list of their own."""
    return {"total_count": len(found.labels), "labels": runner(found)["labels"]}


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
    status, conclusion = run_status(jobs, found)
    moved = [moment for each in jobs for moment in (each.started_at, each.completed_at) if moment]
    url = f"{links.api}/repos/{found.repository}/actions/runs/{found.id}"
    number = workflow_id(state, found.repository, found.path) if found.path else WORKFLOW_ID
    return {
        "id": found.id,
        "name": found.workflow,
        "node_id": node_id("WorkflowRun", found.id),
        "check_suite_id": found.id,
        "check_suite_node_id": node_id("CheckSuite", found.id),
        "head_branch": found.head_branch,
        "head_sha": found.head_sha,
        "path": found.path or f".github/workflows/{found.workflow}.yml",
        "display_title": _title(state, found),
        "run_number": found.number,
        "event": found.event,
        "status": status,
        "conclusion": conclusion,
        "workflow_id": number,
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
        "workflow_url": f"{links.api}/repos/{found.repository}/actions/workflows/{number}",
        "head_commit": _head_commit(state, found),
        "repository": minimal_repository(state, links, state.repository(found.repository)),
        "head_repository": minimal_repository(state, links, state.repository(found.head_repository)),
    }


def _title(state: State, found: Run) -> str:
    return found.title or _message(state, found)


def _message(state: State, found: Run) -> str:
    return state.commits.get((found.head_repository, found.head_sha), found.workflow)


def _head_commit(state: State, found: Run) -> Json:
    author = {"name": found.actor, "email": f"{found.actor}@users.noreply.example"}
    return {
        "id": found.head_sha,
        "tree_id": found.head_sha,
        "message": _message(state, found),
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


def workflow(links: Links, repository: Repository, found: Listed) -> Json:
    """Show a workflow file."""
    api, page = f"{links.api}/repos/{repository.full_name}", f"{links.web}/{repository.full_name}"
    return {
        "id": found.id,
        "node_id": node_id("Workflow", found.id),
        "name": found.name,
        "path": found.path,
        "state": "active",
        "created_at": stamp(repository.created_at),
        "updated_at": stamp(repository.created_at),
        "url": f"{api}/actions/workflows/{found.id}",
        "html_url": f"{page}/blob/{repository.default_branch}/{found.path}",
        "badge_url": f"{page}/actions/workflows/{found.path.rpartition('/')[2]}/badge.svg",
    }


def artifact(state: State, links: Links, found: Artifact) -> Json:
    """Show an artifact; GitHub keeps it for 90 days."""
    url = f"{links.api}/repos/{found.repository}/actions/artifacts/{found.id}"
    of = state.live.runs[found.run_id]
    return {
        "id": found.id,
        "node_id": node_id("Artifact", found.id),
        "name": found.name,
        "size_in_bytes": len(found.data),
        "url": url,
        "archive_download_url": f"{url}/zip",
        "expired": False,
        "created_at": stamp(found.created_at),
        "updated_at": stamp(found.created_at),
        "expires_at": stamp(found.created_at + RETENTION),
        "digest": f"sha256:{hashlib.sha256(found.data).hexdigest()}",
        "workflow_run": {
            "id": of.id,
            "repository_id": state.repository(of.repository).id,
            "head_repository_id": state.repository(of.head_repository).id,
            "head_branch": of.head_branch,
            "head_sha": of.head_sha,
        },
    }
