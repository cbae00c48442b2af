"""What a workflow may ask about its run: the ``github`` context, variables, names of secrets, results of jobs."""

from functools import lru_cache
from typing import Any

from runnerkit.sandbox.github.records import Job, Run
from runnerkit.sandbox.github.state import State
from runnerkit.sandbox.workflows import JobOutcome, RunContext, load

# Parsing is pure, and a run asks for its workflow on every look at the world.
parsed = lru_cache(256)(load)


def run_context(state: State, run: Run) -> RunContext:
    """Collect what the workflow's expressions may ask about; a fork's pull request knows no secrets."""
    repository = state.repository(run.repository)
    names = frozenset[str]() if from_fork(run) else frozenset(repository.secrets)
    return RunContext(
        github=github_context(state, run),
        inputs=dict(run.inputs),
        vars=dict(repository.variables),
        secrets=names | {"GITHUB_TOKEN"},
    )


def from_fork(run: Run) -> bool:
    """Tell whether the run belongs to a pull request of a fork, which GitHub does not trust."""
    return run.event == "pull_request" and run.head_repository != run.repository


def github_context(state: State, run: Run) -> dict[str, Any]:
    """Write the ``github`` context without the token; the runner adds the paths of its machine."""
    repository = state.repository(run.repository)
    kind, name = ref_parts(run.ref)
    return {
        "event": run.payload,
        "event_name": run.event,
        "sha": run.sha or run.head_sha,
        "ref": run.ref,
        "ref_name": name,
        "ref_type": kind,
        "ref_protected": False,
        "head_ref": run.head_ref,
        "base_ref": run.base_ref,
        "repository": run.repository,
        "repository_id": str(repository.id),
        "repository_owner": repository.owner,
        "repository_owner_id": str(state.account(repository.owner).id),
        "repository_visibility": "private" if repository.private else "public",
        "run_id": str(run.id),
        "run_number": str(run.number),
        "run_attempt": str(run.latest.number),
        "actor": run.actor,
        "actor_id": str(state.account(run.actor).id),
        "triggering_actor": run.latest.actor,
        "workflow": run.workflow,
        "workflow_ref": f"{run.repository}/{run.path}@{run.ref}",
        "workflow_sha": run.sha or run.head_sha,
        "server_url": state.web,
        "api_url": state.web,
        "graphql_url": f"{state.web}/graphql",
        "retention_days": "90",
        "secret_source": "None" if from_fork(run) else "Actions",
    }


def ref_parts(ref: str) -> tuple[str, str]:
    """Split a full ref into its type, branch or tag, and its short name."""
    for prefix, kind in (("refs/heads/", "branch"), ("refs/tags/", "tag"), ("refs/pull/", "branch")):
        if ref.startswith(prefix):
            return kind, ref.removeprefix(prefix)
    return "branch", ref


def outcome(job: Job) -> JobOutcome:
    """Say how a completed job looks to those that need it; a failure it may have is none to them."""
    conclusion = "failure" if job.conclusion == "timed_out" else job.conclusion or "failure"
    if conclusion == "failure" and job.rules.continue_on_error:
        conclusion = "success"
    return JobOutcome(conclusion, dict(job.outputs))
