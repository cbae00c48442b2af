"""What a machine is told by its user data, read back the way cloud-init would read it."""

from __future__ import annotations

import gzip
import json
from base64 import b64decode
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from runnerkit.boot import HEADER, JIT_FILE, MACHINE_FILE, PARAMETERS

if TYPE_CHECKING:
    from collections.abc import Callable

GZIP = b"\x1f\x8b"


@dataclass(frozen=True, slots=True)
class Told:
    """The leases (seconds) and the JIT configuration of one machine."""

    name: str
    online_within: float
    idle: float
    life: float
    jit_config: str


def read(user_data: bytes, parameter: Callable[[], str | None] = lambda: None) -> Told:
    """Read user data as sent to EC2; ``parameter`` takes the machine's own, where it waits for one.

    Raises:
        ValueError: It is not what our machines boot from.
        KeyError: The machine still waits for its parameter.
    """
    files = _files(user_data)
    told: dict[str, Any] = json.loads(files[MACHINE_FILE])
    if told.get("parameters") == PARAMETERS:
        told |= json.loads(parameter() or "{}")
        files[JIT_FILE] = told["jit"]
    return Told(told["name"], told["online_within"], told["idle"], told["life"], files[JIT_FILE])


def secret(user_data: bytes) -> str:
    """The JIT configuration in user data, which nothing may show; empty when there is none."""
    # What gzip says of a cut text is an EOFError or an OSError.
    with suppress(ValueError, KeyError, TypeError, AttributeError, OSError, EOFError):
        return _files(user_data).get(JIT_FILE, "")
    return ""


def _files(user_data: bytes) -> dict[str, str]:
    raw = gzip.decompress(user_data) if user_data.startswith(GZIP) else user_data
    if not raw.startswith(HEADER):
        raise ValueError("the user data is no cloud-config, so this machine does not know what to do")
    return {file["path"]: _content(file) for file in json.loads(raw.removeprefix(HEADER))["write_files"]}


def _content(file: dict[str, str]) -> str:
    content = file["content"]
    return b64decode(content).decode("utf-8") if file.get("encoding") == "b64" else content
