"""Sends finished stages to the remote while the next one runs.

``dvc push`` holds the repository's lock as long as it takes, and ``dvc repro`` gives up the whole pipeline when a stage
ends and the lock cannot be had within three seconds. So a push works in a room of its own: a copy of the project's
small files, with the cache's objects behind a link, and only what is new of the run cache (DVC sends all of it again).
"""

from __future__ import annotations

import shutil
import time
from typing import TYPE_CHECKING

from runnerkit.errors import RunnerkitError
from runnerkit.job.pipeline import LOCK, PROJECT, parse_yaml
from runnerkit.job.processes import Group

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from runnerkit.job.pipeline import Project

SMALL = 1_000_000
COPIED = frozenset({".yaml", ".yml", ".json", ".toml", ".py", ".dvc", LOCK, PROJECT, ".dvcignore"})


class Pusher:
    """Pushes, one at a time.

    Args:
        project: What is pushed.
        dvc: The command.
        environ: The environment for it.
    """

    def __init__(self, project: Project, dvc: str, environ: Mapping[str, str]) -> None:
        self._project = project
        self._dvc = dvc
        self._environ = environ
        self._settings = project.settings(environ)
        # Where DVC itself keeps what git and its own walks through the project shall not see.
        self._room = project.root / ".dvc/tmp/runnerkit-push"
        self._index = project.root / ".dvc/tmp/runnerkit-index"
        self._log = project.work / "push.log"
        self._sent = self._entries()
        self._sending: set[str] = set()
        self._group: Group | None = None
        self._started = 0.0
        self.seconds = 0.0
        self.pushes = 0
        self.seeded = any((self._settings.cache / "files").glob("*/*"))

    def busy(self) -> bool:
        """Whether a push is under way."""
        return self._group is not None

    def pulled(self) -> None:
        """The remote's run cache is here now: what is known of it need not be sent back."""
        self._sent |= self._entries()

    def start(self) -> bool:
        """Start to push what is finished; False when the lock file is being written just now, so try again."""
        if self._group is not None or not self._furnish():
            return False
        self._started = time.monotonic()
        with self._log.open("wb") as log:
            self._group = Group(
                [self._dvc, "push", "--run-cache"], cwd=self._where(), environ=self._environ, output=log
            )
        return True

    def over(self, timeout: float = 0.0) -> bool | None:
        """Whether the push went well, once it is over; None while it is under way."""
        if self._group is None:
            return None
        code = self._group.wait(timeout) if timeout > 0 else self._group.poll()
        if code is None:
            return None
        self._end()
        self.seconds = time.monotonic() - self._started
        if code == 0:
            self.pushes += 1
            self._sent |= self._sending
        return code == 0

    def abandon(self) -> None:
        """End a push that is under way."""
        if self._group is not None:
            self._end()

    def said(self) -> str:
        """What the last push told."""
        return self._log.read_text(encoding="utf-8", errors="replace").strip() if self._log.exists() else ""

    def clear(self) -> None:
        """Remove the room."""
        shutil.rmtree(self._room, ignore_errors=True)

    def _end(self) -> None:
        if self._group is not None:
            self._group.close()
            self._group = None

    def _where(self) -> Path:
        if self._settings.versioned:
            return self._project.here
        return self._room / self._project.here.relative_to(self._project.root)

    def _entries(self) -> set[str]:
        runs = self._settings.cache / "runs"
        return {str(file.relative_to(runs)) for file in runs.glob("*/*/*") if file.is_file()}

    def _furnish(self) -> bool:
        """Make the room anew; False when a lock file is half written."""
        if self._settings.versioned:
            return True
        shutil.rmtree(self._room, ignore_errors=True)
        for folder in self._project.folders():
            for file in folder.iterdir():
                if {file.name, file.suffix} & COPIED and file.is_file() and not self._copy(file):
                    return False
        self._configure()
        self._link_cache()
        return True

    def _copy(self, file: Path) -> bool:
        body = file.read_bytes() if file.stat().st_size <= SMALL or file.suffix in {".dvc", ".lock"} else b""
        if file.name == LOCK and not _whole(body):
            return False
        target = self._room / file.relative_to(self._project.root)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(body)
        return True

    def _configure(self) -> None:
        ours = {
            "core": {
                "no_scm": "true",
                "check_update": "false",
                "analytics": "false",
                "site_cache_dir": str(self._index),
            },
            "cache": {"dir": str(self._room / "cache")},
        }
        config = self._room / ".dvc/config"
        config.parent.mkdir(parents=True)
        text = ""
        for name in {**self._settings.sections, **ours}:
            values = {**self._settings.sections.get(name, {}), **ours.get(name, {})}
            text += f"['{name}']\n" + "".join(f"    {key} = {value}\n" for key, value in values.items())
        config.touch(0o600)
        config.write_text(text, encoding="utf-8")

    def _link_cache(self) -> None:
        cache = self._room / "cache"
        cache.mkdir()
        real = self._settings.cache
        (real / "files").mkdir(parents=True, exist_ok=True)
        (cache / "files").symlink_to(real / "files", target_is_directory=True)
        self._sending = self._entries() - self._sent
        for entry in self._sending:
            target = cache / "runs" / entry
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(real / "runs" / entry, target)


def _whole(lock: bytes) -> bool:
    try:
        return isinstance(parse_yaml(lock.decode("utf-8"), LOCK), dict)
    except (ValueError, RunnerkitError):
        return False
