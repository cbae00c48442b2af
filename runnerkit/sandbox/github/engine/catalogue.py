"""Which workflows a repository has."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from runnerkit.sandbox.github.engine.contexts import parsed
from runnerkit.sandbox.github.refusals import missing
from runnerkit.sandbox.github.state import State
from runnerkit.sandbox.workflows import WorkflowInvalid

FOLDER = ".github/workflows/"
FIRST_WORKFLOW_ID = 161_336


@dataclass(frozen=True, slots=True)
class Listed:
    """A workflow file as the API lists it."""

    id: int
    path: str
    name: str


def workflow_files(state: State, repository: str, sha: str) -> dict[str, str]:
    """Give the text of the workflow files at a commit, by path."""
    files: Mapping[str, str] = state.workflow_files(repository, sha)
    return {path: files[path] for path in sorted(files) if _is_workflow(path)}


def _is_workflow(path: str) -> bool:
    name = path.removeprefix(FOLDER)
    return path.startswith(FOLDER) and "/" not in name and name.endswith((".yml", ".yaml"))


def workflow_id(state: State, repository: str, path: str) -> int:
    """Number a workflow file of a repository."""
    key = (repository, path)
    if key not in state.workflow_ids:
        state.workflow_ids[key] = FIRST_WORKFLOW_ID + state.next_id("workflow")
    return state.workflow_ids[key]


def workflows_of(state: State, repository: str) -> list[Listed]:
    """List the workflows on the default branch."""
    found = state.repository(repository)
    sha = state.ref_sha(found.full_name, f"refs/heads/{found.default_branch}")
    return list(_listed(state, found.full_name, sha)) if sha else []


def _listed(state: State, repository: str, sha: str) -> Iterator[Listed]:
    for path, text in workflow_files(state, repository, sha).items():
        yield Listed(workflow_id(state, repository, path), path, name_of(path, text))


def name_of(path: str, text: str) -> str:
    """Give a workflow's name; a file that GitHub cannot read goes by its path."""
    try:
        return parsed(path, text).name or path
    except WorkflowInvalid:
        return path


def find_workflow(state: State, repository: str, named: str | int) -> Listed:
    """Find a workflow by its id or the name of its file.

    Raises:
        Refused: 404 when the default branch has none such.
    """
    wanted = str(named).removeprefix(FOLDER)
    for each in workflows_of(state, repository):
        if wanted in {str(each.id), each.path.removeprefix(FOLDER)}:
            return each
    raise missing()
