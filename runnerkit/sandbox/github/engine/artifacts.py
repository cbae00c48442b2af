"""Artifacts: zip archives that the jobs of a run leave to each other and to people."""

import io
import zipfile

from runnerkit.sandbox.github.records import Artifact, Run
from runnerkit.sandbox.github.refusals import Reason, Refused, invalid, missing
from runnerkit.sandbox.github.state import State

FORBIDDEN = frozenset('":<>|*?\r\n\\/')


def keep(state: State, run: Run, name: str, data: bytes) -> Artifact:
    """Keep an archive under a name of the run; what had that name is gone.

    Raises:
        Refused: 422 for a name that GitHub does not take, or for what is no zip archive.
    """
    if not name or FORBIDDEN & set(name):
        raise invalid(f"The artifact name is not valid: {name!r}; it must be without any of {sorted(FORBIDDEN)}.")
    if not zipfile.is_zipfile(io.BytesIO(data)):
        raise invalid(f"The artifact {name} is no zip archive ({len(data)} bytes).")
    for old in [each for each in of_run(state, run) if each.name == name]:
        del state.artifacts[old.id]
    artifact = Artifact(state.next_id("artifact"), run.repository, run.id, name, data, state.now())
    state.artifacts[artifact.id] = artifact
    return artifact


def of_run(state: State, run: Run) -> list[Artifact]:
    """List a run's artifacts, oldest first."""
    return [each for each in state.artifacts.values() if each.run_id == run.id]


def named(state: State, run: Run, name: str) -> Artifact:
    """Find an artifact of a run.

    Raises:
        Refused: 404 with the names there are.
    """
    found = of_run(state, run)
    for each in found:
        if each.name == name:
            return each
    there = ", ".join(each.name for each in found) or "none at all"
    raise Refused(Reason.MISSING, f"Artifact not found for name: {name} (run {run.id} has {there})")


def find(state: State, repository: str, artifact_id: int) -> Artifact:
    """Find an artifact of a repository.

    Raises:
        Refused: 404 when there is none.
    """
    found = state.artifacts.get(artifact_id)
    if found is None or found.repository != repository:
        raise missing()
    return found
