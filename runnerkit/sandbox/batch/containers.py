"""The container of a job: a process of this computer in a scratch folder, or a real one where an engine is given."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from threading import Thread, Timer
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

# Docker hands longer lines over in pieces.
LONGEST_LINE = 16 * 1024
READING_ON = 5.0


@dataclass(frozen=True, slots=True)
class Order:
    """What to run: ``folder`` is what the image holds in its working directory (None: nothing)."""

    name: str
    image: str
    command: Sequence[str]
    environ: Mapping[str, str]
    folder: Path | None = None
    engine: Sequence[str] = ()
    engine_environ: Mapping[str, str] = field(default_factory=dict)


class Container:
    """Runs from its construction on.

    Args:
        order: What.
        line: Takes each line that it writes, on a thread of its own.
        over: Hears the exit code, after the last line; not called after :meth:`lose`.

    Raises:
        OSError: It cannot be started.
    """

    def __init__(self, order: Order, line: Callable[[str], None], over: Callable[[int], None]) -> None:
        self._order = order
        self._line = line
        self._over = over
        self._lost = False
        self._timer: Timer | None = None
        self._folder = Path(tempfile.mkdtemp(prefix="runnerkit-batch-"))
        try:
            self._process = self._start()
        except OSError:
            shutil.rmtree(self._folder, ignore_errors=True)
            raise
        self._reader = Thread(target=self._read, name="sandbox-batch-log", daemon=True)
        self._waiter = Thread(target=self._wait, name="sandbox-batch-job", daemon=True)
        self._reader.start()
        self._waiter.start()

    def stop(self, grace: float) -> None:
        """SIGTERM, and SIGKILL after so many seconds, as ``docker stop`` does it."""
        self._signal(signal.SIGTERM)
        if self._timer is None:
            self._timer = Timer(grace, self._kill)
            self._timer.daemon = True
            self._timer.start()

    def lose(self) -> None:
        """Its machine is gone: nobody hears of its end."""
        self._lost = True
        self._kill()

    def join(self, seconds: float) -> None:
        """Wait until everything of it has ended."""
        self._waiter.join(seconds)

    def _start(self) -> subprocess.Popen[bytes]:
        order, place = self._order, self._folder / "work"
        if order.engine:
            place.mkdir()
            given = [part for name in order.environ for part in ("--env", name)]
            argv = [*order.engine, "run", "--rm", "--name", order.name, "--network", "host", *given, order.image]
            environ = {**os.environ, **order.engine_environ, **order.environ}
        else:
            # What an image holds is a folder here; a job works on a copy of it.
            shutil.copytree(order.folder, place, symlinks=True) if order.folder else place.mkdir()
            argv = []
            path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
            environ = {"PATH": path, "HOME": str(self._folder), "LANG": "C.UTF-8", **order.environ}
        return subprocess.Popen(  # noqa: S603 - the job's own command
            [*argv, *order.command], cwd=place, env=environ, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip

    def _read(self) -> None:
        stream = self._process.stdout
        if stream is None:
            return
        with suppress(OSError, ValueError):
            for raw in stream:
                text = raw.decode(errors="replace").rstrip("\n")
                for start in range(0, len(text), LONGEST_LINE):
                    self._line(text[start : start + LONGEST_LINE])

    def _wait(self) -> None:
        code = self._process.wait()
        # With a container's first process all others end.
        self._signal(signal.SIGKILL)
        self._reader.join(READING_ON)
        if self._process.stdout is not None and not self._reader.is_alive():
            self._process.stdout.close()
        if self._timer is not None:
            self._timer.cancel()
        shutil.rmtree(self._folder, ignore_errors=True)
        if not self._lost:
            self._over(code if code >= 0 else 128 - code)

    def _signal(self, number: int) -> None:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, number)

    def _kill(self) -> None:
        if self._order.engine:
            subprocess.run(  # noqa: S603 - the engine that was given
                [*self._order.engine, "rm", "--force", "--time", "0", self._order.name], check=False,
                env={**os.environ, **self._order.engine_environ}, capture_output=True, timeout=60,
            )  # fmt: skip
        self._signal(signal.SIGKILL)
