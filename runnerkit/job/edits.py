"""Files of the project that are different for the length of one run, and byte for byte as before afterwards.

What they were is kept in ``.dvc/tmp``, out of git's sight, before anything is changed. A run that is killed cannot put
it back; the next command of ours in the project does. A lock of the kernel's tells a killed run from one that works.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from runnerkit.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from io import TextIOWrapper
    from pathlib import Path

FOLDER = ".dvc/tmp/runnerkit-edits"
INDEX = "edits.json"


@contextmanager
def edited(root: Path, changes: Mapping[Path, bytes], say: Callable[[str], None]) -> Iterator[None]:
    """Have files with another content for the length of a block.

    Args:
        root: The project.
        changes: The new content of files that exist.
        say: Hears what could not be put back.

    Raises:
        ConfigError: Another run of ours works with changed files here.
    """
    if not changes:
        yield
        return
    folder = root / FOLDER
    with ExitStack() as stack:
        stack.enter_context(_lock(folder))
        _undo(folder, say)
        targets = {path.resolve(): content for path, content in changes.items()}
        notes = []
        for number, (path, content) in enumerate(sorted(targets.items())):
            shutil.copy2(path, folder / f"{number}.before")
            notes.append({"path": str(path), "before": f"{number}.before", "now": _digest(content)})
        (folder / f"{INDEX}.new").write_text(json.dumps(notes), encoding="utf-8")
        (folder / f"{INDEX}.new").replace(folder / INDEX)
        stack.callback(_undo, folder, say)
        for path, content in targets.items():
            _swap(path, content, folder / "draft")
        yield


def heal(root: Path, say: Callable[[str], None]) -> None:
    """Put back what a killed run left changed.

    Raises:
        ConfigError: A run that lives works with changed files here.
    """
    folder = root / FOLDER
    if (folder / INDEX).exists():
        with _lock(folder):
            if _undo(folder, say):
                say("runnerkit: files that a killed run had changed for itself are as before again")


@contextmanager
def _lock(folder: Path) -> Iterator[TextIOWrapper]:
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise ConfigError(
                f"another `runnerkit dvc` command works in {folder.parents[2]} with files changed for itself",
                hint="let it end, or end it; two runs need two checkouts",
            ) from error
        yield file


def _undo(folder: Path, say: Callable[[str], None]) -> bool:
    try:
        notes = json.loads((folder / INDEX).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    for note in notes:
        path, before = folder.__class__(note["path"]), folder / note["before"]
        now = path.read_bytes() if path.is_file() else b""
        if _digest(now) == note["now"]:
            shutil.copy2(before, folder / "draft")
            _move(folder / "draft", path)
        elif now != before.read_bytes():
            kept = folder / f"{path.name}.kept"
            shutil.copy2(before, kept)
            say(f"::warning::runnerkit: {path} was changed meanwhile and stays so; what it was before is in {kept}")
    (folder / INDEX).unlink()
    return True


def _swap(path: Path, content: bytes, draft: Path) -> None:
    shutil.copy2(path, draft)
    draft.write_bytes(content)
    _move(draft, path)


def _move(draft: Path, path: Path) -> None:
    """Replace a file at one stroke, wherever it is."""
    beside = path.with_name(f".{path.name}.runnerkit")
    try:
        os.replace(draft, path)  # noqa: PTH105 - the one call that is atomic
    except OSError:
        shutil.copy2(draft, beside)
        os.replace(beside, path)  # noqa: PTH105 - as above


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
