"""What a machine boots from: user data for cloud-init that brings the agent, the leases and the JIT configuration.

The document is ``#cloud-config`` with JSON behind it, which is YAML that nobody has to quote. Nothing that comes from
outside (names, labels, facts, scripts) is ever part of a command: it travels base64-encoded in files that the agent
reads (the JIT configuration is base64 already), and commands are lists made of constants and whole numbers.
"""

from __future__ import annotations

import ast
import gzip
import json
import re
from base64 import b64encode
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cache
from importlib.resources import files
from threading import Lock
from typing import TYPE_CHECKING, Any

from runnerkit.errors import LaunchRejected
from runnerkit.names import Secret

if TYPE_CHECKING:
    from collections.abc import Iterator
    from importlib.resources.abc import Traversable

    from runnerkit.ports import Machine

HEADER = b"#cloud-config\n"
# Source: EC2's user guide, user data: 16 KB, counted before EC2's base64.
USER_DATA_LIMIT = 16_384

AGENT_FOLDER = "/opt/runnerkit"
MACHINE_FILE = "/etc/runnerkit/machine.json"
STARTUP_FILE = "/etc/runnerkit/startup"
JIT_FILE = "/run/runnerkit/jit"
LIFE_FILE = "/etc/systemd/system/runnerkit-runner.service.d/50-life.conf"
# Seconds between a deadline and the harder ways to power off.
HARDER = 60
HARDEST = 90
# As in runnerkit-boot.timer.
IMAGE_DEADLINE = 900

# A machine's parameter is the one of its id below this.
PARAMETERS = "/runnerkit/"
# What differs among machines that boot from the same user data.
OWN = ("name", "repo", "labels", "facts", "prices")
# Modules that only a machine needs that waits for its parameter.
WAITING = ("parameters.py", "signing.py")

PARSE_TRIES, _parsing = 20, Lock()
_BASE64 = re.compile(r"[A-Za-z0-9+/=_-]+")


@dataclass(frozen=True, slots=True)
class InstalledFile:
    """A file of the agent and its place on the machine."""

    path: str
    text: str
    mode: str = "0644"


def user_data(machine: Machine, jit_config: Secret | None) -> bytes:
    """User data as sent to EC2, compressed where that is needed.

    Raises:
        LaunchRejected: It would be larger than EC2 takes.
    """
    raw = _written(machine, jit_config)
    if len(raw) <= USER_DATA_LIMIT:
        return raw
    packed = gzip.compress(raw, compresslevel=9, mtime=0)
    if len(packed) <= USER_DATA_LIMIT:
        return packed
    if machine.prices:
        # Nice to have in a report, not worth a launch.
        return user_data(replace(machine, prices={}), jit_config)
    raise LaunchRejected(
        f"the user data of {machine.name} has {len(packed)} bytes when compressed; EC2 takes {USER_DATA_LIMIT}",
        hint="shorten the start-up script, or use an image that has the agent and the runner in it already",
    )


def _written(machine: Machine, jit_config: Secret | None) -> bytes:
    return HEADER + json.dumps(document(machine, jit_config), separators=(",", ":")).encode("ascii")


def shared_user_data(machine: Machine) -> bytes:
    """User data that equal machines share: each finds out who it is, and gets its secret, from a parameter of its own.

    What tells two machines apart (name, repository, labels, facts, prices) is left out.

    Raises:
        LaunchRejected: It would be larger than EC2 takes.
    """
    return user_data(replace(machine, name="", repo="", labels=(), facts={}, prices={}), None)


def own_document(machine: Machine, jit_config: Secret) -> Secret:
    """What such a machine reads from its parameter: the rest of what it must know, and its secret."""
    said = {key: value for key, value in _for_agent(machine).items() if key in OWN}
    return Secret(json.dumps({**said, "jit": jit_config.reveal()}, separators=(",", ":"), sort_keys=True))


