"""One checkpoint in a store: pieces of files, and a manifest that names them, written last.

Pieces are named by what is in them, so nothing is sent twice, and of a file that grows only its end. Whoever reads gets
the checkpoint of before or the new one, never half of one.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import stat
import time
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from runnerkit.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from runnerkit.job.stores import Store

MANIFEST = "manifest.json"
FORMAT = 1
PIECE = 32 * 2**20  # bytes
QUIET = 2.0  # seconds without a change, after which a file counts as written

_Seen = tuple[int, int, int]


class Unsteady(Exception):
    """Files are being written just now."""


class Abandoned(Exception):
    """There is no time for the rest."""


@dataclass(frozen=True, slots=True)
class File:
    """A file of a checkpoint, its name relative to the project; sizes in bytes. A ``link`` is its target."""

    name: str
    size: int = 0
    sha256: str = ""
    mtime_ns: int = 0
    pieces: tuple[str, ...] = ()
    link: str = ""


class Vault:
    """The checkpoint of one stage.

    Args:
        store: Where it is kept, and nothing else is.
        root: The project.
        folders: What is kept.
        go_on: Asked between pieces; False gives up.
    """

    def __init__(self, store: Store, root: Path, folders: Sequence[Path], go_on: Callable[[], bool]) -> None:
        self._store = store
        self._root = root
        self._folders = folders
        self._go_on = go_on
        self._read: dict[str, tuple[_Seen, File]] = {}
        self._pieces: set[str] | None = None
        self._saved: list[File] | None = None
        self.saves = 0

    # --- to the store

    def save(self, *, quiet: bool = True, patient: bool = True) -> int:
        """Keep what is there now; returns how many bytes were sent, which is 0 when nothing changed.

        Args:
            quiet: The stage runs, so leave files alone that were written a moment ago.
            patient: Rather give up than leave such files out.

        Raises:
            Unsteady: Files change just now; try again.
            Abandoned: There was no time.
            RunnerkitError: The store refused.
        """
        files, sent = list[File](), 0
        for name, seen in self._scan().items():
            if quiet and time.time() - seen[1] / 1e9 < QUIET:
                if patient:
                    raise Unsteady(name)
                continue
            try:
                file, count = self._keep(name, seen)
            except (FileNotFoundError, Unsteady) as error:
                if patient:
                    raise Unsteady(name) from error
                continue
            files, sent = [*files, file], sent + count
        files += self._links()
        if not files or files == self._saved:
            return 0
        self._publish(files)
        return sent or 1

    def _scan(self) -> dict[str, _Seen]:
        found = {}
        for path in self._inside():
            # What vanishes meanwhile was on its way out: a stage that keeps its last few.
            with suppress(FileNotFoundError):
                said = path.lstat()
                if stat.S_ISREG(said.st_mode):
                    found[self._name(path)] = (said.st_size, said.st_mtime_ns, said.st_ino)
        return found

    def _inside(self) -> Iterator[Path]:
        for folder in self._folders:
            for place, _, names in os.walk(folder):
                yield from (Path(place, name) for name in sorted(names))

    def _links(self) -> list[File]:
        """Links to what is kept as well; what points elsewhere means nothing on another machine."""
        found = []
        for folder in self._folders:
            for place, below, names in os.walk(folder):
                for path in (Path(place, name) for name in sorted([*below, *names])):
                    if path.is_symlink() and path.resolve().is_relative_to(folder.resolve()):
                        target = os.readlink(path)  # noqa: PTH115 - as it is written
                        found += [File(self._name(path), link=target)] if not target.startswith("/") else []
        return found

    def _name(self, path: Path) -> str:
        return path.relative_to(self._root).as_posix()

    def _keep(self, name: str, seen: _Seen) -> tuple[File, int]:
        before = self._read.get(name)
        if before is not None and before[0] == seen:
            return before[1], 0
        path, whole, pieces, sent = self._root / name, hashlib.sha256(), list[str](), 0
        with path.open("rb") as source:
            while piece := source.read(PIECE):
                whole.update(piece)
                pieces.append(hashlib.sha256(piece).hexdigest())
                sent += self._put(pieces[-1], piece)
        after = path.stat()
        if (after.st_size, after.st_mtime_ns, after.st_ino) != seen:
            raise Unsteady(name)
        file = File(name, seen[0], whole.hexdigest(), seen[1], tuple(pieces))
        self._read[name] = seen, file
        return file, sent

    def _put(self, name: str, piece: bytes) -> int:
        if not self._go_on():
            raise Abandoned
        if self._pieces is None:
            self._pieces = {each.key for each in self._store.listed()} - {MANIFEST}
        if name in self._pieces:
            return 0
        self._store.put(name, piece, "application/octet-stream")
        self._pieces.add(name)
        return len(piece)

    def _publish(self, files: list[File]) -> None:
        if not self._go_on():
            raise Abandoned
        told = {"format": FORMAT, "written": time.time(), "files": [asdict(file) for file in files]}
        self._store.put(MANIFEST, json.dumps(told).encode(), "application/json")
        self._saved, self.saves = files, self.saves + 1
        old = (self._pieces or set()) - {piece for file in files for piece in file.pieces}
        self._store.delete(sorted(old))
        self._pieces = (self._pieces or set()) - old

    # --- from the store

    def restore(self, draft: Path) -> float | None:
        """Bring it here; returns when it was written (seconds since the epoch), None when there is none.

        Nothing is touched unless all of it arrived as it was sent.

        Args:
            draft: A folder for what is on its way, on the same disk; removed afterwards.

        Raises:
            ConfigError: It is incomplete, or not what was sent.
            RunnerkitError: The store refused.
        """
        body = self._store.get(MANIFEST)
        if body is None:
            return None
        files, written = self._understood(body)
        shutil.rmtree(draft, ignore_errors=True)  # a run that was killed may have left its own
        try:
            # Links last: nothing is ever written by way of one.
            for file in sorted(files, key=lambda each: bool(each.link)):
                self._bring(file, draft / file.name)
            if not all((draft / file.name).resolve().is_relative_to(draft.resolve()) for file in files):
                raise ConfigError("the manifest of the checkpoint names links that lead out of it")
            for folder in self._folders:
                _place(draft / self._name(folder), folder)
        finally:
            shutil.rmtree(draft, ignore_errors=True)
        self._saved = files
        return written

    def _understood(self, body: bytes) -> tuple[list[File], float]:
        try:
            told = json.loads(body)
            files = [File(**{**each, "pieces": tuple(each["pieces"])}) for each in told["files"]]
            known, written = told["format"] == FORMAT, float(told["written"])
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise ConfigError(f"the manifest of the checkpoint is not understood: {error}") from error
        links = {PurePosixPath(file.name) for file in files if file.link}
        through = any(not links.isdisjoint(PurePosixPath(file.name).parents) for file in files)
        if not known or through or not all(self._allowed(file) for file in files):
            raise ConfigError("the manifest of the checkpoint is of another version, or names files elsewhere")
        return files, written

    def _allowed(self, file: File) -> bool:
        """Whether it goes into a folder of the stage: a manifest must not write elsewhere."""
        path = self._root / file.name
        inside = any(path.is_relative_to(folder) for folder in self._folders)
        target = Path(os.path.normpath(path.parent / file.link))
        return inside and ".." not in path.parts and any(target.is_relative_to(folder) for folder in self._folders)

    def _bring(self, file: File, target: Path) -> None:
        target.parent.mkdir(parents=True, exist_ok=True)
        if file.link:
            target.symlink_to(file.link)
            return
        whole = hashlib.sha256()
        with target.open("wb") as out:
            for name in file.pieces:
                if not self._go_on():
                    raise Abandoned
                piece = self._store.get(name) or b""
                whole.update(piece)
                out.write(piece)
        if whole.hexdigest() != file.sha256:
            raise ConfigError(f"{file.name} of the checkpoint is not what was sent")
        os.utime(target, ns=(file.mtime_ns, file.mtime_ns))

    def remove(self) -> None:
        """Remove it: the manifest first, so that nobody begins to read what is going."""
        self._store.delete([MANIFEST])
        self._store.delete([each.key for each in self._store.listed()])


def _place(source: Path, target: Path) -> None:
    if source.is_dir():
        target.parent.mkdir(parents=True, exist_ok=True)
        if target.is_dir():
            target.rmdir()
        shutil.move(source, target)


def holds_files(folders: Sequence[Path]) -> bool:
    """Whether there is anything in these folders."""
    return any(folder.exists() and (not folder.is_dir() or any(folder.iterdir())) for folder in folders)


def told_bytes(count: int) -> str:
    """A size for people, in units of 1,000."""
    size = float(count)
    for unit in ("bytes", "kB", "MB"):
        if size < 1000:  # noqa: PLR2004 - the next unit
            return f"{size:.0f} {unit}"
        size /= 1000
    return f"{size:.1f} GB"
