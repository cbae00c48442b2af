"""Environments, deployments and approvals as GitHub shows them."""

from runnerkit.sandbox.github.clock import stamp
from runnerkit.sandbox.github.engine import approvals, deployments
from runnerkit.sandbox.github.exchange import Links
from runnerkit.sandbox.github.records import Approval, Environment, Job, Run
from runnerkit.sandbox.github.state import State
from runnerkit.sandbox.github.views.accounts import Json, node_id, user


def _short(links: Links, repository: str, name: str, number: int) -> Json:
    return {
        "id": number,
        "node_id": node_id("Environment", number),
        "name": name,
        "url": f"{links.api}/repos/{repository}/environments/{name}",
        "html_url": f"{links.web}/{repository}/deployments/activity_log?environments_filter={name}",
    }


def environment(state: State, links: Links, found: Environment) -> Json:
    """Show an environment with its rules."""
    since = stamp(found.created_at)
    return _short(links, found.repository, found.name, found.id) | {
        "created_at": since,
        "updated_at": since,
        "protection_rules": _rules(state, links, found),
        "deployment_branch_policy": None,
    }


def _rules(state: State, links: Links, found: Environment) -> list[Json]:
    rules: list[Json] = []
    if found.wait_timer:
        rules.append({"type": "wait_timer", "wait_timer": found.wait_timer})
    if found.reviewers:
        reviewers = _reviewers(state, links, found)
        rules.append(
            {"type": "required_reviewers", "prevent_self_review": found.prevent_self_review, "reviewers": reviewers}
        )
    numbered = ((found.id * 10 + place, rule) for place, rule in enumerate(rules))
    return [{"id": number, "node_id": node_id("Gate", number)} | rule for number, rule in numbered]


def _reviewers(state: State, links: Links, found: Environment) -> list[Json]:
    return [{"type": "User", "reviewer": user(links, state.account(each))} for each in found.reviewers]


def approval(state: State, links: Links, found: Run, said: Approval) -> Json:
    """Show what a reviewer said."""
    of = approvals.known(state, found.repository, said.environment)
    number, since = (of.id, of.created_at) if of is not None else (1, said.at)
    shown = _short(links, found.repository, said.environment, number)
    return {
        "state": said.state,
        "comment": said.comment,
        "environments": [shown | {"created_at": stamp(since), "updated_at": stamp(since)}],
        "user": user(links, state.account(said.login)),
    }


def pending(state: State, links: Links, run: Run, found: Environment, login: str) -> Json:
    """Show an environment that a run waits for, and whether the caller may let it go on."""
    waiting = [each for each in approvals.waiting(state, run) if (each.environment or "").lower() == found.name.lower()]
    since = min((each.waiting_since for each in waiting if each.waiting_since is not None), default=None)
    return {
        "environment": _short(links, run.repository, found.name, found.id),
        "wait_timer": found.wait_timer,
        "wait_timer_started_at": stamp(since) if since is not None and found.wait_timer else None,
        "current_user_can_approve": approvals.may_review(found, run, login),
        "reviewers": _reviewers(state, links, found),
    }


def deployment(state: State, links: Links, run: Run, job: Job) -> Json:
    """Show what a job does in its environment as a deployment; its id is the job's."""
    url = f"{links.api}/repos/{run.repository}"
    return {
        "url": f"{url}/deployments/{job.id}",
        "id": job.id,
        "node_id": node_id("Deployment", job.id),
        "task": "deploy",
        "original_environment": job.environment or "",
        "environment": job.environment or "",
        "description": None,
        "created_at": stamp(job.created_at),
        "updated_at": stamp(next((each.at for each in deployments.stages(job)), job.created_at)),
        "statuses_url": f"{url}/deployments/{job.id}/statuses",
        "repository_url": url,
        "creator": user(links, state.account(run.latest.actor)),
        "sha": run.head_sha,
        "ref": run.head_branch,
        "payload": {},
        "transient_environment": False,
        "production_environment": (job.environment or "").lower() == "production",
    }


def status(state: State, links: Links, job: Job, found: deployments.Stage) -> Json:
    """Show a status of a deployment; its log is the job's page."""
    url = f"{links.api}/repos/{job.repository}"
    log = f"{links.web}/{job.repository}/actions/runs/{job.run_id}/job/{job.id}"
    return {
        "url": f"{url}/deployments/{job.id}/statuses/{found.id}",
        "id": found.id,
        "node_id": node_id("DeploymentStatus", found.id),
        "state": found.state,
        "creator": user(links, state.account(state.live.runs[job.run_id].latest.actor)),
        "description": "",
        "environment": job.environment or "",
        "target_url": log,
        "log_url": log,
        "environment_url": job.rules.environment_url,
        "created_at": stamp(found.at),
        "updated_at": stamp(found.at),
        "deployment_url": f"{url}/deployments/{job.id}",
        "repository_url": url,
    }
