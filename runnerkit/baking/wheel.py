"""This very runnerkit as a wheel, so that an image holds the version that baked it, released or not."""

from __future__ import annotations

import base64
import hashlib
import io
import zipfile
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from runnerkit.errors import ConfigError

# What a machine has no use for.
_LEFT_OUT = {"__pycache__", "sandbox"}
_EPOCH = (1980, 1, 1, 0, 0, 0)
_WHEEL = "Wheel-Version: 1.0\nGenerator: runnerkit\nRoot-Is-Purelib: true\nTag: py3-none-any\n"


@dataclass(frozen=True, slots=True)
class Wheel:
    """A wheel's file name and content."""

    name: str
    content: bytes = field(repr=False)


@cache
def own_wheel() -> Wheel:
    """The wheel, without the sandbox; the same bytes for the same source.

    Raises:
        ConfigError: runnerkit runs from a folder that was never installed.
    """
    try:
        found = distribution("runnerkit")
    except PackageNotFoundError:
        raise ConfigError(
            "runnerkit is not installed, so it cannot go into an image", hint="install it, or drop that step"
        ) from None
    version = found.version
    info = f"runnerkit-{version}.dist-info"
    content = dict(_package())
    content[f"{info}/METADATA"] = (found.read_text("METADATA") or "").encode()
    content[f"{info}/WHEEL"] = _WHEEL.encode()
    content[f"{info}/entry_points.txt"] = b"[console_scripts]\nrunnerkit = runnerkit.cli:main\n"
    record = "".join(f"{name},sha256={_hash(data)},{len(data)}\n" for name, data in content.items())
    content[f"{info}/RECORD"] = f"{record}{info}/RECORD,,\n".encode()
    return Wheel(f"runnerkit-{version}-py3-none-any.whl", _zipped(content))


def _package() -> list[tuple[str, bytes]]:
    root = Path(__file__).parents[1]
    inside = (file for file in sorted(root.rglob("*")) if file.is_file())
    kept = (file for file in inside if not _LEFT_OUT & set(file.relative_to(root).parts))
    return [(file.relative_to(root.parent).as_posix(), file.read_bytes()) for file in kept]


def _zipped(content: dict[str, bytes]) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as wheel:
        for name, data in content.items():
            wheel.writestr(zipfile.ZipInfo(name, _EPOCH), data, zipfile.ZIP_DEFLATED)
    return packed.getvalue()


def _hash(data: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(data).digest()).decode().rstrip("=")
