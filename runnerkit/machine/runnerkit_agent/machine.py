"""Where things are on the machine, and the few ways in which the agent touches it."""

from __future__ import annotations

import json
import os
import pwd
import subprocess
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from .rules import BootFailed, Listener

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

RUNNER_UNIT = "runnerkit-runner.service"
POWEROFF_UNIT = "runnerkit-poweroff.service"


class Missing(BootFailed):
    """A command is not installed."""


class Paths:
    """The folders. ``RUNNERKIT_ROOT`` puts them below another root, for machines that are only processes."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        root = Path(environ.get("RUNNERKIT_ROOT") or "/")
        self.etc = root / "etc/runnerkit"
        self.run = root / "run/runnerkit"
        self.hooks = root / "opt/runnerkit/hooks"
        self.runner = root / "opt/runnerkit/runner"
        self.proc = Path("/proc")
        self.machine = self.etc / "machine.json"
        self.startup = self.etc / "startup"
        self.jit = self.run / "jit"
        self.environment = self.run / "runner.env"
        self.facts = self.run / "machine.json"
        self.notice = self.run / "notice.json"
        self.rebalance = self.run / "rebalance.json"
        self.notice_hooks = self.run / "notice.d"
        self.marks = self.run / "job"
        self.started = self.marks / "started"
        self.completed = self.marks / "completed"
        self.state = self.run / "agent"
        self.begun = self.state / "begun.json"
        self.listener = self.state / "listener.json"
        self.left = self.state / "left.json"
        self.interrupted = self.state / "interrupted.json"


class Owner(NamedTuple):
    """The unprivileged user that runs jobs."""

    name: str
    uid: int
    gid: int
    home: str

    @classmethod
    def find(cls, environ: Mapping[str, str]) -> Owner | None:
        """The user, or None when there is none of that name (``RUNNERKIT_USER``, else ``runner``)."""
        name = environ.get("RUNNERKIT_USER") or "runner"
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            return None
        return cls(name, entry.pw_uid, entry.pw_gid, entry.pw_dir)


def say(text: str) -> None:
    """Tell the journal, which also goes to the serial console. One line, whatever the text holds."""
    line = "".join(letter if letter.isprintable() else "?" for letter in " ".join(text.split()))
    # Without a reader the machine must end all the same.
    with suppress(OSError):
        print(f"runnerkit: {line}", flush=True)


def run(argv: Sequence[str], *, stdin: str = "", timeout: float = 60) -> str:
    """Run a command by its list of arguments and return what it says.

    Raises:
        Missing: It is not installed.
        BootFailed: It fails, or takes too long; with the end of what it said.
    """
    try:
        done = subprocess.run(
            list(argv), input=stdin, capture_output=True, text=True, errors="replace", timeout=timeout, check=False
        )
    except FileNotFoundError as error:
        raise Missing(f"{argv[0]} is not installed") from error
    except (OSError, subprocess.TimeoutExpired) as error:
        raise BootFailed(f"{argv[0]}: {error}") from error
    if done.returncode:
        raise BootFailed(f"{' '.join(argv)} left with {done.returncode}: {(done.stderr or done.stdout)[-400:]}")
    return done.stdout


def read_json(path: Path) -> dict[str, Any] | None:
    """The object in a file; None when there is no such file.

    Raises:
        BootFailed: The file holds something else.
    """
    try:
        said = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise BootFailed(f"{path} cannot be read: {error}") from error
    if not isinstance(said, dict):
        raise BootFailed(f"{path} holds no object")
    return said


def write_text(path: Path, text: str, mode: int = 0o644) -> None:
    """Write a file in one step: readers see the old text or the new one, with the right mode from the start."""
    beside = path.with_name(f".{path.name}.new")
    beside.unlink(missing_ok=True)
    with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "w", encoding="utf-8") as file:
        os.fchmod(file.fileno(), mode)
        file.write(text)
    beside.replace(path)


def write_json(path: Path, value: Mapping[str, Any], mode: int = 0o644) -> None:
    """Write an object in one step."""
    write_text(path, json.dumps(value, sort_keys=True) + "\n", mode)


def there(path: Path) -> bool:
    """Whether there is something; what the job made unreadable counts as there."""
    try:
        path.lstat()
    except FileNotFoundError:
        return False
    except OSError:
        pass
    return True


def stamp(path: Path, **more: Any) -> None:  # noqa: ANN401 - whatever JSON takes
    """Note that something happened now."""
    write_json(path, {"at": time.monotonic(), **more}, 0o600)


def when(path: Path, key: str = "at") -> float | None:
    """When it was noted, monotonic seconds; None when it was not."""
    said = read_json(path)
    return None if said is None else float(said.get(key, 0.0))


# --- the listener's process -------------------------------------------------------------------------------------------


def process(proc: Path, pid: int) -> list[str] | None:
    """The fields of ``/proc/PID/stat`` from the third (the state) on; None when there is no such process."""
    try:
        text = (proc / str(pid) / "stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    return text.rpartition(")")[2].split()


def started_ticks(proc: Path, pid: int) -> str:
    """What tells two processes of the same id apart: when the kernel started it; empty when it is gone."""
    fields = process(proc, pid)
    return fields[19] if fields else ""


def has_children(proc: Path, pid: int) -> bool:
    """Whether any process is a child of this one. The kernel's own list is quick; not every kernel keeps one."""
    try:
        return any((task / "children").read_text() for task in (proc / str(pid) / "task").iterdir())
    except OSError:
        ids = (int(entry.name) for entry in proc.iterdir() if entry.name.isdecimal())
        return any((fields := process(proc, other)) is not None and fields[1] == str(pid) for other in ids)


def listener(paths: Paths, *, busy: bool = True) -> tuple[Listener | None, int]:
    """The listener as last started, and its process id: 0 when it is stopped, a zombie or gone.

    Args:
        paths: Where things are.
        busy: Whether to look for children, too.
    """
    said = read_json(paths.listener)
    if said is None:
        return None, 0
    pid = int(said["pid"])
    fields = process(paths.proc, pid)
    running = fields is not None and fields[19] == said["ticks"] and fields[0] not in ("T", "t", "Z", "X")
    return Listener(float(said["at"]), busy and running and has_children(paths.proc, pid)), pid if running else 0
