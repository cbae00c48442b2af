"""Comments, commit statuses and check runs."""

from runnerkit.sandbox.github import events, reporting
from runnerkit.sandbox.github.exchange import Answer, Exchange, permission, route
from runnerkit.sandbox.github.refusals import forbidden, missing
from runnerkit.sandbox.github.state import State
from runnerkit.sandbox.github.views import changes
from runnerkit.sandbox.github.views.accounts import minimal_repository

REPO = "/repos/{owner}/{repo}"
COMMENTS = f"{REPO}/issues/{{issue_number}}/comments"
COMMENT = f"{REPO}/issues/comments/{{comment_id}}"
CHECK = f"{REPO}/check-runs/{{check_run_id}}"
TALK_READ, TALK = permission("issues", "read", "pull_requests"), permission("issues", "write", "pull_requests")
STATUS_READ, STATUS = permission("statuses", "read"), permission("statuses", "write")
CHECKS_READ, CHECKS = permission("checks", "read"), permission("checks", "write", app=True)


@route("GET", COMMENTS, needs=TALK_READ)
def list_comments(at: Exchange) -> Answer:
    """List an issue's comments, oldest first."""
    issue = at.state.issue(at.full_name, at.path["issue_number"])
    found = [
        each for each in at.state.comments.values() if (each.repository, each.number) == (at.full_name, issue.number)
    ]
    return at.page(found, lambda each: changes.comment(at.state, at.links, each))


@route("POST", COMMENTS, needs=TALK)
def create_comment(at: Exchange) -> Answer:
    """Write a comment."""
    app_id = at.token.app_id if at.token else None
    comment = reporting.comment_on(at.state, at.full_name, at.path["issue_number"], at.body["body"], at.login, app_id)
    events.comment(at.state, comment, "created", at.login)
    body = changes.comment(at.state, at.links, comment)
    return Answer(201, body, {"Location": body["url"]})


@route("GET", COMMENT, needs=TALK_READ)
def get_comment(at: Exchange) -> Answer:
    """Show a comment."""
    found = reporting.find_comment(at.state, at.full_name, at.path["comment_id"])
    return Answer(200, changes.comment(at.state, at.links, found))


@route("PATCH", COMMENT, needs=TALK)
def edit_comment(at: Exchange) -> Answer:
    """Replace a comment's text."""
    before = reporting.find_comment(at.state, at.full_name, at.path["comment_id"]).body
    found = reporting.edit_comment(at.state, at.full_name, at.path["comment_id"], at.body["body"])
    events.comment(at.state, found, "edited", at.login, changes={"body": {"from": before}})
    return Answer(200, changes.comment(at.state, at.links, found))


@route("DELETE", COMMENT, needs=TALK)
def delete_comment(at: Exchange) -> Answer:
    """Delete a comment."""
    found = reporting.find_comment(at.state, at.full_name, at.path["comment_id"])
    del at.state.comments[found.id]
    events.comment(at.state, found, "deleted", at.login)
    return Answer(204)


@route("POST", f"{REPO}/statuses/{{sha}}", needs=STATUS)
def create_status(at: Exchange) -> Answer:
    """Add a commit status."""
    status = reporting.set_status(at.state, at.full_name, at.path["sha"], at.body, at.login)
    return Answer(201, changes.status(at.state, at.links, status))


@route("GET", f"{REPO}/commits/{{ref}}/statuses", needs=STATUS_READ)
def list_statuses(at: Exchange) -> Answer:
    """List a commit's statuses, newest first."""
    found = reporting.statuses_of(at.state, at.full_name, at.path["ref"])
    return at.page(found, lambda each: changes.status(at.state, at.links, each))


@route("GET", f"{REPO}/commits/{{ref}}/status", needs=STATUS_READ)
def combined_status(at: Exchange) -> Answer:
    """Sum up the newest status of each context."""
    sha = at.path["ref"]
    if (at.full_name, sha) not in at.state.commits:
        raise missing()
    newest = {each.context.lower(): each for each in reversed(reporting.statuses_of(at.state, at.full_name, sha))}
    states = {each.state for each in newest.values()}
    bad = "failure" if states & {"failure", "error"} else "pending"
    url = f"{at.links.api}/repos/{at.full_name}/commits/{sha}"
    body = {
        "state": "success" if states == {"success"} else bad,
        "statuses": [changes.simple_status(at.links, each) for each in newest.values()],
        "sha": sha,
        "total_count": len(newest),
        "repository": minimal_repository(at.state, at.links, at.repository),
        "commit_url": url,
        "url": f"{url}/status",
    }
    return Answer(200, body)


@route("POST", f"{REPO}/check-runs", needs=CHECKS)
def create_check(at: Exchange) -> Answer:
    """Create a check run; only an App may."""
    check = reporting.create_check(at.state, at.full_name, at.body, _app_id(at))
    return Answer(201, changes.check(at.state, at.links, check))


@route("PATCH", CHECK, needs=CHECKS)
def edit_check(at: Exchange) -> Answer:
    """Change a check run of the calling App."""
    check = reporting.edit_check(at.state, at.full_name, at.path["check_run_id"], at.body, _app_id(at))
    return Answer(200, changes.check(at.state, at.links, check))


def _app_id(at: Exchange) -> int:
    if at.token is None or at.token.app_id is None:
        raise forbidden("You must authenticate via a GitHub App.")
    return at.token.app_id


@route("GET", CHECK, needs=CHECKS_READ)
def get_check(at: Exchange) -> Answer:
    """Show a check run, be it an App's or a job's."""
    number = at.path["check_run_id"]
    job = at.state.live.jobs.get(number)
    if job is not None and job.repository == at.full_name:
        return Answer(200, changes.job_check(at.links, job, at.state.live.runs[job.run_id]))
    return Answer(200, changes.check(at.state, at.links, reporting.find_check(at.state, at.full_name, number)))


@route("GET", f"{CHECK}/annotations", needs=CHECKS_READ)
def list_annotations(at: Exchange) -> Answer:
    """List the annotations of a check run, or those of a job."""
    return at.page(_annotations(at.state, at.full_name, at.path["check_run_id"]), dict)


def _annotations(state: State, full_name: str, number: int) -> list[dict[str, object]]:
    job = state.live.jobs.get(number)
    if job is not None and job.repository == full_name:
        return [changes.job_annotation(each) for each in job.annotations]
    unsaid = changes.job_annotation("")
    return [unsaid | each for each in reporting.find_check(state, full_name, number).annotations]


@route("GET", f"{REPO}/commits/{{ref}}/check-runs", needs=CHECKS_READ)
def list_checks(at: Exchange) -> Answer:
    """List the check runs of a commit, Apps' before those of jobs; of one name the latest, unless all are wanted."""
    sha, state = at.path["ref"], at.state
    made = [each for each in state.checks.values() if (each.repository, each.sha) == (at.full_name, sha)]
    runs = {
        each.id: each for each in state.live.runs.values() if (each.repository, each.head_sha) == (at.full_name, sha)
    }
    jobs = [each for each in state.live.jobs.values() if each.run_id in runs]
    if at.query.get("filter", "latest") == "latest":
        made = list({(each.app_id, each.name): each for each in made}.values())
        jobs = list({(each.run_id, each.name): each for each in jobs}.values())
    found = [changes.check(state, at.links, each) for each in made] + [
        changes.job_check(at.links, each, runs[each.run_id]) for each in jobs
    ]
    name = at.query.get("check_name")
    return at.page([each for each in found if name in {None, each["name"]}], dict, "check_runs")
