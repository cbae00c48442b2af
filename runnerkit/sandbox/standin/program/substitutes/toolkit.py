"""What an action does to its job: inputs, outputs, variables, annotations."""

from __future__ import annotations

import json
import os
import sys
import tempfile
import uuid
from pathlib import Path
from typing import Any

from .. import container, containing, engine  # noqa: TID252 - in a runner's root the package has another name


class Failed(Exception):
    """The action fails; the text is its error."""


def given(name: str, default: str = "") -> str:
    """Read an input."""
    return os.environ.get("INPUT_" + name.upper().replace("-", "_").replace(" ", "_"), "").strip() or default


def flag(name: str, *, default: bool = False) -> bool:
    """Read an input that is true or false.

    Raises:
        Failed: it is neither.
    """
    said = given(name, str(default)).lower()
    if said not in {"true", "false"}:
        raise Failed(f"The input {name} is {said!r}; it must be true or false.")
    return said == "true"


def say(text: str) -> None:
    """Write to the log."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def annotate(level: str, text: str) -> None:
    """Write an annotation: error, warning or notice."""
    say(f"::{level}::" + text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A"))


def mask(value: str) -> None:
    """Hide a value in the log from now on."""
    if value:
        say(f"::add-mask::{value}")


def output(name: str, value: str) -> None:
    """Set an output."""
    _append("GITHUB_OUTPUT", name, value)


def export(name: str, value: str) -> None:
    """Set a variable of the later steps."""
    _append("GITHUB_ENV", name, value)


def add_path(folder: str) -> None:
    """Put a folder first on the later steps' path."""
    with Path(os.environ["GITHUB_PATH"]).open("a", encoding="utf-8") as file:
        file.write(folder + "\n")


def _append(file_name: str, name: str, value: str) -> None:
    end = f"ghadelimiter_{uuid.uuid4()}"
    with Path(os.environ[file_name]).open("a", encoding="utf-8") as file:
        file.write(f"{name}<<{end}\n{value}\n{end}\n")


def _known(name: str) -> Path:
    return Path(os.environ["RUNNER_TEMP"]) / "_standin" / name


def contained() -> dict[str, Any] | None:
    """Tell about the job's container, if it has one."""
    told = json.loads(_known("told.json").read_text()).get("container")
    return None if told is None else dict(told)


def place(text: str) -> Path:
    """Find a path that the job's author wrote: of the machine, or, in a container's job, of the container.

    Raises:
        Failed: it is in the container, where this program is not.
    """
    told, path = contained(), Path(text).expanduser()
    if told is None or not path.is_absolute():
        return path
    paths = container.Paths([(str(outside), str(inside)) for outside, inside in told["paths"]])
    found = paths.outside(text) or (text if paths.inside(text) != text else None)
    if found is None:
        raise Failed(
            f"{text} is in the job's container, and substitutes of the stand-in runner work outside of it: they reach"
            " the workspace, RUNNER_TEMP and RUNNER_TOOL_CACHE."
        )
    return Path(found)


def inside(*command: str) -> str | None:
    """Run a program in the job's container; what it says, or None when it fails.

    Raises:
        Failed: the container cannot be asked.
    """
    told = contained() or {}
    with tempfile.TemporaryFile() as file:
        try:
            name = json.loads(_known(containing.KNOWN).read_text())["id"]
            code = engine.Engine(told["engine"]).run(name, command, {}, "", file.fileno())
        except (engine.EngineFailed, OSError) as error:
            raise Failed(f"The job's container cannot be asked: {error}") from error
        file.seek(0)
        return file.read().decode(errors="replace").strip() if code == 0 else None


def runtime() -> dict[str, Any]:
    """Tell what the job's runner knows of the service: url, token, id_token."""
    return dict(json.loads(_known("runtime.json").read_text()))
