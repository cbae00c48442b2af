"""Credentials in a file for the user alone, renewed by one process at a time, before AWS's programs miss them."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import time
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import gettempdir
from typing import TYPE_CHECKING

from runnerkit.credentials.role import Role, Session
from runnerkit.errors import CloudUnavailable, ConfigError, RunnerkitError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

# AWS's programs ask for new credentials from 15 minutes before the end on, and again at each call until they get newer
# ones (botocore.credentials.RefreshableCredentials); so ours are renewed before that.
EARLY = 16 * 60.0
LATE = 5 * 60.0  # with less than this left, old ones are not handed out even when no new ones can be had
PATIENCE = 90.0
TICK = 0.1


@dataclass(frozen=True, slots=True)
class Keeper:
    """Keeps the credentials of one role.

    ``renew`` gets new ones; ``warn`` hears that it could not and old ones still serve.
    """

    folder: Path
    role: Role
    renew: Callable[[], Session]
    warn: Callable[[str], None]

    def session(self) -> Session:
        """Credentials that last for a while: kept ones, or new ones.

        Raises:
            RunnerkitError: New ones are needed and cannot be had.
        """
        kept = self._read()
        if kept is not None and self._lasts(kept, self._margin()):
            return kept
        with self._alone():
            kept = self._read()  # somebody else may have been faster
            if kept is not None and self._lasts(kept, self._margin()):
                return kept
            return self._renewed(kept)

    def _renewed(self, kept: Session | None) -> Session:
        try:
            new = self.renew()
        except RunnerkitError as error:
            if kept is None or not self._lasts(kept, LATE):
                raise
            self.warn(f"the AWS credentials could not be renewed, those of before serve until {kept.until}: {error}")
            return kept
        self._write(new)
        return new

    def _margin(self) -> float:
        return min(EARLY, self.role.seconds / 3)

    @staticmethod
    def _lasts(session: Session, margin: float) -> bool:
        return (session.until - datetime.now(UTC)).total_seconds() > margin

    @property
    def _file(self) -> Path:
        said = f"{self.role.arn}\0{self.role.region}\0{self.role.seconds}"
        return self.folder / f"{hashlib.sha256(said.encode()).hexdigest()[:16]}.json"

    def _read(self) -> Session | None:
        try:
            said = json.loads(self._file.read_text(encoding="utf-8"))
            return Session(said["key"], said["secret"], said["token"], datetime.fromisoformat(said["until"]))
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def _write(self, new: Session) -> None:
        draft = self._file.with_suffix(f".{os.getpid()}.new")
        said = {"key": new.key, "secret": new.secret, "token": new.token, "until": new.until.isoformat()}
        draft.unlink(missing_ok=True)
        draft.touch(0o600, exist_ok=False)
        draft.write_text(json.dumps(said), encoding="utf-8")
        draft.replace(self._file)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Let one process renew while the others, perhaps dozens of a training's, wait for what it gets."""
        own_folder(self.folder)
        lock = self._file.with_suffix(".lock")
        lock.touch(0o600)
        until = time.monotonic() + PATIENCE
        with lock.open("rb") as held:
            while not _locked(held.fileno()):
                if time.monotonic() > until:
                    raise CloudUnavailable(
                        f"another process has renewed the credentials of {self.role.arn} for {PATIENCE:.0f} s",
                        hint="they are asked for again at the next need",
                    )
                time.sleep(TICK)
            yield


def _locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def own_folder(folder: Path) -> Path:
    """Make a folder that nobody else can look into.

    Raises:
        ConfigError: Somebody else has made it.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if folder.stat().st_uid != os.getuid():
        raise ConfigError(f"{folder} belongs to somebody else", hint="set RUNNER_TEMP to a folder of your own")
    folder.chmod(0o700)
    return folder


def folder_of(environ: Mapping[str, str]) -> Path:
    """Where credentials are kept: in the job's own temporary folder, which the runner empties."""
    base = environ.get("RUNNER_TEMP") or environ.get("XDG_RUNTIME_DIR") or f"{gettempdir()}/runnerkit-{os.getuid()}"
    return Path(base) / "runnerkit-credentials"
