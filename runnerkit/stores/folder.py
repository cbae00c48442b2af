"""A store in a folder: a laptop's, a shared disk, a test's."""

from __future__ import annotations

import os
import secrets
import shutil
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from runnerkit.errors import CloudDenied, CloudUnavailable, ConfigError
from runnerkit.job.stores import Kept, checked_key, checked_prefix, is_key

T = TypeVar("T")

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

# Drafts of what is being written; no key ends like this by accident.
DRAFT = ".runnerkit-draft"
# Somebody may remove an empty folder at the moment at which something is written to it.
TRIES = 20


class FolderStore:
    """Files below a folder, which is made by the first thing that is put there."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @property
    def address(self) -> str:
        """The folder."""
        return str(self._folder)

    def put(self, key: str, content: bytes | Path, content_type: str = "") -> None:
        """Write beside, then rename; a content type has no place here."""
        del content_type
        target = self._path(key)
        with self._told("written"):
            _again(lambda: _replace(content, target), target)

    def put_new(self, key: str, content: bytes) -> bool:
        """Write beside, then link, which fails where something is."""
        target = self._path(key)
        with self._told("written"):
            return _again(lambda: _claim(content, target), target)

    def get(self, key: str) -> bytes | None:
        """Read the file."""
        with self._told("read"), suppress(FileNotFoundError, IsADirectoryError, NotADirectoryError):
            return self._path(key).read_bytes()
        return None

    def fetch(self, key: str, target: Path) -> bool:
        """Copy the file."""
        source = self._path(key)
        with self._told("read"):
            try:
                file = source.open("rb")
            except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
                return False
            with file, _draft(target) as draft, draft.open("wb") as out:
                shutil.copyfileobj(file, out, 1 << 20)
                out.close()
                draft.replace(target)
        return True

    def listed(self, prefix: str = "") -> Sequence[Kept]:
        """Walk the folder in which the prefix ends."""
        start = self._folder / checked_prefix(prefix).rpartition("/")[0]
        with self._told("listed"):
            return sorted(self._found(start, prefix), key=lambda kept: kept.key)

    def _found(self, start: Path, prefix: str) -> Iterator[Kept]:
        for place, _, names in os.walk(start):
            for path in (Path(place, name) for name in names if not name.endswith(DRAFT)):
                key = path.relative_to(self._folder).as_posix()
                if key.startswith(prefix) and is_key(key) and not path.is_symlink():
                    with suppress(FileNotFoundError):
                        said = path.stat()
                        yield Kept(key, said.st_size, datetime.fromtimestamp(said.st_mtime, tz=UTC))

    def delete(self, keys: Sequence[str]) -> None:
        """Unlink, and remove folders that this leaves empty."""
        with self._told("removed"):
            for path in map(self._path, keys):
                with suppress(FileNotFoundError, IsADirectoryError, NotADirectoryError):
                    path.unlink()
                for parent in path.relative_to(self._folder).parents:
                    with suppress(OSError):
                        (self._folder / parent).rmdir()

    def below(self, prefix: str) -> FolderStore:
        """The folder below."""
        return FolderStore(self._folder / checked_key(prefix))

    def link(self, key: str) -> str:
        """The file's address."""
        return self._path(key).absolute().as_uri()

    def _path(self, key: str) -> Path:
        path = self._folder / checked_key(key)
        # A link inside of the folder must lead nobody out of it, neither a reader nor a writer.
        if not path.resolve().is_relative_to(self._folder.resolve()):
            raise ConfigError(f"{path} leads out of {self._folder}", hint="remove the link")
        return path

    @contextmanager
    def _told(self, doing: str) -> Iterator[None]:
        try:
            yield
        except PermissionError as error:
            raise CloudDenied(
                f"{error.filename} cannot be {doing}: {error.strerror}", hint="see to its owner"
            ) from error
        except (IsADirectoryError, NotADirectoryError, FileExistsError) as error:
            why = "a key cannot be a folder of others, too"
            raise ConfigError(f"{error.filename} cannot be {doing}: {why}", hint="give it another name") from error
        except OSError as error:
            raise CloudUnavailable(f"{error.filename or self._folder} cannot be {doing}: {error.strerror}") from error


@contextmanager
def _draft(target: Path) -> Iterator[Path]:
    target.parent.mkdir(parents=True, exist_ok=True)
    draft = target.with_name(f".{secrets.token_hex(6)}{DRAFT}")
    try:
        yield draft
    finally:
        draft.unlink(missing_ok=True)


def _again(write: Callable[[], T], target: Path) -> T:
    for _ in range(TRIES - 1):
        try:
            return write()
        except (FileNotFoundError, FileExistsError) as error:
            # Of the source, not of a folder that went away.
            if error.filename is None or not _on_the_way(Path(error.filename), target):
                raise
    return write()


def _on_the_way(path: Path, target: Path) -> bool:
    """Whether a path is one of the target's folders, or is beside the target."""
    return path in target.parents or target.parent in path.parents


def _replace(content: bytes | Path, target: Path) -> None:
    with _draft(target) as draft:
        if isinstance(content, Path):
            shutil.copyfile(content, draft)
        else:
            draft.write_bytes(content)
        draft.replace(target)


def _claim(content: bytes, target: Path) -> bool:
    with _draft(target) as draft:
        draft.write_bytes(content)
        try:
            os.link(draft, target)
        except FileExistsError:
            return False
        return True
