"""The steps "Initialize containers" and "Stop containers", and what makes sure that nothing is left."""

from __future__ import annotations

import hashlib
import json
import os
import shlex
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

from . import options
from .container import LABEL, OWNER, Paths, Wanted, named_volumes, wanted
from .engine import PATIENCE, Engine, EngineFailed
from .workflow import CONTAINER, LEAF, Refused, filled

KNOWN = "container.json"
# A machine of the sandbox ends every process that bears this variable, and with it the container.
MACHINE = "RUNNERKIT_MACHINE"
# Where a process machine keeps what a real one has below /run/runnerkit.
ROOT = "RUNNERKIT_ROOT"
OWN = "/run/runnerkit"
HOME = "/github/home"
# GitHub keeps the container up in this way; steps are run in it one after the other.
STAY = {"Entrypoint": ["tail"], "Cmd": ["-f", "/dev/null"]}
STARTED = 22


def main(what: str, state: Path) -> int:
    """Do one of the two steps and give its exit status."""
    told = json.loads((state / "told.json").read_text())["container"]
    try:
        engine = Engine(told["engine"])
        if what == "start":
            Start(engine, told, state).run()
        else:
            _stop(engine, told)
    except (EngineFailed, Refused) as error:
        _say(f"##[error]{error}".replace("\n", " "))
        return 1
    return 0


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


class Start:
    """The job's container comes up."""

    def __init__(self, engine: Engine, told: dict[str, Any], state: Path) -> None:
        self._engine = engine
        self._told = told
        self._state = state
        self._paths = Paths([(str(outside), str(inside)) for outside, inside in told["paths"]])

    def run(self) -> None:
        """Clean up, fetch the image, create the container and start it."""
        asked = wanted(filled(json.loads(os.environ[CONTAINER]), _leaves()))
        _say("##[group]Clean up resources from previous jobs")
        for name in sweep(self._engine):
            _say(f"Removed {name}: its runner is gone")
        _say("##[endgroup]")
        _say("##[group]Starting job container")
        request = self._request(asked)
        self._fetch(asked)
        made = self._create(asked, request)
        self._engine.ask("POST", f"/containers/{made}/start")
        environ = self._engine.ask("GET", f"/containers/{made}/json")["Config"]["Env"] or []
        path = next((each.partition("=")[2] for each in environ if each.startswith("PATH=")), "")
        (self._state / KNOWN).write_text(json.dumps({"id": made, "path": path}))
        _say(f"Container {made[:12]} of {asked.image} is up")
        _say("##[endgroup]")

    def _request(self, asked: Wanted) -> dict[str, Any]:
        gpus = options.asks_for_gpus(asked.options)
        if gpus:
            _need_gpus(asked.options)
        request = options.read(asked.options, podman=gpus and self._engine.is_podman)
        host = request["HostConfig"]
        given = {"HOME": HOME, **asked.environ, "GITHUB_ACTIONS": "true"}
        given |= {name: os.environ[name] for name in (MACHINE,) if name in os.environ}
        given.setdefault("CI", "true")
        volumes = [_of_machine(each, self._told["outside"].get(ROOT, "")) for each in asked.volumes]
        host["Binds"] = [*host.get("Binds", []), *volumes, *self._paths.binds(), self._hidden()]
        host |= {"NetworkMode": "host", "AutoRemove": True}
        request["Env"] = [*request.get("Env", []), *(f"{name}={value}" for name, value in given.items())]
        request["Labels"] = {**request.get("Labels", {}), LABEL: self._told["label"], OWNER: self._told["owner"]}
        request.setdefault("WorkingDir", self._told["workspace"])
        return {**request, **STAY, "Image": asked.image}

    def _hidden(self) -> str:
        """An empty folder over the runner's own files, which hold the job's secrets and are below what is mounted."""
        empty = self._state / "empty"
        empty.mkdir(exist_ok=True)
        return f"{empty}:{self._paths.inside(str(self._state))}:ro"

    def _fetch(self, asked: Wanted) -> None:
        if asked.login is not None:
            _say(f"::add-mask::{asked.login['password']}")
            _say(f"Signing in at {asked.login['serveraddress']} as {asked.login['username']}")
        elif self._engine.has(asked.image):
            _say(f"The image {asked.image} is here already")
            return
        _say(f"Pulling {asked.image}")
        try:
            self._engine.pull(asked.image, asked.login)
        except EngineFailed as failed:
            raise EngineFailed(f"The image {asked.image} cannot be pulled: {failed}", failed.status) from failed

    def _create(self, asked: Wanted, request: dict[str, Any]) -> str:
        for name in named_volumes(request["HostConfig"]["Binds"]):
            labels = {LABEL: self._told["label"], OWNER: self._told["owner"]}
            self._engine.ask("POST", "/volumes/create", {"Name": name, "Labels": labels})
        try:
            name = f"standin-{self._told['label'][-12:]}"
            return str(self._engine.ask("POST", "/containers/create", request, name=name)["Id"])
        except EngineFailed as failed:
            text = f"The container of {asked.image} cannot be created: {failed}"
            raise EngineFailed(text, failed.status) from failed


