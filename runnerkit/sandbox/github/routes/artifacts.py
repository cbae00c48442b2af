"""Artifacts of runs."""

from collections.abc import Iterable

from runnerkit.sandbox.github.engine import artifacts
from runnerkit.sandbox.github.exchange import Answer, Exchange, permission, route
from runnerkit.sandbox.github.records import Artifact
from runnerkit.sandbox.github.refusals import Reason, Refused
from runnerkit.sandbox.github.views import actions

ALL = "/repos/{owner}/{repo}/actions/artifacts"
ONE = f"{ALL}/{{artifact_id}}"
READ = permission("actions", "read")


def _page(at: Exchange, found: Iterable[Artifact]) -> Answer:
    named = [each for each in found if at.query.get("name", each.name) == each.name]
    newest_first = sorted(named, key=lambda each: -each.id)
    return at.page(newest_first, lambda each: actions.artifact(at.state, at.links, each), "artifacts")


@route("GET", ALL, needs=READ)
def list_artifacts(at: Exchange) -> Answer:
    """List a repository's artifacts, by name if asked."""
    return _page(at, (each for each in at.state.artifacts.values() if each.repository == at.full_name))


@route("GET", "/repos/{owner}/{repo}/actions/runs/{run_id}/artifacts", needs=READ)
def list_run_artifacts(at: Exchange) -> Answer:
    """List a run's artifacts, by name if asked."""
    return _page(at, artifacts.of_run(at.state, at.state.run(at.full_name, at.path["run_id"])))


def _one(at: Exchange) -> Artifact:
    return artifacts.find(at.state, at.full_name, at.path["artifact_id"])


@route("GET", ONE, needs=READ)
def get_artifact(at: Exchange) -> Answer:
    """Show an artifact."""
    return Answer(200, actions.artifact(at.state, at.links, _one(at)))


@route("GET", f"{ONE}/{{archive_format}}", needs=READ)
def download_artifact(at: Exchange) -> Answer:
    """Point to an artifact's archive; the link is good for a minute at GitHub."""
    found = _one(at)
    if at.path["archive_format"] != "zip":
        raise Refused(Reason.MISSING, "Not Found: artifacts come as zip only")
    return Answer(302, None, {"Location": f"{at.links.web}/_runnerkit/archives/{found.id}"})


@route("DELETE", ONE, needs=permission("actions", "write"))
def delete_artifact(at: Exchange) -> Answer:
    """Delete an artifact."""
    del at.state.artifacts[_one(at).id]
    return Answer(204)
