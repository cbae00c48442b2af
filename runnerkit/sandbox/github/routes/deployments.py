"""Deployments of jobs that name an environment."""

from runnerkit.sandbox.github.engine import deployments
from runnerkit.sandbox.github.exchange import Answer, Exchange, permission, route
from runnerkit.sandbox.github.records import Job
from runnerkit.sandbox.github.refusals import missing
from runnerkit.sandbox.github.views import environments
from runnerkit.sandbox.github.views.accounts import Json

ALL = "/repos/{owner}/{repo}/deployments"
ONE = f"{ALL}/{{deployment_id}}"
STATUSES = f"{ONE}/statuses"
READ = permission("deployments", "read")


@route("GET", ALL, needs=READ)
def list_deployments(at: Exchange) -> Answer:
    """List deployments, newest first, by commit, ref, task or environment if asked."""
    shown = [_shown(at, each) for each in deployments.of_repository(at.state, at.full_name)]
    asked = {name: at.query[name] for name in ("sha", "ref", "task", "environment") if name in at.query}
    return at.page([each for each in shown if asked.items() <= each.items()], dict)


def _shown(at: Exchange, job: Job) -> Json:
    return environments.deployment(at.state, at.links, at.state.live.runs[job.run_id], job)


def _job(at: Exchange) -> Job:
    return deployments.find(at.state, at.full_name, at.path["deployment_id"])


@route("GET", ONE, needs=READ)
def get_deployment(at: Exchange) -> Answer:
    """Show a deployment."""
    return Answer(200, _shown(at, _job(at)))


@route("GET", STATUSES, needs=READ)
def list_statuses(at: Exchange) -> Answer:
    """List what became of a deployment, newest first; each status links its job."""
    job = _job(at)
    return at.page(deployments.stages(job), lambda each: environments.status(at.state, at.links, job, each))


@route("GET", f"{STATUSES}/{{status_id}}", needs=READ)
def get_status(at: Exchange) -> Answer:
    """Show one status of a deployment."""
    job = _job(at)
    for each in deployments.stages(job):
        if each.id == at.path["status_id"]:
            return Answer(200, environments.status(at.state, at.links, job, each))
    raise missing()