def document(machine: Machine, jit_config: Secret | None) -> dict[str, Any]:
    """The cloud-config document: deadlines first, then files, then the start.

    Without a JIT configuration the machine waits for its parameter.
    """
    start = [["systemctl", "start", "--no-block", "runnerkit-runner.service"]]
    if not machine.baked:
        # Where the units are in the image, systemd reads them, and what was added to them, only now; and a reload takes
        # a quarter of a second. Should the image have had them read before, the agent makes up for it.
        start = [["systemctl", "daemon-reload"], ["systemctl", "restart", "systemd-journald.service"], *start]
    return {
        "bootcmd": [
            *_deadline("boot", machine.online_within, "no listener in time"),
            *_deadline("life", machine.life, "the machine reached its lifetime"),
            *_longer_than_the_image(machine),
        ],
        "write_files": [*_own_files(machine, waits=jit_config is None), *_given_files(machine, jit_config)],
        "runcmd": start,
    }


def agent_files(*, image: bool, waits: bool = True) -> Iterator[InstalledFile]:
    """The files of the agent with their places; those for images include the timer that covers unusable user data.

    A baked image has the same files, so both kinds of machine behave alike. ``waits`` includes what only a machine
    needs that waits for its parameter.
    """
    source = files("runnerkit") / "machine"
    yield InstalledFile(f"{AGENT_FOLDER}/agent.py", _bare(source / "agent.py"))
    for file in _sorted(source / "runnerkit_agent", ".py"):
        if file.name in WAITING and not waits:
            continue
        yield InstalledFile(f"{AGENT_FOLDER}/runnerkit_agent/{file.name}", _bare(file))
    for file in _sorted(source / "hooks", ".sh"):
        yield InstalledFile(f"{AGENT_FOLDER}/hooks/{file.name}", _terse(file), "0755")
    for file in _sorted(source / "units", ""):
        if image or not file.name.startswith("runnerkit-boot."):
            yield InstalledFile(f"/etc/systemd/system/{file.name}", _terse(file))
    for file in _sorted(source / "journald", ".conf"):
        yield InstalledFile(f"/etc/systemd/journald.conf.d/{file.name}", _terse(file))


def _deadline(name: str, seconds: int, reason: str) -> Iterator[list[str]]:
    """Timers of systemd's own that end the machine, each way harder than the one before.

    They need neither our files nor a finished boot, so nothing that fails later can keep them from being armed. The
    machine goes on if cloud-init hangs, hence no default dependencies: those would wait for it.
    """
    off = ["systemctl", "poweroff"]
    yield _timer(f"{name}-reason", seconds, ["echo", f"runnerkit: powering off: {reason} ({int(seconds)} s)"])
    yield _timer(f"{name}-off", seconds + 1, off)
    yield _timer(f"{name}-force", seconds + HARDER, [*off, "--force"])
    yield _timer(f"{name}-kill", seconds + HARDEST, [*off, "--force", "--force"])


def _longer_than_the_image(machine: Machine) -> Iterator[list[str]]:
    """The deadline in a baked image is for user data that cannot be used; it must not come before ours."""
    if machine.baked and machine.online_within >= IMAGE_DEADLINE:
        yield ["systemctl", "stop", "--no-block", "runnerkit-boot.timer"]


def _timer(name: str, seconds: int, command: list[str]) -> list[str]:
    return [
        "systemd-run",
        "--quiet",
        "--no-block",
        f"--unit=runnerkit-{name}",
        # Else systemd announces the timer with the words of its command, which say that the machine ends.
        f"--description=runnerkit-{name}",
        f"--on-active={int(seconds)}s",
        "--timer-property=AccuracySec=1s",
        "--timer-property=DefaultDependencies=no",
        "--property=DefaultDependencies=no",
        "--property=StandardOutput=journal+console",
        *command,
    ]


def _own_files(machine: Machine, *, waits: bool) -> Iterator[dict[str, str]]:
    if not machine.baked:
        for file in agent_files(image=False, waits=waits):
            # cloud-init's own mode is 0644.
            mode = {} if file.mode == "0644" else {"permissions": file.mode}
            yield {"path": file.path, **mode, "content": file.text}
    yield {"path": LIFE_FILE, "content": f"[Service]\nRuntimeMaxSec={int(machine.life)}\n"}


