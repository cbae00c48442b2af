"""From what happened to runs."""

import re
from typing import Any

from runnerkit.sandbox.github import people
from runnerkit.sandbox.github.engine import contexts, library
from runnerkit.sandbox.github.engine.catalogue import find_workflow, name_of, workflow_files
from runnerkit.sandbox.github.records import Attempt, Happening, Run
from runnerkit.sandbox.github.refusals import Reason, Refused, invalid
from runnerkit.sandbox.github.state import State
from runnerkit.sandbox.workflows import (
    Event,
    Workflow,
    WorkflowInvalid,
    concurrency,
    dispatch_inputs,
    run_title,
    triggered,
)
from runnerkit.sandbox.workflows.values import text as as_text

SKIP = re.compile(r"\[(skip ci|ci skip|no ci|skip actions|actions skip)\]|^skip-checks:\s*true$", re.MULTILINE)
SKIPPABLE = {"push", "pull_request"}
MOST_INPUTS = 25
DISPATCH = "workflow_dispatch"
MERGE_QUEUE = "merge_group"
FOLLOWS = "workflow_run"
SCHEDULE = "schedule"
ANNOUNCED = "repository_dispatch"
MOST_LEVELS = 3


def happened(state: State, happening: Happening) -> list[Run]:
    """Start a run of every workflow that the event triggers; the files are those of the event's commit.

    A file that GitHub refuses becomes a run that failed, told once, when it is pushed. What was done with a
    ``GITHUB_TOKEN`` starts nothing.
    """
    if (
        happening.by_workflow
        or not happening.sha.strip("0")
        or _skipped(state, happening)
        or _chained(state, happening)
    ):
        return []
    event = _event(happening)
    started = []
    for path, text in workflow_files(state, happening.repository, happening.sha).items():
        try:
            workflow = contexts.parsed(path, text)
        except WorkflowInvalid as problem:
            if happening.event == "push":
                started.append(_refused(state, happening, path, text, str(problem)))
        else:
            if triggered(workflow, event):
                started.append(_start(state, happening, workflow, text, {}))
    return started


def _skipped(state: State, happening: Happening) -> bool:
    if happening.event not in SKIPPABLE:
        return False
    head = happening.head_sha or happening.sha
    message = (happening.payload.get("head_commit") or {}).get("message")
    return bool(SKIP.search(message or state.commits.get((happening.repository, head), "")))


def _event(happening: Happening) -> Event:
    return Event(
        name=happening.event,
        action=happening.action,
        ref=happening.ref,
        sha=happening.sha,
        base_ref=happening.base_ref,
        head_ref=_head_ref(happening),
        changed=happening.changed,
        workflow=str((happening.payload.get("workflow") or {}).get("name", "")),
        cron=str(happening.payload.get("schedule", "")) if happening.event == SCHEDULE else "",
    )


def _head_ref(happening: Happening) -> str:
    # What a workflow that waits for others filters by is the branch of theirs, which is not its own.
    of = happening.payload.get("workflow_run") if happening.event == FOLLOWS else None
    return happening.head_ref if of is None else str(of["head_branch"])


def _chained(state: State, happening: Happening) -> bool:
    """Tell whether the run that this follows is the last that GitHub lets others follow."""
    run, levels = _followed(state, happening.event, happening.payload), 0
    while run is not None and levels < MOST_LEVELS:
        run, levels = _followed(state, run.event, run.payload), levels + 1
    return run is not None


def _followed(state: State, event: str, payload: dict[str, Any]) -> Run | None:
    return state.live.runs.get(payload["workflow_run"]["id"]) if event == FOLLOWS and payload else None


def dispatch(state: State, happening: Happening, named: str | int, inputs: dict[str, Any]) -> Run:
    """Start a workflow by hand at the ref of the happening.

    Args:
        state: The world.
        happening: Where and by whom; its event is ``workflow_dispatch``.
        named: The workflow's id or the name of its file.
        inputs: What the caller gave; defaults are added.

    Raises:
        Refused: 404 for an unknown workflow, 422 for a ref or inputs the workflow does not take.
    """
    path = find_workflow(state, happening.repository, named).path
    text = workflow_files(state, happening.repository, happening.sha).get(path)
    if text is None:
        raise invalid(f"Workflow {path} is not found at ref {happening.ref}.")
    if len(inputs) > MOST_INPUTS:
        raise invalid(f"You may only define up to {MOST_INPUTS} `inputs` for a `workflow_dispatch` event")
    try:
        workflow = contexts.parsed(path, text)
        completed = dispatch_inputs(workflow, inputs)
    except WorkflowInvalid as problem:
        raise invalid(str(problem)) from problem
    # In the event, inputs are text, those with defaults among them.
    happening.payload["inputs"] = {name: as_text(value) for name, value in completed.items()}
    return _start(state, happening, workflow, text, completed)


def _start(state: State, happening: Happening, workflow: Workflow, text: str, inputs: dict[str, Any]) -> Run:
    run = _new(state, happening, workflow.path, text, workflow.name or workflow.path)
    run.inputs = inputs
    context = contexts.run_context(state, run)
    try:
        run.library = library.called(state, workflow, run)
        title = run_title(workflow, context)
        group = concurrency(workflow, context)
    except WorkflowInvalid as problem:
        run.problem = str(problem)
        return run
    run.title = title if title != run.workflow else _usual_title(state, run)
    run.concurrency = group.group if group else None
    state.active_runs.add(run.id)
    return run


def _refused(state: State, happening: Happening, path: str, text: str, problem: str) -> Run:
    run = _new(state, happening, path, text, name_of(path, text))
    run.problem = problem
    return run


def _usual_title(state: State, run: Run) -> str:
    issue = state.issues.get((run.repository, run.pull_number or 0))
    if issue is not None:
        return issue.title
    message = state.commits.get((run.repository, run.head_sha), "") if run.event == "push" else ""
    return message.partition("\n")[0] or run.workflow


def _new(state: State, happening: Happening, path: str, text: str, name: str) -> Run:
    base = state.repository(happening.repository).full_name
    actor, now = people.add_account(state, happening.actor).login, state.now()
    head_sha = happening.head_sha or happening.sha
    issue = state.issues.get((base, happening.pull_number or 0))
    head = issue.pull.head_repository if issue is not None and issue.pull is not None else base
    run = Run(
        state.next_id("run"),
        state.next_id(f"run of {base} {path}"),
        base,
        name,
        happening.event,
        actor,
        head_sha,
        happening.head_ref or contexts.ref_parts(happening.ref)[1],
        head,
        now,
        [Attempt(1, now, actor, gate="new")],
        happening.pull_number,
        path=path,
        title=name,
        payload=happening.payload,
        text=text,
        sha=happening.sha,
        ref=happening.ref,
        # A workflow is told a base only by a pull request; a merge queue's is in its payload.
        base_ref="" if happening.event == MERGE_QUEUE else happening.base_ref,
        head_ref=happening.head_ref,
    )
    state.live.runs[run.id] = run
    return run


def resolve(state: State, repository: str, ref: str) -> tuple[str, str]:
    """Find the full ref and the commit that a branch, a tag or a full ref means.

    Raises:
        Refused: 422 when there is none such.
    """
    for full in (ref,) if ref.startswith("refs/") else (f"refs/heads/{ref}", f"refs/tags/{ref}"):
        sha = state.ref_sha(repository, full)
        if sha:
            return full, sha
    raise Refused(Reason.INVALID, f"No ref found for: {ref}")
