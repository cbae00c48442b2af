"""A sandbox that stays up for other programs: one at most for each state folder, found again by what it wrote there."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import time
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from runnerkit.errors import ConfigError, LeaseExpired

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from runnerkit.sandbox.together import Sandbox

PATIENCE = 20.0
LOOK_EVERY = 0.05
# Whoever looks whether one is up holds the lock for a moment.
LOCK_WITHIN = 0.5


@dataclass(frozen=True, slots=True)
class Standing:
    """A sandbox that is up: whose process it is, where, and the variables that point programs at it."""

    pid: int
    repository: str
    github: str
    aws: str
    environment: dict[str, str]


class StateFolder:
    """Where a sandbox is written down. The lock in it is held for as long as the sandbox is up."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._file = folder / "sandbox.json"
        self._lock = folder / "lock"

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keep other sandboxes away from this folder.

        Raises:
            ConfigError: One is up already, or the folder cannot be written.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(self._lock, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise self._unusable(error) from error
        try:
            if not _lock(descriptor, LOCK_WITHIN):
                raise ConfigError(
                    f"a sandbox is up already in {self.folder}",
                    hint="`runnerkit sandbox status` shows it, `runnerkit sandbox down` ends it; --state names another",
                )
            # Of a sandbox that was killed: the process of that number may be somebody else's by now.
            self._file.unlink(missing_ok=True)
            try:
                yield
            finally:
                # Only by whoever has the lock: it tells where another's sandbox is.
                self._file.unlink(missing_ok=True)
        finally:
            os.close(descriptor)

    def write(self, sandbox: Sandbox) -> Standing:
        """Write down the sandbox of this process; readers see all of it or nothing.

        Raises:
            ConfigError: The folder cannot be written.
        """
        environment = sandbox.environment()
        standing = Standing(os.getpid(), sandbox.repository, sandbox.github.url, sandbox.ec2.url, environment)
        beside = self._file.with_suffix(".new")
        # It holds a token: nobody else's business, though it is good for nothing but this sandbox.
        try:
            descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                json.dump(asdict(standing), file)
            beside.replace(self._file)
        except OSError as error:
            beside.unlink(missing_ok=True)
            raise self._unusable(error) from error
        return standing

    def _unusable(self, error: OSError) -> ConfigError:
        return ConfigError(f"the state folder {self.folder} cannot be used: {error.strerror}")

    def read(self) -> Standing | None:
        """The sandbox that is up; None when there is none, or its process is gone."""
        if not self._is_locked():
            return None
        try:
            return Standing(**json.loads(self._file.read_text(encoding="utf-8")))
        except (FileNotFoundError, ValueError, TypeError):
            return None  # it is just starting or ending

    def _is_locked(self) -> bool:
        try:
            descriptor = os.open(self._lock, os.O_RDWR)
        except OSError:
            return False
        try:
            return not _lock(descriptor)
        finally:
            os.close(descriptor)

    def wait_until_up(self, pid: int, patience: float = PATIENCE) -> Standing:
        """Wait for the sandbox that a process is starting.

        Raises:
            LeaseExpired: It did not come up in time, or its process ended.
        """
        until = time.monotonic() + patience
        while os.waitpid(pid, os.WNOHANG) == (0, 0):
            standing = self.read()
            if standing is not None and standing.pid == pid:
                return standing
            if time.monotonic() > until:
                # It would come up yet, and nobody would know.
                os.kill(pid, signal.SIGTERM)
                break
            time.sleep(LOOK_EVERY)
        raise LeaseExpired(
            "the sandbox did not come up", hint=f"its output is in {self.folder / 'log'}; or run it without --detach"
        )

    def end(self, standing: Standing, patience: float = PATIENCE) -> None:
        """Ask the sandbox to end and wait until it has; kill it when it does not.

        Raises:
            LeaseExpired: Even that did not end it.
        """
        for number in (signal.SIGTERM, signal.SIGKILL):
            try:
                os.kill(standing.pid, number)
            except ProcessLookupError:
                return
            until = time.monotonic() + patience
            while time.monotonic() < until:
                if not self._is_locked():
                    return
                time.sleep(LOOK_EVERY)
        raise LeaseExpired(f"process {standing.pid} does not end", hint="look at it with ps and end it by hand")


def _lock(descriptor: int, within: float = 0.0) -> bool:
    """Take the lock; whether nobody else holds it."""
    until = time.monotonic() + within
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= until:
                return False
            time.sleep(LOOK_EVERY)
        else:
            return True