def _given_files(machine: Machine, jit_config: Secret | None) -> Iterator[dict[str, str]]:
    told = _for_agent(machine) if jit_config is not None else {**_for_agent(machine), "parameters": PARAMETERS}
    yield _encoded(MACHINE_FILE, json.dumps(told, sort_keys=True), "0644")
    if machine.startup:
        interpreted = machine.startup.startswith("#!")
        yield _encoded(STARTUP_FILE, machine.startup if interpreted else f"#!/bin/sh\n{machine.startup}", "0700")
    if jit_config is None:
        return
    jit = jit_config.reveal()
    if _BASE64.fullmatch(jit):
        # As GitHub gives it: a second base64 around it would cost a third more, even compressed.
        yield {"path": JIT_FILE, "permissions": "0600", "content": jit}
    else:
        yield _encoded(JIT_FILE, jit, "0600")


def _for_agent(machine: Machine) -> dict[str, Any]:
    return {
        "name": machine.name,
        "repo": machine.repo,
        "labels": list(machine.labels),
        "online_within": machine.online_within,
        "idle": machine.idle,
        "life": machine.life,
        "imds_for_job": machine.imds_for_job,
        "facts": dict(machine.facts),
        "prices": dict(machine.prices),
        "runner_url": machine.runner_url,
        "runner_sha256": machine.runner_sha256,
    }


def _encoded(path: str, text: str, mode: str) -> dict[str, str]:
    content = b64encode(text.encode("utf-8", "surrogatepass")).decode("ascii")
    return {"path": path, "permissions": mode, "encoding": "b64", "content": content}


def _sorted(folder: Traversable, suffix: str) -> list[Traversable]:
    found = (file for file in folder.iterdir() if file.is_file() and file.name.endswith(suffix))
    return sorted(found, key=lambda file: file.name)


def _terse(file: Traversable) -> str:
    """A script or unit without its comments and empty lines."""
    return re.sub(r"^(#[^!].*)?\n", "", file.read_text(encoding="utf-8"), flags=re.MULTILINE)


def _bare(file: Traversable) -> str:
    """A module without what only readers need: comments, docstrings, types. They would take a third of the space."""
    with _parsing:
        return _bared(file.read_text(encoding="utf-8"))


@cache
def _bared(text: str) -> str:
    tree = _Bare().visit(_parsed(text))
    # One blank for each level is enough, too; no string of the agent begins a line.
    return re.sub(r"^ +", lambda blanks: " " * (len(blanks[0]) // 4), f"{ast.unparse(tree)}\n", flags=re.MULTILINE)


def _parsed(text: str) -> ast.Module:
    """Its tree. In Python 3.11 (python/cpython#106905) other threads that parse may disturb: ours wait in turn."""
    for _ in range(PARSE_TRIES):
        with suppress(SystemError):
            return ast.parse(text)
    return ast.parse(text)


class _Bare(ast.NodeTransformer):
    """Takes docstrings and annotations away; fields of classes keep theirs, which are what makes them fields."""

    def visit_Module(self, node: ast.Module) -> ast.AST:
        return self._without_docstring(node)

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        node.body = [part if isinstance(part, ast.AnnAssign) else self.visit(part) for part in node.body]
        return _undocumented(node)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        node.returns = None
        return self._without_docstring(node)

    def visit_arg(self, node: ast.arg) -> ast.AST:
        node.annotation = None
        return node

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST | None:
        return node.value and ast.Assign([node.target], node.value, lineno=node.lineno)

    def visit_If(self, node: ast.If) -> ast.AST | None:
        self.generic_visit(node)
        return None if isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING" else node

    def _without_docstring(self, node: ast.Module | ast.FunctionDef) -> ast.AST:
        self.generic_visit(node)
        return _undocumented(node)


def _undocumented(node: ast.Module | ast.FunctionDef | ast.ClassDef) -> ast.AST:
    first = node.body[0]
    documented = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant)
    if documented:
        node.body = node.body[1:] or [ast.Pass()]
    return node
