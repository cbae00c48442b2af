"""A store in a folder: a laptop's, a shared disk, a test's."""

from __future__ import annotations

import os
import secrets
import shutil
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from runnerkit.errors import CloudDenied, CloudUnavailable
from runnerkit.job.stores import Kept, checked_key

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

# Drafts of what is being written; no key ends like this by accident.
DRAFT = ".runnerkit-draft"


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
        with self._told("written"), _draft(target) as draft:
            _write(content, draft)
            draft.replace(target)

    def put_new(self, key: str, content: bytes) -> bool:
        """Write beside, then link, which fails where something is."""
        target = self._path(key)
        with self._told("written"), _draft(target) as draft:
            draft.write_bytes(content)
            try:
                os.link(draft, target)
            except FileExistsError:
                return False
            return True

    def get(self, key: str) -> bytes | None:
        """Read the file."""
        with self._told("read"), suppress(FileNotFoundError, IsADirectoryError, NotADirectoryError):
            return self._path(key).read_bytes()
        return None

    def fetch(self, key: str, target: Path) -> bool:
        """Copy the file."""
        source = self._path(key)
        with self._told("read"):
            if not source.is_file():
                return False
            with _draft(target) as draft:
                shutil.copyfile(source, draft)
                draft.replace(target)
        return True

    def listed(self, prefix: str = "") -> Sequence[Kept]:
        """Walk the folder in which the prefix ends."""
        start = self._folder / prefix.rpartition("/")[0]
        with self._told("listed"):
            return sorted(self._found(start, prefix), key=lambda kept: kept.key)

    def _found(self, start: Path, prefix: str) -> Iterator[Kept]:
        for place, _, names in os.walk(start):
            for path in (Path(place, name) for name in names if not name.endswith(DRAFT)):
                key = path.relative_to(self._folder).as_posix()
                if key.startswith(prefix):
                    with suppress(FileNotFoundError):
                        said = path.stat()
                        yield Kept(key, said.st_size, datetime.fromtimestamp(said.st_mtime, tz=UTC))

    def delete(self, keys: Sequence[str]) -> None:
        """Unlink, and remove folders that this leaves empty."""
        with self._told("removed"):
            for path in map(self._path, keys):
                path.unlink(missing_ok=True)
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
        return self._folder / checked_key(key)

    @contextmanager
    def _told(self, doing: str) -> Iterator[None]:
        try:
            yield
        except PermissionError as error:
            raise CloudDenied(
                f"{error.filename} cannot be {doing}: {error.strerror}", hint="see to its owner"
            ) from error
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


def _write(content: bytes | Path, draft: Path) -> None:
    if isinstance(content, Path):
        shutil.copyfile(content, draft)
    else:
        draft.write_bytes(content)
