"""act as a child process: its command line, its files, and what it tells line by line."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import subprocess
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .schedule import descendants, send
from .step import FOR_ACT_ALONE, STATE

if TYPE_CHECKING:
    from pathlib import Path

    from .workflow import Plan

# act must neither look for an engine nor reach GitHub: both addresses lead nowhere.
NO_ENGINE = "unix:///nonexistent/no-container-engine.sock"
NO_GITHUB = "127.0.0.1:9"
READ_AT_ONCE = 1 << 16
# The last is how a machine of the sandbox knows what belongs to it.
SHARED = {"PATH", "TMPDIR", "RUNNERKIT_MACHINE"}
PAIR = re.compile(r"\\ud[89ab][0-9a-f]{2}\\ud[c-f][0-9a-f]{2}")


@dataclass(frozen=True)
class Place:
    """The folders and files of a job. ``state`` is what the steps' entry programs share with the worker."""

    act: str
    shims: Path
    workspace: Path
    state: Path
    cache: Path
    contained: bool = False


class Act:
    """A running act; `read` gives its lines without waiting."""

    def __init__(self, place: Place, plan: Plan, github: dict[str, Any], given: dict[str, dict[str, str]]) -> None:
        self._place = place
        self._rest = b""
        command = self._command(plan, github, given)
        with (place.state / "act.err").open("wb") as errors:
            self.process = subprocess.Popen(  # noqa: S603 - act, by its full path
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=errors,
                cwd=place.workspace,
                env=self._environment(),
                start_new_session=True,
            )
        assert self.process.stdout is not None  # noqa: S101 - it is a pipe
        os.set_blocking(self.process.stdout.fileno(), False)

    def _command(self, plan: Plan, github: dict[str, Any], given: dict[str, dict[str, str]]) -> list[str]:
        # JSON is YAML, and by a file nothing is seen in the list of processes.
        files = {"workflow": plan.workflow, "event": github.get("event") or {}, **given}
        paths = {name: self._write(name, content) for name, content in files.items()}
        command = [
            *(self._place.act, str(github.get("event_name") or "push"), "--json", "-C", str(self._place.workspace)),
            *("-W", paths["workflow"], "-e", paths["event"], "--env-file", paths["env"]),
            *("--secret-file", paths["secrets"], "--var-file", os.devnull, "--input-file", os.devnull),
            *("-P", "self-hosted=-self-hosted", "--actor", str(github.get("actor") or "octocat")),
            *("--no-cache-server", "--no-skip-checkout", "--action-offline-mode", "--pull=false", "--rm"),
            *("--github-instance", NO_GITHUB, "--action-cache-path", _plain(self._place.cache)),
        ]
        for name, folder in plan.local_repositories.items():
            command += ["--local-repository", f"{name}={folder}"]
        return command

    def _write(self, name: str, content: object) -> str:
        # Only files named .yml are read as YAML; everything else would be parsed line by line.
        path = self._place.state / (f"{name}.json" if name == "event" else f"{name}.yml")
        path.touch(mode=0o600)
        text = json.dumps(content)
        path.write_text(text if name == "event" else PAIR.sub(_one_escape, text))
        return str(path)

    def _environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("RUNNERKIT_STANDIN_")}
        if self._place.contained:
            # A container has none of the machine's own variables; steps outside of it get them back.
            kept = {name: value for name, value in kept.items() if name in SHARED}
        # act reads its own configuration from there; steps get the real one back.
        home = dict.fromkeys(("HOME", "XDG_CONFIG_HOME", "XDG_CACHE_HOME"), str(self._place.state))
        searched = f"{self._place.shims}{os.pathsep}{kept.get('PATH', os.defpath)}"
        own = {STATE: str(self._place.state), "PATH": searched, "DOCKER_HOST": NO_ENGINE, **FOR_ACT_ALONE}
        return kept | own | home

    def read(self) -> list[dict[str, Any]]:
        """Give the lines that have come since the last time."""
        assert self.process.stdout is not None  # noqa: S101 - as above
        with suppress(BlockingIOError):
            while part := os.read(self.process.stdout.fileno(), READ_AT_ONCE):
                self._rest += part
        *lines, self._rest = self._rest.split(b"\n")
        return [told for line in lines if isinstance(told := _parsed(line), dict)]

    def cancel(self) -> None:
        """Tell act that the job is cancelled: ``always()`` steps run on."""
        send(self.process.pid, signal.SIGINT)

    def kill(self) -> None:
        """End act and everything below it."""
        for each in [self.process.pid, *descendants(self.process.pid)]:
            send(each, signal.SIGKILL)
        self.process.wait()

    def errors(self) -> str:
        """Give the end of what it wrote to standard error."""
        return (self._place.state / "act.err").read_text(errors="replace")[-2000:]


def _plain(folder: Path) -> str:
    """A name for a folder that act can put into a shell's command line, where it takes a space for an end."""
    if shlex.quote(str(folder)) == str(folder):
        return str(folder)
    # It stays open, and this process outlives act.
    return f"/proc/{os.getpid()}/fd/{os.open(folder, os.O_PATH | os.O_DIRECTORY)}"


def _one_escape(pair: re.Match[str]) -> str:
    # The one thing in which JSON is no YAML.
    return f"\\U{ord(json.loads(chr(34) + pair.group() + chr(34))):08x}"


def _parsed(line: bytes) -> object:
    try:
        return json.loads(line)
    except ValueError:
        return None
