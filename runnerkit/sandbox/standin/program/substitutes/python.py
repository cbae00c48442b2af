"""actions/setup-python and astral-sh/setup-uv: nothing is installed, what is there is put on the path."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

from .toolkit import Failed, add_path, annotate, contained, export, flag, given, inside, output, place, say

INTERPRETER = "RUNNERKIT_SANDBOX_PYTHON"


def setup_python() -> None:
    """Put the sandbox's interpreter first on the path, and say so when another version was asked for.

    In a container it is the image's, since nothing of the machine's could run there.
    """
    path = _interpreter() if contained() is None else _in_container("python3")
    version = _ask(path, "-c", "import platform; print(platform.python_version())")
    wanted = _wanted()
    if wanted and not any(_fits(version, each) for each in wanted):
        text = f"Python {' or '.join(wanted)} was asked for; the sandbox has Python {version} and uses that."
        annotate("warning", text)
    if flag("update-environment", default=True):
        add_path(str(path.parent))
        export("pythonLocation", str(path.parent.parent))
    output("python-version", version)
    output("python-path", str(path))
    output("cache-hit", "false")
    say(f"Successfully set up CPython ({version}): {path}")


def _interpreter() -> Path:
    named = os.environ.get(INTERPRETER) or shutil.which("python3")
    if not named or not Path(named).exists():
        raise Failed(f"There is no Python at {named or 'any place of the path'}; {INTERPRETER} names the interpreter.")
    return Path(named)


def _in_container(name: str) -> Path:
    found = inside("sh", "-c", f"command -v {name}")
    if not found:
        raise Failed(f"The job's container has no {name}, and nothing is downloaded here: use an image that has it.")
    return Path(found)


def _ask(program: Path, *arguments: str) -> str:
    if contained() is not None:
        said = inside(str(program), *arguments)
        if said is None:
            raise Failed(f"{program} cannot be run in the job's container.")
        return said
    try:
        done = subprocess.run([str(program), *arguments], capture_output=True, text=True, check=True)  # noqa: S603 - ours
    except (OSError, subprocess.CalledProcessError) as error:
        raise Failed(f"{program} cannot be run: {error}") from error
    return done.stdout.strip()


def _wanted() -> list[str]:
    said = given("python-version")
    file = given("python-version-file")
    if not said and file:
        path = Path(os.environ["GITHUB_WORKSPACE"]) / place(file)
        if not path.exists():
            raise Failed(f"The specified python version file at: {path} doesn't exist.")
        said = path.read_text().strip() if path.name.startswith(".python-version") else ""
    return said.split()


def _fits(version: str, wanted: str) -> bool:
    numbers = re.match(r"^(\d+(?:\.\d+)*)(?:\.[x*])?$", wanted)
    if numbers is None:
        # A range or a name such as pypy: what cannot be compared is not complained about, except another language.
        return not wanted.startswith(("pypy", "graalpy"))
    return f"{version}.".startswith(f"{numbers[1]}.")


def setup_uv() -> None:
    """Put uv on the path."""
    found = _uv() if contained() is None else _in_container("uv")
    version = _ask(found, "--version").split()[1]
    add_path(str(found.parent))
    output("uv-version", version)
    output("uv-path", str(found))
    output("cache-hit", "false")
    say(f"Successfully installed uv version {version}")


def _uv() -> Path:
    beside = Path(os.environ.get(INTERPRETER, "/nonexistent/python")).parent / "uv"
    found = str(beside) if beside.exists() else shutil.which("uv")
    if found is None:
        raise Failed(f"uv is not installed here: neither beside {INTERPRETER} nor on the path.")
    return Path(found)
