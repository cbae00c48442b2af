"""Actions of other repositories: fetched from the service, as far as it has them."""

from __future__ import annotations

import http.client
import io
import tarfile
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode, urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

PATIENCE = 60.0


class NotFetched(Exception):
    """An action cannot be had; the text is for the job's author."""


def fetch(told: dict[str, Any], service: str, session: str, folder: Path) -> dict[str, str]:
    """Fetch the repositories of the actions that a job uses, and give their folders by ``owner/name@ref``.

    Raises:
        NotFetched: the service does not give one out.
    """
    folders = {}
    for number, name in enumerate(sorted(told)):
        place = folder / f"fetched-{number}"
        place.mkdir(parents=True)
        try:
            _unpack(_archive(service, f"sessions/{session}/actions?{urlencode({'name': name})}"), place)
        except (http.client.HTTPException, tarfile.TarError, OSError) as error:
            raise NotFetched(f"Unable to resolve action {name}: {error}") from error
        folders[name] = str(place)
    return folders


def _archive(service: str, path: str) -> bytes:
    parts = urlsplit(service)
    maker = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = maker(parts.hostname or "", parts.port, timeout=PATIENCE)
    try:
        connection.request("GET", f"{parts.path.rstrip('/')}/{path}")
        answer = connection.getresponse()
        if answer.status != http.client.OK:
            raise http.client.HTTPException(f"the service answers {answer.status}")
        return answer.read()
    finally:
        connection.close()


def _unpack(data: bytes, place: Path) -> None:
    # By hand: older Pythons have no filter for what leads out of the folder.
    with tarfile.open(fileobj=io.BytesIO(data)) as packed:
        for member in packed:
            inside = ".." not in member.name.split("/") and not member.name.startswith("/")
            content = packed.extractfile(member) if member.isfile() and inside else None
            if content is not None:
                target = place / member.name
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(content.read())
                target.chmod(member.mode & 0o777)


def named(told: dict[str, Any]) -> Iterable[str]:
    """Give what the fetched actions use themselves."""
    return [str(each) for entry in told.values() for each in entry.get("uses", ())]
