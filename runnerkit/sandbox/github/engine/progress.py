"""Bringing runs on: whatever can start starts, whatever must end ends; done on every look at the world."""

from collections.abc import Iterable

from runnerkit.sandbox.github.engine import contexts, gates, groups, library
from runnerkit.sandbox.github.engine.approvals import ensure
from runnerkit.sandbox.github.jobs import add_job, cancel_job, finish, jobs_of
from runnerkit.sandbox.github.records import Job, JobRules, Run
from runnerkit.sandbox.github.state import State
from runnerkit.sandbox.workflows import JobOutcome, JobPlan, WorkflowInvalid, advance, concurrency

MOST_ROUNDS = 10_000


def progress(state: State) -> None:
    """Bring every run of a workflow file as far as it gets without time or machines.

    Raises:
        RuntimeError: runs keep each other moving without end.
    """
    for _ in range(MOST_ROUNDS):
        moved = [_step(state, state.live.runs[each]) for each in sorted(state.active_runs)]
        if not any(moved):
            return
    raise RuntimeError(f"the workflow runs {sorted(state.active_runs)} never come to rest; report this")


def _step(state: State, run: Run) -> bool:
    gate = run.latest.gate
    if gate in {"new", "held"} and not _admitted(state, run):
        return gate != run.latest.gate
    jobs = jobs_of(state.live.jobs, run.latest)
    moved = _stop_cancelled(state, run, jobs) | _fail_fast(state, jobs)
    moved |= _plan(state, run)
    for job in jobs_of(state.live.jobs, run.latest):
        if job.held_by and job.status != "completed":
            moved |= gates.try_to_queue(state, run, job)
    if not moved and all(each.status == "completed" for each in jobs_of(state.live.jobs, run.latest)):
        state.active_runs.discard(run.id)
        run.waiting_for = []
        return True
    return moved


def _admitted(state: State, run: Run) -> bool:
    attempt = run.latest
    if attempt.cancelled:
        attempt.gate = "closed"
    elif run.concurrency is None:
        attempt.gate = "open"
    else:
        if attempt.gate == "new":
            asked = concurrency(library.workflow_of(run), contexts.run_context(state, run))
            stops = asked is not None and asked.cancel_in_progress
            groups.enter(state, run.repository, run.concurrency, run, cancel_in_progress=stops)
        attempt.gate = "held" if groups.taken(state, run.repository, run.concurrency, run) else "open"
    return attempt.gate != "held"


def _stop_cancelled(state: State, run: Run, jobs: Iterable[Job]) -> bool:
    # A job whose `if` holds even now, as with always(), is spared.
    moved = False
    for job in jobs if run.latest.cancelled else ():
        if job.status == "completed" or job.cancel_asked_at is not None or _spared(state, run, job):
            continue
        cancel_job(state, job)
        moved = True
    return moved


def _spared(state: State, run: Run, job: Job) -> bool:
    if job.attempt != run.latest.number or run.latest.gate == "closed":
        return False
    others = [each for each in run.latest.planned if each != job.key]
    plans = _plans(state, run, others, [each for each in others if _done(state, run, each)])
    return any(each.key == job.key and not each.skipped and not each.problem for each in plans)


def _fail_fast(state: State, jobs: list[Job]) -> bool:
    failed = {each.key for each in jobs if each.rules.fail_fast and _failed(each)}
    siblings = [each for each in jobs if each.key in failed and each.status != "completed"]
    told = [each for each in siblings if each.cancel_asked_at is None]
    for job in told:
        cancel_job(state, job)
    return bool(told)


def _failed(job: Job) -> bool:
    return job.status == "completed" and contexts.outcome(job).conclusion == "failure"


def _done(state: State, run: Run, key: str) -> list[JobOutcome] | None:
    legs = [each for each in jobs_of(state.live.jobs, run.latest) if each.key == key]
    if any(each.status != "completed" for each in legs):
        return None
    return [contexts.outcome(each) for each in legs]


def _plans(state: State, run: Run, created: list[str], finished: list[str]) -> list[JobPlan]:
    done = {key: _done(state, run, key) or [] for key in finished}
    workflow, context = library.workflow_of(run), contexts.run_context(state, run)
    return advance(workflow, context, done, created, cancelled=run.latest.cancelled)


def _plan(state: State, run: Run) -> bool:
    attempt = run.latest
    workflow = library.workflow_of(run)
    # Jobs that call others leave no record of their own: then only a look tells that there is nothing more to begin.
    if attempt.gate == "closed" or (not workflow.calls and set(workflow.job_keys) <= set(attempt.planned)):
        return False
    finished = [each for each in attempt.planned if _done(state, run, each) is not None]
    try:
        plans = _plans(state, run, attempt.planned, finished)
    except WorkflowInvalid as problem:
        run.problem, attempt.gate = str(problem), "closed"
        return True
    carried = {each.name for each in jobs_of(state.live.jobs, attempt)}
    attempt.planned += dict.fromkeys(each.key for each in plans)
    for plan in plans:
        # Of a matrix that runs again in part, what succeeded before is carried over.
        if plan.name not in carried:
            _create(state, run, plan)
    return bool(plans)


def _create(state: State, run: Run, plan: JobPlan) -> None:
    job = add_job(
        state,
        run,
        plan.name,
        plan.labels,
        group=plan.group,
        needs=tuple(plan.needs),
        payload=plan.payload,
        key=plan.key,
        hosted=plan.hosted,
        environment=plan.environment,
        secrets=plan.secrets,
        rules=_rules(plan),
        status="pending",
        held_by="new",
    )
    if plan.problem is not None:
        job.annotations.append(plan.problem)
        finish(state, job, "failure")
    elif plan.skipped:
        finish(state, job, "skipped")
    elif plan.environment:
        ensure(state, run.repository, plan.environment)


def _rules(plan: JobPlan) -> JobRules:
    group = plan.concurrency
    return JobRules(
        fail_fast=plan.fail_fast,
        max_parallel=plan.max_parallel,
        continue_on_error=plan.continue_on_error,
        timeout=plan.timeout_minutes * 60,
        concurrency=group.group if group else None,
        cancel_in_progress=group is not None and group.cancel_in_progress,
        environment_url=plan.environment_url,
    )
