"""Sends finished stages to the remote while the next one runs.

``dvc push`` holds the repository's lock as long as it takes, and ``dvc repro`` gives up the whole pipeline when a stage
ends and the lock cannot be had within three seconds. So a push works in a room of its own: a copy of the project's
small files, with the cache's objects behind a link, and only what is new of the run cache (DVC sends all of it again).

Only the stages that were run here are pushed: what else the project tracks need not be on this machine, nor even on the
remote, and would fail the push or cost time. Where the cache held something before we began (a kept volume, a laptop)
everything is pushed, for what an earlier run left unsent is known to nobody; but not when nothing changed since then.
"""

from __future__ import annotations

import contextlib
import hashlib
import shutil
import time
from typing import TYPE_CHECKING

from runnerkit.errors import RunnerkitError
from runnerkit.job.pipeline import LOCK, PROJECT, parse_yaml, variable_files
from runnerkit.job.processes import Group

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from runnerkit.job.pipeline import Project


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
        self._noted = project.root / ".dvc/tmp/runnerkit-pushed"
        self._log = project.work / "push.log"
        self._sent: set[str] = set()
        self._sending: set[str] = set()
        self._since = 0.0
        self._broken = ""
        self._group: Group | None = None
        self._started = 0.0
        self._told = ""
        self.seconds = 0.0
        self.pushes = 0
        self.seeded = any(any(self._settings.cache.glob(held)) for held in ("files/*/*", "[0-9a-f][0-9a-f]/*"))

    def busy(self) -> bool:
        """Whether a push is under way."""
        return self._group is not None or bool(self._broken)

    def start(self, stages: Sequence[str], since: float, *, last: bool = False) -> bool:
        """Start to push what is finished; False when a lock file is being written just now, so try again.

        A machine that cannot even start one (a full disk) has a push that fails, not a pipeline.

        Args:
            stages: Their addresses.
            since: When the first command began; older entries of the run cache came from the remote.
            last: Nobody writes lock files any more, so take them as they are.
        """
        if self.busy():
            return False
        self._since, self._started, self._told = since, time.monotonic(), ""
        try:
            if not self._furnish(last=last):
                return False
            with self._log.open("wb") as log:
                words = [self._dvc, "push", "--run-cache", *(() if self.seeded else stages)]
                self._group = Group(words, cwd=self._where(), environ=self._environ, output=log)
        except OSError as error:
            self._broken = f"ERROR: {error}"
        return True

    def over(self, timeout: float = 0.0) -> bool | None:
        """Whether the push went well, once it is over; None while it is under way."""
        if self._broken:
            self._told, self._broken = self._broken, ""
            return False
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
        self._broken = ""
        if self._group is not None:
            self._end()

    def said(self) -> str:
        """What the last push told."""
        if self._told:
            return self._told
        return self._log.read_text(encoding="utf-8", errors="replace").strip() if self._log.exists() else ""

    def remember(self) -> None:
        """Note that all that the lock files name is on the remote."""
        with contextlib.suppress(OSError):
            self._noted.write_text(self._state(), encoding="utf-8")

    def remembered(self) -> bool:
        """Whether nothing changed since all of it was on the remote."""
        try:
            return self._noted.read_text(encoding="utf-8") == self._state()
        except (OSError, UnicodeDecodeError):
            return False

    def _state(self) -> str:
        found = hashlib.sha256(f"{self._settings.remote}\0{self._settings.remote_url}".encode())
        for folder in self._project.folders():
            for file in (file for file in _needed(folder) if file.suffix in {".lock", ".dvc"}):
                found.update(f"\0{file.relative_to(self._project.root)}\0".encode("utf-8", "replace"))
                found.update(file.read_bytes())
        return found.hexdigest()

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
        files = (file for file in runs.glob("*/*/*") if file.is_file())
        return {str(file.relative_to(runs)) for file in files if file.stat().st_mtime >= self._since}

    def _furnish(self, *, last: bool) -> bool:
        """Make the room anew; False when a lock file is half written."""
        if self._settings.versioned:
            return True
        shutil.rmtree(self._room, ignore_errors=True)
        if not all(self._copy(file, last=last) for folder in self._project.folders() for file in _needed(folder)):
            return False
        self._configure()
        self._link_cache()
        return True

    def _copy(self, file: Path, *, last: bool) -> bool:
        body = file.read_bytes()
        if file.name == LOCK and not last and not _whole(body):
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
        # All but the run cache: what DVC 2 cached stands beside `files`, not in it.
        for folder in real.iterdir():
            if folder.name != "runs":
                (cache / folder.name).symlink_to(folder)
        self._sending = self._entries() - self._sent
        for entry in self._sending:
            target = cache / "runs" / entry
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(real / "runs" / entry, target)


def _needed(folder: Path) -> Iterator[Path]:
    """The files of a folder that DVC reads to know what to push."""
    named = {folder / name for name in (PROJECT, LOCK, ".dvcignore")} | set(folder.glob("*.dvc"))
    if (folder / PROJECT).is_file():
        named |= variable_files(folder)
    return (file for file in sorted(named) if file.is_file())


def _whole(lock: bytes) -> bool:
    try:
        return isinstance(parse_yaml(lock.decode("utf-8"), LOCK), dict)
    except (ValueError, RunnerkitError):
        return False
