"""What a machine is told by its user data, read back the way cloud-init would read it."""

from __future__ import annotations

import gzip
import json
from base64 import b64decode
from dataclasses import dataclass
from typing import Any

from runnerkit.boot import HEADER, JIT_FILE, MACHINE_FILE

GZIP = b"\x1f\x8b"


@dataclass(frozen=True, slots=True)
class Told:
    """The leases (seconds) and the JIT configuration of one machine."""

    name: str
    online_within: float
    idle: float
    life: float
    jit_config: str


def read(user_data: bytes) -> Told:
    """Read user data as sent to EC2.

    Raises:
        ValueError: It is not what our machines boot from.
    """
    raw = gzip.decompress(user_data) if user_data.startswith(GZIP) else user_data
    if not raw.startswith(HEADER):
        raise ValueError("the user data is no cloud-config, so this machine does not know what to do")
    files = {file["path"]: _content(file) for file in json.loads(raw.removeprefix(HEADER))["write_files"]}
    told: dict[str, Any] = json.loads(files[MACHINE_FILE])
    return Told(told["name"], told["online_within"], told["idle"], told["life"], files[JIT_FILE])


def _content(file: dict[str, str]) -> str:
    content = file["content"]
    return b64decode(content).decode("utf-8") if file.get("encoding") == "b64" else content
