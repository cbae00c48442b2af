"""A store in memory."""

from __future__ import annotations

import mimetypes
from datetime import UTC, datetime
from pathlib import Path
from threading import RLock
from typing import TYPE_CHECKING
from urllib.parse import quote

from runnerkit.errors import CloudUnavailable
from runnerkit.job.stores import Kept, checked_key, checked_prefix

if TYPE_CHECKING:
    from collections.abc import Sequence


class MemoryStore:
    """Keeps the contract of :class:`runnerkit.job.stores.Store` in memory; parts of it share what they keep.

    ``things`` has content, content type and time by whole key. Safe for threads.
    """

    def __init__(self, prefix: str = "") -> None:
        self.prefix = prefix
        self.things: dict[str, tuple[bytes, str, datetime]] = {}
        self._lock = RLock()

    @property
    def address(self) -> str:
        """A made-up one."""
        return f"memory://store/{self.prefix}".rstrip("/")

    def put(self, key: str, content: bytes | Path, content_type: str = "") -> None:
        """Keep it."""
        checked_key(key)
        try:
            raw = content.read_bytes() if isinstance(content, Path) else content
        except OSError as error:
            raise CloudUnavailable(f"{error.filename} cannot be read: {error.strerror}") from error
        self._keep(key, raw, content_type)

    def put_new(self, key: str, content: bytes) -> bool:
        """Keep it unless there is one."""
        with self._lock:
            if self._key(key) in self.things:
                return False
            self._keep(key, content, "")
            return True

    def _keep(self, key: str, raw: bytes, content_type: str) -> None:
        kind = content_type or mimetypes.guess_type(key)[0] or "application/octet-stream"
        with self._lock:
            self.things[self._key(key)] = (raw, kind, datetime.now(tz=UTC))

    def get(self, key: str) -> bytes | None:
        """What is kept."""
        with self._lock:
            found = self.things.get(self._key(key))
        return found[0] if found else None

    def fetch(self, key: str, target: Path) -> bool:
        """Write it to the file."""
        found = self.get(key)
        if found is None:
            return False
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(found)
        return True

    def listed(self, prefix: str = "") -> Sequence[Kept]:
        """All of it, sorted."""
        start = self._start()
        with self._lock:
            things = sorted(self.things.items())
        wanted = start + checked_prefix(prefix)
        found = [(key.removeprefix(start), kept) for key, kept in things if key.startswith(wanted)]
        return [Kept(key, len(kept[0]), kept[2]) for key, kept in found]

    def delete(self, keys: Sequence[str]) -> None:
        """Forget it."""
        with self._lock:
            for key in map(self._key, keys):
                self.things.pop(key, None)

    def below(self, prefix: str) -> MemoryStore:
        """A part, which shares what is kept."""
        part = MemoryStore(self._key(prefix))
        part.things, part._lock = self.things, self._lock
        return part

    def link(self, key: str) -> str:
        """A made-up one."""
        return f"memory://store/{quote(self._key(key))}"

    def _key(self, key: str) -> str:
        return self._start() + checked_key(key)

    def _start(self) -> str:
        return f"{self.prefix}/" if self.prefix else ""
