"""The entry of every step: act starts it in place of the shell, and it starts the shell.

act kills a cancelled step at once, with SIGKILL, and gives steps a terminal. GitHub's runner does neither. So act
starts this program, which runs the step's shell in a session of its own with plain pipes, and which alone ends it, by
the schedule. A cancelled step's program does not return when the shell is gone: it waits until act, told by the
worker, has understood that the job is cancelled; otherwise act would go on to ``failure()`` steps.

The worker speaks to it through files in the folder ``RUNNERKIT_STANDIN_STATE`` and by signals: SIGUSR1 cancels,
SIGUSR2 says that the step's time is up.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from . import commandfiles, containing
from .inside import Inside
from .schedule import stop
from .workflow import CONTAINER, FOLDER, LEAF

if TYPE_CHECKING:
    from collections.abc import Callable

STATE = "RUNNERKIT_STANDIN_STATE"
STEP = "RUNNERKIT_STANDIN_STEP"
OUTPUT = "RUNNERKIT_STANDIN_OUTPUT_"
# What act alone is given. It would ask its authors for news at each start. And Go would now and then move the stack at
# the moment when the number of a new terminal is written there (creack/pty 1.1.24, ptsname): act would take 0 for it,
# somebody else's: 25 times in 592,105 beside constant garbage collection, never in 702,930 with this setting.
FOR_ACT_ALONE = {"ACT_DISABLE_VERSION_CHECK": "1", "GODEBUG": "gcshrinkstackoff=1"}
PRIVATE = {STATE, STEP, "ACT", "SHA_REF", "ImageOS", "DOCKER_HOST", "HOME", "XDG_CONFIG_HOME", "XDG_CACHE_HOME"}
PRIVATE |= {CONTAINER, FOLDER}
OUTSIDE, CONTAINERS = "--outside", "--containers"
LOOK = 0.02
PARENT_LOOK = 0.5
NOT_FOUND = 127
# Deprecated commands on standard output whose effect is in act; everything else goes past it.
FOR_ACT = (b"::set-output ", b"::save-state ", b"::add-path::", b"::set-env ", b"::add-mask::")
LONGEST = 1 << 20
WATCHED = {signal.SIGCHLD, signal.SIGUSR1, signal.SIGUSR2}


def main(arguments: list[str]) -> int:
    """Run a step's command line and give its exit status."""
    state = os.environ.get(STATE)
    if state is None or not Path(state).is_dir():
        os.execvpe(arguments[0], arguments, environment({}, dict(os.environ)))  # noqa: S606 - a shell below a step
    return Entry(Path(state), os.environ.get(STEP, "0")).run(arguments)


def environment(forced: dict[str, str], given: dict[str, str]) -> dict[str, str]:
    """Turn the environment that act gives into that of GitHub's runner."""
    hidden = PRIVATE | {name for name, value in FOR_ACT_ALONE.items() if given.get(name) == value}
    kept = {name: value for name, value in given.items() if name not in hidden and not name.startswith(LEAF)} | forced
    if not {"LANG", "LC_ALL"} & kept.keys() and kept.get("LC_CTYPE") == "C.UTF-8":
        # Python's own doing, in this process or in the listener.
        del kept["LC_CTYPE"]
    added, rest = searched(kept.get("PATH", ""))
    kept["PATH"] = os.pathsep.join([*added, *rest])
    return kept


def searched(path: str) -> tuple[list[str], list[str]]:
    """Give what the job's steps have put before the path, and the machine's own; the shims stand between them."""
    shims = str(Path(__file__).parent.parent / "shims")
    folders = path.split(os.pathsep)
    at = folders.index(shims) if shims in folders else 0
    return folders[:at], [each for each in folders[at:] if each != shims]


