"""The JIT configuration: the files of a registration, in one blob and in the runner's root."""

from __future__ import annotations

import base64
import binascii
import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

FILES = (".runner", ".credentials", ".credentials_rsaparams")


class NotConfigured(Exception):
    """There is no usable registration."""


def unpack(blob: str, root: Path) -> None:
    """Write a blob's files into the root.

    Raises:
        NotConfigured: it is not base64 over a JSON object of names and base64.
    """
    try:
        packed = json.loads(base64.b64decode(blob, validate=True))
        files = {name: base64.b64decode(content, validate=True) for name, content in packed.items()}
    except (binascii.Error, ValueError, AttributeError, TypeError) as error:
        raise NotConfigured(f"The JIT configuration cannot be read: {error}") from error
    for name, content in files.items():
        if name not in FILES:
            raise NotConfigured(f"The JIT configuration holds a file {name!r}, which no runner has.")
        (root / name).write_bytes(content)


def pack(root: Path) -> str:
    """Make the blob anew from the root's files, for a listener that was started again."""
    files = {name: base64.b64encode((root / name).read_bytes()).decode() for name in FILES if (root / name).exists()}
    return base64.b64encode(json.dumps(files).encode()).decode()


def settings(root: Path) -> dict[str, Any]:
    """Read ``.runner``.

    Raises:
        NotConfigured: there is none, or it is no JSON object.
    """
    try:
        read = json.loads((root / ".runner").read_text(encoding="utf-8-sig"))
    except FileNotFoundError as error:
        raise NotConfigured("Not configured. Run config.(sh/cmd) to configure the runner.") from error
    except ValueError as error:
        raise NotConfigured(f"The file {root / '.runner'} cannot be read: {error}") from error
    if not isinstance(read, dict) or not read.get("ServerUrl"):
        raise NotConfigured(f"The file {root / '.runner'} names no ServerUrl.")
    return read


def forget(root: Path) -> None:
    """Delete the files of a registration that is over."""
    for name in FILES:
        (root / name).unlink(missing_ok=True)