def _of_machine(volume: str, root: str) -> str:
    """A mount of the machine's own folder, which is elsewhere where the machine is only processes."""
    return f"{root}{volume}" if root and volume.startswith((f"{OWN}:", f"{OWN}/")) else volume


def _leaves() -> dict[str, str]:
    return {name.removeprefix(LEAF): value for name, value in os.environ.items() if name.startswith(LEAF)}


def _need_gpus(given: str, devices: Path = Path("/dev")) -> None:
    if not any(devices.glob("nvidia[0-9]*")):
        raise Refused(
            f"The container's options ask for GPUs ({shlex.quote(given)}), and this machine has none: there is no"
            f" {devices}/nvidia0. The sandbox cannot stand in for a GPU in a container; run such a job on a real"
            " machine, or leave the option out here."
        )


def _stop(engine: Engine, told: dict[str, Any]) -> None:
    for each in clear(engine, f"{LABEL}={told['label']}"):
        _say(f"Stop and remove container: {each}")


def clear(engine: Engine, label: str) -> list[str]:
    """Remove all that bears a label, with the volumes made for it; the containers' names."""
    removed = []
    for each in engine.labelled(label):
        engine.remove("containers", each["Id"], v="true")
        removed.append(_name(each))
    for volume in engine.volumes(label):
        engine.remove("volumes", volume["Name"])
    return removed


def sweep(engine: Engine) -> list[str]:
    """Remove the containers of workers that were killed, volumes included; the containers' names."""
    owners = {str(each["Labels"].get(OWNER)) for each in [*engine.labelled(OWNER), *engine.volumes(OWNER)]}
    return [name for each in owners if not _lives(each) for name in clear(engine, f"{OWNER}={each}")]


def clear_away(address: str, label: str = "", patience: float = PATIENCE) -> None:
    """Remove what a job has left, or, without its label, what all killed workers have.

    No engine is no error, nor one that answers nonsense, or nothing for ``patience`` seconds.
    """
    with suppress(EngineFailed, ValueError, TypeError, KeyError, AttributeError):
        engine = Engine(address, patience)
        if label:
            clear(engine, f"{LABEL}={label}")
        else:
            sweep(engine)


def _name(container: dict[str, Any]) -> str:
    return str((container.get("Names") or [container["Id"]])[0]).removeprefix("/")


def owner(pid: int, proc: Path = Path("/proc"), etc: Path = Path("/etc")) -> str:
    """Name a process so that no other one is taken for it: its number, when it was started, and among which others."""
    fields = (proc / str(pid) / "stat").read_text(errors="replace").rpartition(")")[2].split()
    # Counted from the third field, which follows the bracket. Source: proc(5).
    return f"{pid}-{fields[STARTED - 3]}-{_among(proc, etc)}"


def _among(proc: Path, etc: Path) -> str:
    """The computer and its namespace of processes: the first one has the same number on all computers."""
    computer = b""
    with suppress(OSError):
        computer = (etc / "machine-id").read_bytes()
    return f"{(proc / 'self' / 'ns' / 'pid').stat().st_ino}.{hashlib.sha256(computer).hexdigest()[:8]}"


def _lives(name: str, proc: Path = Path("/proc"), etc: Path = Path("/etc")) -> bool:
    number, _, among = name.partition("-")
    if among.rpartition("-")[2] != _among(proc, etc):
        # Of a machine that shares this engine: whether it lives cannot be seen from here.
        return True
    try:
        return owner(int(number), proc, etc) == name
    except (OSError, ValueError):
        return False
