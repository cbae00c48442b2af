"""Which notes of the journal are about a question: what is named by them names others in turn. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runnerkit.names import RunnerName

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from runnerkit.history import Note

Key = tuple[str, str | int]
# From a job to its machines, to the jobs that took those, to their machines: farther is of no interest.
ROUNDS = 3
# A run is asked about with all of its jobs, but a job is not asked about with everything of its run's machines.
FOLLOWED = frozenset({"job", "runner", "instance"})


def about(notes: Sequence[Note], keys: Iterable[Key]) -> tuple[Note, ...]:
    """The notes that concern what the keys name, in the journal's order.

    Args:
        notes: The whole journal.
        keys: Pairs such as ``("job", 77)``, ``("run", 5)``, ``("runner", "rk-77-1")``, ``("instance", "i-0a")``.
    """
    known, asked = set(keys), {key for key in keys if key[0] == "run"}
    found: dict[int, Note] = {}
    for _ in range(ROUNDS):
        new = {index: note for index, note in enumerate(notes) if index not in found and _names(note) & (known | asked)}
        if not new:
            break
        found |= new
        known |= {key for note in new.values() for key in _names(note) if key[0] in FOLLOWED}
    return tuple(found[index] for index in sorted(found))


def _names(note: Note) -> set[Key]:
    return set(_keys(note))


def _keys(note: Note) -> Iterator[Key]:
    for kind in ("job", "run"):
        number = note.id(kind)
        if number is not None:
            yield kind, number
    runner = note.text("runner").lower()
    if runner:
        yield "runner", runner
        yield from of_runner(runner)
    if note.text("instance"):
        yield "instance", note.text("instance")


def of_runner(runner: str) -> Iterator[Key]:
    """The job or run for which a machine was launched, as its name says."""
    name = RunnerName.parse(runner)
    if name is None:
        return
    parts = name.stem.split("-")
    yield ("run" if len(parts) > 2 else "job"), int(parts[1])  # noqa: PLR2004 - rk-JOB, or rk-RUN-ATTEMPT-DIGEST
