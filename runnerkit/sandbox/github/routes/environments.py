"""Environments, and what their reviewers say."""

from typing import Any

from runnerkit.sandbox.github.engine import approvals, deployments
from runnerkit.sandbox.github.exchange import Answer, Exchange, permission, route
from runnerkit.sandbox.github.records import Environment, Run
from runnerkit.sandbox.github.refusals import invalid
from runnerkit.sandbox.github.views import environments

ALL = "/repos/{owner}/{repo}/environments"
ONE = f"{ALL}/{{environment_name}}"
PENDING = "/repos/{owner}/{repo}/actions/runs/{run_id}/pending_deployments"
READ, ADMINISTRATE = permission("actions", "read"), permission("administration", "write")
LONGEST_TIMER = 43_200
MOST_REVIEWERS = 6


@route("GET", ALL, needs=READ)
def list_environments(at: Exchange) -> Answer:
    """List a repository's environments."""
    found = [each for each in at.state.environments.values() if each.repository == at.full_name]
    return at.page(found, lambda each: environments.environment(at.state, at.links, each), "environments")


def _shown(at: Exchange, found: Environment) -> Answer:
    return Answer(200, environments.environment(at.state, at.links, found))


@route("GET", ONE, needs=READ)
def get_environment(at: Exchange) -> Answer:
    """Show an environment."""
    return _shown(at, approvals.find(at.state, at.full_name, at.path["environment_name"]))


@route("PUT", ONE, needs=ADMINISTRATE)
def put_environment(at: Exchange) -> Answer:
    """Create an environment or replace its rules; what is not named is off, as at GitHub."""
    said: dict[str, Any] = at.body or {}
    if said.get("deployment_branch_policy") is not None:
        raise invalid("Branch policies of environments are not enforced here; leave deployment_branch_policy out.")
    timer = said.get("wait_timer") or 0
    if not 0 <= timer <= LONGEST_TIMER:
        raise invalid(f"wait_timer must be 0 to {LONGEST_TIMER} minutes")
    reviewers = [_reviewer(at, each) for each in said.get("reviewers") or []]
    if len(reviewers) > MOST_REVIEWERS:
        raise invalid(f"An environment has at most {MOST_REVIEWERS} reviewers")
    found = approvals.add_environment(at.state, at.full_name, at.path["environment_name"], reviewers)
    found.wait_timer, found.prevent_self_review = timer, bool(said.get("prevent_self_review"))
    return _shown(at, found)


def _reviewer(at: Exchange, said: dict[str, Any]) -> str:
    for each in at.state.accounts.values():
        if said.get("type") == "User" and each.kind == "User" and each.id == said.get("id"):
            return each.login
    raise invalid(f"There is no user with the id {said.get('id')}; teams cannot review here.")


@route("DELETE", ONE, needs=ADMINISTRATE)
def delete_environment(at: Exchange) -> Answer:
    """Delete an environment."""
    approvals.remove(at.state, at.full_name, at.path["environment_name"])
    return Answer(204)


def _run(at: Exchange) -> Run:
    return at.state.run(at.full_name, at.path["run_id"])


def _awaited(at: Exchange, run: Run) -> list[Environment]:
    return [approvals.ensure(at.state, run.repository, each) for each in run.waiting_for]


@route("GET", PENDING, needs=READ)
def list_pending(at: Exchange) -> Answer:
    """List the environments the run waits for."""
    run = _run(at)
    found = _awaited(at, run)
    return Answer(200, [environments.pending(at.state, at.links, run, each, at.login) for each in found])


@route("POST", PENDING, needs=permission("deployments", "write", people=True))
def review_pending(at: Exchange) -> Answer:
    """Let the caller approve or reject what the run wants to do in environments."""
    run, said = _run(at), at.body
    awaited = {each.id: each.name for each in _awaited(at, run)}
    unknown = [each for each in said["environment_ids"] if each not in awaited]
    if unknown or not said["environment_ids"]:
        waits = ", ".join(f"{number} ({name})" for number, name in awaited.items()) or "none"
        raise invalid(f"The run does not wait for the environments {unknown}; it waits for {waits}.")
    names = [awaited[each] for each in said["environment_ids"]]
    concerned = approvals.review(at.state, run, names, at.login, said["state"], said["comment"])
    return Answer(
        200, [environments.deployment(at.state, at.links, run, each) for each in concerned if deployments.deploys(each)]
    )
