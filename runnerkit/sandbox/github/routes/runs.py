"""Workflow runs and their jobs."""

from runnerkit.sandbox.github import jobs
from runnerkit.sandbox.github.exchange import Answer, Exchange, permission, route
from runnerkit.sandbox.github.records import Job, Run
from runnerkit.sandbox.github.refusals import missing
from runnerkit.sandbox.github.views import actions, environments

RUNS = "/repos/{owner}/{repo}/actions/runs"
RUN = f"{RUNS}/{{run_id}}"
JOB = "/repos/{owner}/{repo}/actions/jobs/{job_id}"
READ, WRITE = permission("actions", "read"), permission("actions", "write")
MOST_FOUND = 1000
NOTHING: dict[str, str] = {}


def _run(at: Exchange) -> Run:
    return at.state.run(at.full_name, at.path["run_id"])


@route("GET", RUNS, needs=READ)
def list_runs(at: Exchange) -> Answer:
    """List runs, newest first; with a filter GitHub gives 1000 at most."""
    return page_of_runs(at)


def page_of_runs(at: Exchange, path: str | None = None) -> Answer:
    """Answer with the repository's runs, of one workflow file if given."""
    lists = at.state.listed()
    mine = [each for each in lists.runs.values() if each.repository == at.full_name and path in {None, each.path}]
    found = [each for each in mine if _wanted(at, each)]
    filtered = at.query.keys() - {"page", "per_page", "exclude_pull_requests"}
    shown = sorted(found, key=lambda each: -each.id)[: MOST_FOUND if filtered else None]
    return at.page(shown, lambda each: actions.run(at.state, at.links, each, lists), "workflow_runs")


def _wanted(at: Exchange, run: Run) -> bool:
    status, conclusion = jobs.run_status(jobs.jobs_of(at.state.listed().jobs, run.latest), run)
    facts: dict[str, set[str | None]] = {
        "actor": {run.actor},
        "branch": {run.head_branch},
        "event": {run.event},
        "head_sha": {run.head_sha},
        "status": {status, conclusion},
    }
    return all(at.query[name] in facts[name] for name in facts if name in at.query)


@route("GET", RUN, needs=READ)
def get_run(at: Exchange) -> Answer:
    """Show a run at its latest attempt."""
    return Answer(200, actions.run(at.state, at.links, _run(at), at.state.live))


@route("GET", f"{RUN}/attempts/{{attempt_number}}", needs=READ)
def get_attempt(at: Exchange) -> Answer:
    """Show a run as one attempt saw it."""
    seen = _attempt(at)
    shown = actions.run(at.state, at.links, seen, at.state.live)
    place = f"{shown['url']}/attempts/{seen.latest.number}"
    return Answer(200, shown | {"jobs_url": f"{place}/jobs", "logs_url": f"{place}/logs"})


def _attempt(at: Exchange) -> Run:
    seen = jobs.as_of(_run(at), at.path["attempt_number"])
    if seen is None:
        raise missing()
    return seen


@route("GET", f"{RUN}/attempts/{{attempt_number}}/jobs", needs=READ)
def list_attempt_jobs(at: Exchange) -> Answer:
    """List the jobs of one attempt."""
    run = _attempt(at)
    return _page(at, run, jobs.jobs_of(at.state.listed().jobs, run.latest))


@route("GET", f"{RUN}/jobs", needs=READ)
def list_jobs(at: Exchange) -> Answer:
    """List the jobs of the latest attempt, or of all."""
    live, lists = _run(at), at.state.listed()
    run = lists.runs.get(live.id, live)
    if at.query.get("filter", "latest") == "all":
        return _page(at, run, [each for each in lists.jobs.values() if each.run_id == run.id])
    return _page(at, run, jobs.jobs_of(lists.jobs, run.latest))


def _page(at: Exchange, run: Run, found: list[Job]) -> Answer:
    return at.page(found, lambda each: actions.job(at.links, each, run), "jobs")


@route("GET", JOB, needs=READ)
def get_job(at: Exchange) -> Answer:
    """Show a job as it is now."""
    job = at.state.job(at.full_name, at.path["job_id"])
    return Answer(200, actions.job(at.links, job, at.state.live.runs[job.run_id]))


@route("GET", f"{JOB}/logs", needs=READ)
def get_logs(at: Exchange) -> Answer:
    """Point to a job's log; the link is good for a minute at GitHub."""
    job = at.state.job(at.full_name, at.path["job_id"])
    if job.status != "completed":
        raise missing()
    return Answer(302, None, {"Location": f"{at.links.web}/_runnerkit/logs/{job.id}"})


@route("GET", f"{RUN}/logs", needs=READ)
def get_run_logs(at: Exchange) -> Answer:
    """Point to the archive of a run's logs."""
    return _archive(at, _run(at))


@route("GET", f"{RUN}/attempts/{{attempt_number}}/logs", needs=READ)
def get_attempt_logs(at: Exchange) -> Answer:
    """Point to the archive of one attempt's logs."""
    return _archive(at, _attempt(at))


def _archive(at: Exchange, run: Run) -> Answer:
    if jobs.run_status(jobs.jobs_of(at.state.live.jobs, run.latest), run)[0] != "completed":
        raise missing()
    return Answer(302, None, {"Location": f"{at.links.web}/_runnerkit/run-logs/{run.id}-{run.latest.number}"})


@route("POST", f"{JOB}/rerun", needs=WRITE)
def rerun_job(at: Exchange) -> Answer:
    """Run a job and its dependents again."""
    job = at.state.job(at.full_name, at.path["job_id"])
    run = at.state.live.runs[job.run_id]
    chosen = jobs.with_dependents(jobs.jobs_of(at.state.live.jobs, run.latest), {job.id})
    jobs.rerun(at.state, run, chosen, at.login)
    return Answer(201, NOTHING)


@route("POST", f"{RUN}/rerun", needs=WRITE)
def rerun(at: Exchange) -> Answer:
    """Run everything again."""
    jobs.rerun(at.state, _run(at), None, at.login)
    return Answer(201, NOTHING)


@route("POST", f"{RUN}/rerun-failed-jobs", needs=WRITE)
def rerun_failed(at: Exchange) -> Answer:
    """Run what failed, and its dependents, again."""
    jobs.rerun_failed(at.state, _run(at), at.login)
    return Answer(201, NOTHING)


@route("POST", f"{RUN}/cancel", needs=WRITE)
def cancel(at: Exchange) -> Answer:
    """Ask a run to end."""
    jobs.cancel(at.state, _run(at))
    return Answer(202, NOTHING)


@route("POST", f"{RUN}/force-cancel", needs=WRITE)
def force_cancel(at: Exchange) -> Answer:
    """End a run without waiting for its jobs."""
    jobs.cancel(at.state, _run(at), force=True)
    return Answer(202, NOTHING)


@route("GET", f"{RUN}/approvals", needs=READ)
def list_approvals(at: Exchange) -> Answer:
    """List what reviewers said about the run's environments."""
    run = _run(at)
    return Answer(200, [environments.approval(at.state, at.links, run, each) for each in run.approvals])
