"""cloud-init, as far as our user data uses it: a JSON document behind ``#cloud-config``."""

from __future__ import annotations

import gzip
import json
import os
from base64 import b64decode
from typing import TYPE_CHECKING, Any

from .systemctl import UnknownCommand

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from .host import Host
    from .systemctl import Commands

HEADER = b"#cloud-config\n"
GZIP = b"\x1f\x8b"
KNOWN = {"bootcmd", "write_files", "runcmd"}
FILE_KEYS = {"path", "permissions", "encoding", "content"}
DEFAULT_MODE = "0644"


class NotForUs(ValueError):
    """The user data cannot be used, as far as the machine can tell."""


def read(user_data: bytes) -> dict[str, Any]:
    """The document in user data as sent to EC2, compressed or not.

    Raises:
        NotForUs: There is none in it.
    """
    try:
        raw = gzip.decompress(user_data) if user_data.startswith(GZIP) else user_data
        if not raw.startswith(HEADER):
            raise NotForUs("the user data is no cloud-config, so this machine does not know what to do")
        document = json.loads(raw.removeprefix(HEADER))
    except (OSError, EOFError, ValueError) as error:
        raise NotForUs(f"the user data cannot be used: {error}") from error
    if not isinstance(document, dict):
        raise NotForUs("the user data holds no document")
    return document


def content(file: Mapping[str, str]) -> bytes:
    """What a file of the document holds."""
    text = file["content"]
    return b64decode(text, validate=True) if file.get("encoding") == "b64" else text.encode()


class CloudInit:
    """Works through one document, in cloud-init's order."""

    def __init__(self, host: Host, commands: Commands) -> None:
        self._host = host
        self._commands = commands

    async def apply(self, document: Mapping[str, Any], *, first: bool) -> None:
        """Do what it says; files and ``runcmd`` only at the first boot of an instance.

        Raises:
            UnknownCommand: Something in it is not known here.
            BadUnit: As above, in a unit.
            OSError: A file cannot be written.
        """
        unknown = set(document) - KNOWN
        if unknown:
            raise UnknownCommand(f"the user data asks for {', '.join(sorted(unknown))}, which this machine cannot do")
        await self._run(document.get("bootcmd", []))
        if first:
            for file in document.get("write_files", []):
                self._write(file)
            await self._run(document.get("runcmd", []))

    async def _run(self, lines: object) -> None:
        """Run commands; one that fails is told, and the next one follows."""
        for argv in lines if isinstance(lines, list) else [lines]:
            if not isinstance(argv, list):
                raise UnknownCommand(f"{argv!r} is no list of words")
            code, said = await self._commands.answer([str(word) for word in argv])
            if code:
                self._host.say(f"cloud-init: {' '.join(map(str, argv))} left with {code}: {said.strip()}")

    def _write(self, file: Mapping[str, str]) -> None:
        unknown = set(file) - FILE_KEYS
        path = str(file.get("path", ""))
        if unknown or file.get("encoding") not in {None, "b64"} or not path.startswith("/") or ".." in path.split("/"):
            raise UnknownCommand(f"the user data has a file {path!r} with {dict(file).keys()} that cannot be written")
        place = self._host.root / path.lstrip("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        _put(place, content(file), int(file.get("permissions", DEFAULT_MODE), 8))


def _put(place: Path, data: bytes, mode: int) -> None:
    with os.fdopen(os.open(place, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "wb") as file:
        os.fchmod(file.fileno(), mode)
        file.write(data)
