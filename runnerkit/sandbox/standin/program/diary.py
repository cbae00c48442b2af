"""What the stand-in says: lines on standard output, and its diagnostic files."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


class Diary:
    """A file ``_diag/<kind>_<time>-utc.log``, as the runner keeps one for each of its processes."""

    def __init__(self, root: Path, kind: str) -> None:
        self._kind = kind
        folder = root / "_diag"
        folder.mkdir(exist_ok=True)
        stamp = time.strftime("%Y%m%d-%H%M%S", time.gmtime())
        self._path = folder / f"{kind}_{stamp}-utc.log"
        self.note(f"{kind} stand-in, process {os.getpid()}")

    def note(self, text: str, level: str = "INFO") -> None:
        """Write a line to the file."""
        now = time.strftime("%Y-%m-%d %H:%M:%SZ", time.gmtime())
        with self._path.open("a", encoding="utf-8") as file:
            file.write(f"[{now} {level:<4} {self._kind}] {text}\n")

    def say(self, text: str) -> None:
        """Write a line to the file and to standard output."""
        self.note(text)
        print(text, flush=True)  # noqa: T201 - the listener's words to whoever started it

    def tell(self, text: str) -> None:
        """Say something with the time before it, as the listener does about jobs."""
        self.say(f"{time.strftime('%Y-%m-%d %H:%M:%SZ', time.gmtime())}: {text}")
