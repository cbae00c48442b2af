"""What an action does to its job: inputs, outputs, variables, annotations."""

from __future__ import annotations

import json
import os
import sys
import uuid
from pathlib import Path
from typing import Any


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


def runtime() -> dict[str, Any]:
    """Tell what the job's runner knows of the service: url, token, id_token."""
    told = json.loads((Path(os.environ["RUNNER_TEMP"]) / "_standin" / "runtime.json").read_text())
    return dict(told)
