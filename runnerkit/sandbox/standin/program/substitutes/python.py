"""actions/setup-python and astral-sh/setup-uv: nothing is installed, what is there is put on the path."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

from .toolkit import Failed, add_path, annotate, export, given, output, say

INTERPRETER = "RUNNERKIT_SANDBOX_PYTHON"


def setup_python() -> None:
    """Put the sandbox's interpreter first on the path, and say so when another version was asked for."""
    path = _interpreter()
    version = _ask(path, "-c", "import platform; print(platform.python_version())")
    wanted = _wanted()
    if wanted and not any(_fits(version, each) for each in wanted):
        text = f"Python {' or '.join(wanted)} was asked for; the sandbox has Python {version} and uses that."
        annotate("warning", text)
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


def _ask(program: Path, *arguments: str) -> str:
    try:
        done = subprocess.run([str(program), *arguments], capture_output=True, text=True, check=True)  # noqa: S603 - ours
    except (OSError, subprocess.CalledProcessError) as error:
        raise Failed(f"{program} cannot be run: {error}") from error
    return done.stdout.strip()


def _wanted() -> list[str]:
    said = given("python-version")
    file = given("python-version-file")
    if not said and file:
        path = Path(os.environ["GITHUB_WORKSPACE"]) / file
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
    beside = Path(os.environ.get(INTERPRETER, "/nonexistent/python")).parent / "uv"
    found = str(beside) if beside.exists() else shutil.which("uv")
    if found is None:
        raise Failed(f"uv is not installed here: neither beside {INTERPRETER} nor on the path.")
    version = _ask(Path(found), "--version").split()[1]
    add_path(str(Path(found).parent))
    output("uv-version", version)
    output("uv-path", found)
    output("cache-hit", "false")
    say(f"Successfully installed uv version {version}")