class Entry:
    """One step's run."""

    def __init__(self, state: Path, step: str) -> None:
        self._state = state
        self._told = json.loads((state / "told.json").read_text())
        self._running = state / "running"
        self._output = state / f"{step}.out"
        self._act = os.getppid()
        self._status: int | None = None
        self._child = 0
        self._shell = ""

    def run(self, arguments: list[str]) -> int:
        """Run a command; what it writes goes to the step's file."""
        if arguments[0] in {"--prepare", "--outputs"}:
            return self._prepare() if arguments[0] == "--prepare" else self._tell_outputs()
        signal.pthread_sigmask(signal.SIG_BLOCK, WATCHED)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        self._register()
        try:
            self._wait_while_cancelling()
            start = self._output.stat().st_size if self._output.exists() else 0
            self._child = self._start(self._work(arguments))
            return self._finish(self._watch(), start)
        finally:
            self._running.unlink(missing_ok=True)

    def _prepare(self) -> int:
        # act invents a folder for the workspace; a link in its place leads everything to where GitHub has it.
        invented = Path.cwd()
        invented.rmdir()
        invented.symlink_to(self._told["workspace"])
        return 0

    def _tell_outputs(self) -> int:
        values = {name.removeprefix(OUTPUT): text for name, text in os.environ.items() if name.startswith(OUTPUT)}
        (self._state / "outputs.json").write_text(json.dumps(values))
        return 0

    def _register(self) -> None:
        fresh = self._running.with_suffix(".new")
        fresh.write_text(str(os.getpid()))
        fresh.replace(self._running)

    def _wait_while_cancelling(self) -> None:
        # A step that act began before it heard of the cancellation; act ends this process, or the step may run.
        while self._cancelling():
            if signal.sigtimedwait({signal.SIGUSR1}, LOOK) is not None:
                self._hold()

    def _cancelling(self) -> bool:
        return (self._state / "cancel").exists() and os.getppid() == self._act

    def _work(self, arguments: list[str]) -> Callable[[], int]:
        """What the child does: becomes a shell on the machine, or runs one in the container."""
        here = str(Path.cwd())
        told = self._told.get("container")
        kept = environment(self._told["env"], dict(os.environ)) | {"PWD": here}
        outside = arguments[0] == OUTSIDE
        arguments = arguments[outside:]
        self._shell = arguments[0]
        if arguments[0] == CONTAINERS:
            return lambda: containing.main(arguments[1], self._state)
        if told is None or outside:
            # What steps in the container have put before the path lies in the container.
            path = {"PATH": os.pathsep.join(searched(os.environ.get("PATH", ""))[1])} if told else {}
            return lambda: os.execvpe(arguments[0], arguments, (told or {}).get("outside", {}) | kept | path)  # noqa: S606 - the step's own shell
        del kept["PWD"]
        added, _ = searched(os.environ.get("PATH", ""))
        return lambda: Inside(told, self._state).run(arguments, kept, added, here)

    def _start(self, work: Callable[[], int]) -> int:
        file = os.open(self._output, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        child = os.fork()
        if child == 0:
            self._become(work, file)
        os.close(file)
        return child

    def _become(self, work: Callable[[], int], file: int) -> NoReturn:
        try:
            os.setsid()
            os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
            os.dup2(file, 1)
            os.dup2(file, 2)
            for number in (signal.SIGHUP, signal.SIGPIPE, signal.SIGXFSZ, signal.SIGINT):
                signal.signal(number, signal.SIG_DFL)
            signal.pthread_sigmask(signal.SIG_SETMASK, ())
            os._exit(work())
        except OSError as error:
            os.write(2, f"##[error]{self._shell}: {error.strerror}\n".encode())
        finally:
            os._exit(NOT_FOUND)

    def _watch(self) -> int:
        while not self._ended(0):
            heard = signal.sigtimedwait(WATCHED, PARENT_LOOK)
            if os.getppid() != self._act:
                # act was killed: nobody will read what the step says, and nobody else would end it.
                stop(self._child, self._ended, 0)
                return 1
            if heard is not None and heard.si_signo != signal.SIGCHLD:
                stop(self._child, self._ended, float(self._told["pace"]))
                if heard.si_signo == signal.SIGUSR1:
                    self._hold()
                return self._status or 1
        return self._status or 0

    def _hold(self) -> NoReturn:
        (self._state / "held").write_text(str(os.getpid()))
        while self._cancelling():
            time.sleep(LOOK)
        os._exit(1)

    def _ended(self, patience: float) -> bool:
        until = time.monotonic() + patience
        while self._status is None:
            pid, status = os.waitpid(self._child, os.WNOHANG)
            if pid:
                code = os.waitstatus_to_exitcode(status)
                self._status = code if code >= 0 else 128 - code
            elif (left := until - time.monotonic()) <= 0:
                return False
            else:
                signal.sigtimedwait({signal.SIGCHLD}, left)
        return True

    def _finish(self, code: int, start: int) -> int:
        broken = self._pass_on(start)
        told = [f"Process completed with exit code {code}."] if code else []
        told += commandfiles.mend(dict(os.environ))
        if told:
            with self._output.open("ab") as file:
                file.write(broken + "".join(f"##[error]{text}\n" for text in told).encode(errors="replace"))
        return code or int(bool(told))

    def _pass_on(self, start: int) -> bytes:
        """Say to act what is for it; what the step's last line lacks to be one."""
        line = b"\n"
        with self._output.open("rb") as file:
            file.seek(start)
            while part := file.readline(LONGEST):
                if line.endswith(b"\n") and part.startswith(FOR_ACT):
                    with suppress(OSError):
                        sys.stdout.write(part.decode(errors="replace").rstrip("\r\n") + "\n")
                line = part
        return b"" if line.endswith(b"\n") else b"\n"
