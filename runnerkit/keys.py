"""Keys of builders that wait to be resumed: a folder that only this user can read, one file for each builder."""

from __future__ import annotations

import json
import os
import re
from typing import TYPE_CHECKING

from runnerkit.baking.ports import KeptKey
from runnerkit.names import Secret

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_NAME = re.compile(r"[A-Za-z0-9-]{1,64}")


class KeyFolder:
    """Keeps the port :class:`runnerkit.baking.ports.Keys`.

    Args:
        folder: Made when the first key is kept.
        make: Makes a new key.
    """

    def __init__(self, folder: Path, make: Callable[[], tuple[Secret, str]]) -> None:
        self._folder = folder
        self._make = make

    def new(self) -> tuple[Secret, str]:
        """A new key: the private half, and the public half as one line."""
        return self._make()

    def save(self, builder_id: str, kept: KeptKey) -> None:
        """Keep a key for this user alone."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        text = json.dumps({"key": kept.key.reveal(), "host_keys": kept.host_keys})
        new = self._path(builder_id).with_suffix(".new")
        new.unlink(missing_ok=True)
        with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="ascii") as file:
            file.write(text)
        new.replace(self._path(builder_id))

    def take(self, builder_id: str) -> KeptKey | None:
        """A kept key, which is gone from there; of several processes one gets it. None without one that can be read."""
        taken = self._path(builder_id).with_suffix(f".{os.getpid()}")
        try:
            self._path(builder_id).rename(taken)
            held = json.loads(taken.read_text(encoding="ascii"))
            return KeptKey(Secret(held["key"]), tuple((str(kind), str(text)) for kind, text in held["host_keys"]))
        except (OSError, ValueError, KeyError, TypeError):
            return None
        finally:
            taken.unlink(missing_ok=True)

    def drop(self, builder_id: str) -> None:
        """Forget it; absence is success."""
        self._path(builder_id).unlink(missing_ok=True)

    def _path(self, builder_id: str) -> Path:
        if not _NAME.fullmatch(builder_id):
            msg = f"{builder_id!r} is no id of a builder"
            raise ValueError(msg)
        return self._folder / f"{builder_id}.json"
