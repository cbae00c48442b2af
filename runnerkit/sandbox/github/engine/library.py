"""What workflows use from other places: workflows that jobs call, actions that steps use.

Both are looked up in the repositories of this world. One named ``OWNER/runnerkit`` that nobody added is there all the
same, with what this installation would publish, so that examples can use it by its address.
"""

import re
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any

import yaml

from runnerkit.sandbox.github import people
from runnerkit.sandbox.github.engine.contexts import parsed
from runnerkit.sandbox.github.engine.shelf import OWN_NAME, files
from runnerkit.sandbox.github.git import reading, requests, writing
from runnerkit.sandbox.github.records import Library, Repository, Run
from runnerkit.sandbox.github.state import State
from runnerkit.sandbox.workflows import Home, Workflow, link

_ADDRESS = re.compile(r"(?P<repository>[^/@\s.][^/@\s]*/[^/@\s]+)(?:/(?P<path>[^@\s]+))?@(?P<ref>\S+)")
_LOCAL = ("./", "$/")
MOST_LEVELS = 10
BRANCH = "refs/heads/main"


def called(state: State, workflow: Workflow, run: Run) -> tuple[Library, ...]:
    """Find all that a run's workflow calls; the run keeps it, so that it stays the same.

    Raises:
        WorkflowInvalid: GitHub would not start the run.
    """
    _prepare(state, workflow)
    kept: list[Library] = []

    def find(uses: str, caller: Home) -> tuple[Workflow, Home] | None:
        found = _read(state, uses, caller, run.repository)
        if found is None:
            return None
        kept.append(found)
        workflow = parsed(found.path, found.text)
        _prepare(state, workflow)
        return workflow, Home(found.repository, found.ref, found.sha)

    link(workflow, Home(run.repository, run.ref, run.sha), find)
    return tuple(dict.fromkeys(kept))


def workflow_of(run: Run) -> Workflow:
    """Give the workflow of a run as its file said at the run's commit, with all that it calls."""
    if not run.library:
        return parsed(run.path, run.text)
    return _relinked(run.path, run.text, Home(run.repository, run.ref, run.sha), run.library)


@lru_cache(256)
def _relinked(path: str, text: str, home: Home, kept: tuple[Library, ...]) -> Workflow:
    known = {(each.uses, each.caller): each for each in kept}

    def find(uses: str, caller: Home) -> tuple[Workflow, Home] | None:
        found = known.get((uses, (caller.repository, caller.sha)))
        if found is None:
            return None
        return parsed(found.path, found.text), Home(found.repository, found.ref, found.sha)

    return link(parsed(path, text), home, find)


def _read(state: State, uses: str, caller: Home, asking: str) -> Library | None:
    if uses.startswith(_LOCAL):
        repository, path, ref, sha = caller.repository, uses[2:], caller.ref, caller.sha
    else:
        address = _ADDRESS.fullmatch(uses)
        at = address and _commit(state, address["repository"], address["ref"], asking)
        if address is None or at is None:
            return None
        (repository, ref, sha), path = at, address["path"]
    text = reading.read_file(state.git, repository, sha, path)
    if text is None:
        return None
    return Library(uses, (caller.repository, caller.sha), repository, ref, sha, path, text.decode(errors="replace"))


def _commit(state: State, named: str, ref: str, asking: str) -> tuple[str, str, str] | None:
    """Find a repository that another may use, the full ref and the commit."""
    repository = state.repositories.get(named.lower())
    if repository is None or not _may_use(state, repository, asking):
        return None
    sha = reading.resolve(state.git, repository.full_name, ref)
    if sha is None and repository.full_name in state.provided:
        # Whatever version is asked for, this installation's is what there is.
        sha = reading.resolve(state.git, repository.full_name, BRANCH)
    return None if sha is None else (repository.full_name, _full(state, repository.full_name, ref), sha)


def _full(state: State, full_name: str, ref: str) -> str:
    known = state.git.refs(full_name)
    return next((each for each in (f"refs/heads/{ref}", f"refs/tags/{ref}") if each in known), ref)


def _may_use(state: State, repository: Repository, asking: str) -> bool:
    """A public repository is everybody's; a private one is open to its owner's, which is a setting on GitHub."""
    return not repository.private or repository.owner.lower() == state.repository(asking).owner.lower()


def _prepare(state: State, workflow: Workflow) -> None:
    for job in workflow.jobs.values():
        used = [str(job["uses"])] if "uses" in job else [str(each.get("uses", "")) for each in job["steps"]]
        for uses in used:
            address = _ADDRESS.fullmatch(uses)
            if address is not None and address["repository"].lower().endswith(f"/{OWN_NAME}"):
                _provide(state, address["repository"])


def _provide(state: State, named: str) -> None:
    """Make the repository of this project, once somebody names it."""
    if named.lower() in state.repositories:
        return
    repository = people.add_repository(state, named, private=False)
    full_name = requests.ready(state, repository)
    author = writing.Author(repository.owner, state.now())
    writing.commit_files(state.git, full_name, BRANCH, None, files(), "What this installation publishes", author)
    state.git.seen[full_name] = state.git.refs(full_name)
    state.provided.add(full_name)


# --- actions ----------------------------------------------------------------------------------------------------------


def actions(state: State, repository: str, payload: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Find the actions of this world's repositories that a job uses, those within them among them.

    Returns:
        For each ``owner/name@ref`` the repository, the commit, and what its actions use themselves.
    """
    found: dict[str, dict[str, Any]] = {}
    waiting = [str(each["uses"]) for each in payload.get("steps") or () if "uses" in each]
    for _ in range(MOST_LEVELS):
        waiting = [more for uses in waiting for more in _look_up(state, repository, uses, found)]
    return found


def _look_up(state: State, asking: str, uses: str, found: dict[str, dict[str, Any]]) -> Iterator[str]:
    address = _ADDRESS.fullmatch(uses)
    at = address and _commit(state, address["repository"], address["ref"], asking)
    if address is None or at is None:
        return
    name = f"{address['repository']}@{address['ref']}"
    known = found.setdefault(name, {"repository": at[0], "sha": at[2], "uses": []})
    fresh = [
        each for each in _uses_of(_reader(state, at[0], at[2]), address["path"] or "") if each not in known["uses"]
    ]
    known["uses"] += fresh
    yield from fresh


def _reader(state: State, full_name: str, sha: str) -> Callable[[str], bytes | None]:
    return lambda path: reading.read_file(state.git, full_name, sha, path)


def _uses_of(read: Callable[[str], bytes | None], folder: str) -> list[str]:
    """Give what the steps of a composite action use."""
    place = f"{folder}/" if folder else ""
    text = read(f"{place}action.yml") or read(f"{place}action.yaml") or b""
    try:
        said = yaml.safe_load(text)
    except (yaml.YAMLError, RecursionError):
        return []
    runs = said.get("runs") if isinstance(said, dict) else None
    steps = runs.get("steps") if isinstance(runs, dict) else None
    used = [each.get("uses") for each in (steps if isinstance(steps, list) else ()) if isinstance(each, dict)]
    # Written out, what aliases multiply would have no end: nothing but text is an address.
    return [each for each in used if isinstance(each, str)]
