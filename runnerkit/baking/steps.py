"""From a recipe's steps to scripts that a builder runs, with the files they bring. Reads nothing but our package.

A step becomes one script of bash and at most one tar archive, which the script unpacks. What travels is exactly what
its digest covers.
"""

from __future__ import annotations

import hashlib
import io
import re
import shlex
import tarfile
from dataclasses import dataclass, field
from importlib.resources import files
from typing import TYPE_CHECKING

from runnerkit import boot
from runnerkit.baking.recipe import Docker, digest_of
from runnerkit.baking.wheel import own_wheel
from runnerkit.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from runnerkit.baking.recipe import Recipe, Step
    from runnerkit.ports import RunnerPackage

HEAD = "set -eu -o pipefail\nexport DEBIAN_FRONTEND=noninteractive LANG=C.UTF-8 HOME=/root\numask 022\n"
UNPACK = 'tar -x --no-same-owner -f "$PAYLOAD" -C /\n'
RUNNER_FOLDER = "/opt/runnerkit/runner"
_VERSION = re.compile(r"-(\d+\.\d+\.\d+)\.(?:tar\.gz|zip)$")
# Where GitHub publishes a certain version; the newest one's address comes from GitHub's own answer.
_DOWNLOAD = (
    "https://github.com/actions/runner/releases/download/v{version}/actions-runner-linux-{arch}-{version}.tar.gz"
)


@dataclass(frozen=True, slots=True)
class Work:
    """One step as it is run; ``chain`` stands for it and everything before it, ``payload`` is a tar archive."""

    title: str
    script: str
    payload: bytes = field(repr=False)
    expect: str
    timeout: int
    chain: str


@dataclass(frozen=True, slots=True)
class RunnerChoice:
    """The runner that goes into an image."""

    version: str
    url: str
    sha256: str


def chosen_runner(recipe: Recipe, offered: Iterable[RunnerPackage]) -> RunnerChoice | None:
    """The runner of the recipe's pin, or GitHub's newest; None when no step wants one.

    Raises:
        ConfigError: GitHub offers none for the architecture.
    """
    if not any(step.use == "runner" for step in recipe.steps):
        return None
    if recipe.runner is not None:
        url = _DOWNLOAD.format(version=recipe.runner.version, arch=recipe.arch)
        return RunnerChoice(recipe.runner.version, url, recipe.runner.sha256.lower())
    for package in offered:
        if (package.os, package.arch) == ("linux", recipe.arch):
            return RunnerChoice(version_of(package.url), package.url, package.sha256)
    raise ConfigError(
        f"GitHub offers no runner for linux and {recipe.arch}",
        hint="pin one in the recipe: [runner] with version and sha256",
    )


def version_of(url: str) -> str:
    """The version in the name of a download; empty when it has none."""
    found = _VERSION.search(url)
    return found[1] if found else ""


def works(recipe: Recipe, runner: RunnerChoice | None) -> tuple[Work, ...]:
    """Every step as it is run, in order."""
    done: list[Work] = []
    chain = ""
    for step in recipe.steps:
        script, payload = _told(step, recipe, runner)
        own = [chain, script, _sha256(payload), step.expect]
        chain = digest_of(own)
        done.append(Work(step.title, HEAD + script, payload, step.expect, step.timeout, chain))
    return tuple(done)


def content_digest(recipe: Recipe, version: str) -> str:
    """Twelve hexadecimal digits for what an image of this recipe holds, runner and base image aside.

    It changes with the recipe, with the agent, and with the version of runnerkit where that is installed.
    """
    blank = RunnerChoice("", "", "")
    told = [
        [version] if step.use == "runnerkit" else [(made := _told(step, recipe, blank))[0], _sha256(made[1])]
        for step in recipe.steps
    ]
    return digest_of([recipe.digest, told])


def image_digest(content: str, runner: RunnerChoice | None, base_id: str) -> str:
    """Twelve hexadecimal digits for an image: what the recipe puts in, which runner, on which base image."""
    return digest_of([content, [runner.version, runner.sha256] if runner else None, base_id])


def checks(recipe: Recipe) -> tuple[Work, ...]:
    """The recipe's checks as they are run after the last step."""
    return tuple(
        Work(
            check.name or check.run.strip().splitlines()[0][:60], HEAD + check.run, b"", check.expect, check.timeout, ""
        )
        for check in recipe.checks
    )


def _told(step: Step, recipe: Recipe, runner: RunnerChoice | None) -> tuple[str, bytes]:
    """A step's script and what it unpacks."""
    if step.run is not None:
        return step.run, b""
    if step.to is not None:
        content = recipe.files[step.put] if step.put is not None else (step.text or "").encode()
        return UNPACK, archive([(step.to, content, step.mode)])
    bring: dict[str | None, Callable[[], tuple[str, bytes]]] = {
        "agent": lambda: (_script("user.sh") + _script("agent.sh"), _agent()),
        "runner": lambda: _runner(runner),
        "docker": lambda: (f"MODE={recipe.docker}\n" + _script("user.sh") + _script("docker.sh"), b""),
        "uv": lambda: (f"VERSION={shlex.quote(recipe.uv)}\n" + _script("uv.sh"), b""),
        "runnerkit": _runnerkit,
    }
    return bring[step.use]()


def _runnerkit() -> tuple[str, bytes]:
    wheel = own_wheel()
    place = f"/var/tmp/{wheel.name}"  # noqa: S108 - on the builder, where nobody else is
    return f"WHEEL={shlex.quote(place)}\n" + _script("runnerkit.sh"), archive([(place, wheel.content, "0644")])


def _agent() -> bytes:
    return archive((file.path, file.text.encode(), file.mode) for file in boot.agent_files(image=True))


def _runner(runner: RunnerChoice | None) -> tuple[str, bytes]:
    if runner is None:
        raise ConfigError("no runner was chosen for a recipe that installs one")
    said = (("URL", runner.url), ("SHA256", runner.sha256), ("VERSION", runner.version))
    chosen = "".join(f"{name}={shlex.quote(value)}\n" for name, value in said)
    return chosen + _script("user.sh") + _script("runner.sh"), b""


def _script(name: str) -> str:
    return (files("runnerkit") / "baking" / "scripts" / name).read_text(encoding="utf-8")


def archive(content: Iterable[tuple[str, bytes, str]]) -> bytes:
    """A tar archive of (path, content, mode), the same bytes for the same files."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.GNU_FORMAT) as tar:
        for path, data, mode in content:
            entry = tarfile.TarInfo(path.lstrip("/"))
            entry.size, entry.mode = len(data), int(mode, 8)
            tar.addfile(entry, io.BytesIO(data))
    return packed.getvalue()


def uses_docker(recipe: Recipe) -> Docker:
    """What Docker the image's jobs get: none unless a step installs it."""
    return recipe.docker if any(step.use == "docker" for step in recipe.steps) else Docker.NONE


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
