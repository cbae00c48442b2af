"""Workflow files: what there is, starting one by hand, and an event of one's own that starts some."""

from runnerkit.sandbox.github.engine import catalogue, stories
from runnerkit.sandbox.github.exchange import Answer, Exchange, permission, route
from runnerkit.sandbox.github.routes.runs import page_of_runs
from runnerkit.sandbox.github.views import actions

ALL = "/repos/{owner}/{repo}/actions/workflows"
ONE = f"{ALL}/{{workflow_id}}"
READ = permission("actions", "read")
ALWAYS_TELLS = "2026-03-10"


@route("GET", ALL, needs=READ)
def list_workflows(at: Exchange) -> Answer:
    """List the workflows on the default branch."""
    found = catalogue.workflows_of(at.state, at.full_name)
    return at.page(found, lambda each: actions.workflow(at.links, at.repository, each), "workflows")


def _one(at: Exchange) -> catalogue.Listed:
    return catalogue.find_workflow(at.state, at.full_name, at.path["workflow_id"])


@route("GET", ONE, needs=READ)
def get_workflow(at: Exchange) -> Answer:
    """Show a workflow by its id or the name of its file."""
    return Answer(200, actions.workflow(at.links, at.repository, _one(at)))


@route("GET", f"{ONE}/runs", needs=READ)
def list_workflow_runs(at: Exchange) -> Answer:
    """List the runs of one workflow, newest first."""
    return page_of_runs(at, _one(at).path)


@route("POST", f"{ONE}/dispatches", needs=permission("actions", "write"))
def dispatch(at: Exchange) -> Answer:
    """Start a workflow by hand; the newer version of the API always tells which run that made."""
    said = at.body
    run = stories.dispatch(
        at.state, at.full_name, at.path["workflow_id"], said["ref"], said.get("inputs") or {}, at.login
    )
    if at.version < ALWAYS_TELLS and not said.get("return_run_details"):
        return Answer(204)
    place = f"{run.repository}/actions/runs/{run.id}"
    shown = {
        "workflow_run_id": run.id,
        "run_url": f"{at.links.api}/repos/{place}",
        "html_url": f"{at.links.web}/{place}",
    }
    return Answer(200, shown)


@route("POST", "/repos/{owner}/{repo}/dispatches", needs=permission("contents", "write"))
def repository_dispatch(at: Exchange) -> Answer:
    """Let an event of one's own happen; which workflows it starts is not told."""
    said = at.body
    stories.announce(at.state, at.full_name, said["event_type"], said.get("client_payload") or {}, at.login)
    return Answer(204)
