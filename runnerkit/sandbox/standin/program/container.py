"""The container of a job: what a workflow asks for, and where the machine's folders are in it. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .workflow import Refused, texts

if TYPE_CHECKING:
    from collections.abc import Iterator

LABEL = "runnerkit.standin.job"
OWNER = "runnerkit.standin.owner"
DEFAULT_REGISTRY = "docker.io"


@dataclass(frozen=True)
class Wanted:
    """What ``container:`` asks for."""

    image: str
    login: dict[str, str] | None
    environ: dict[str, str]
    volumes: list[str]
    options: str


def wanted(given: dict[str, Any]) -> Wanted:
    """Read an evaluated ``container``.

    Raises:
        Refused: it asks for a port to be another one outside.
    """
    for port in map(str, given.get("ports") or []):
        outside, colon, inside = port.partition("/")[0].rpartition(":")
        if colon and outside.rpartition(":")[2] != inside:
            raise Refused(
                f"The container's port {port} cannot be another one outside: containers of the stand-in runner have"
                " the machine's own network."
            )
    image = str(given.get("image") or "")
    has_tag = ":" in image.rpartition("/")[2] or "@" in image
    secret = texts(given.get("credentials") or {})
    login = {"username": secret.get("username", ""), "password": secret.get("password", "")}
    return Wanted(
        image if has_tag else f"{image}:latest",
        login | {"serveraddress": registry(image)} if all(login.values()) else None,
        texts(given.get("env") or {}),
        [str(each) for each in given.get("volumes") or []],
        str(given.get("options") or ""),
    )


def registry(image: str) -> str:
    """Name the registry of an image as Docker does: the first part, if it looks like a host."""
    first, slash, _ = image.partition("/")
    return first if slash and ("." in first or ":" in first or first == "localhost") else DEFAULT_REGISTRY


@dataclass(frozen=True)
class Paths:
    """Folders of the machine and where they are in the container, the most particular first."""

    pairs: list[tuple[str, str]]

    def inside(self, text: str) -> str:
        """Turn a path of the machine into the container's; any other text stays as it is."""
        return _turned(text, self.pairs)

    def outside(self, text: str) -> str | None:
        """Turn a path of the container into the machine's; None for one that the machine does not see."""
        turned = _turned(text, [(inside, outside) for outside, inside in self.pairs])
        return None if turned == text else turned

    def binds(self) -> list[str]:
        """Give the mounts."""
        return [f"{outside}:{inside}" for outside, inside in self.pairs]


def _turned(text: str, pairs: list[tuple[str, str]]) -> str:
    for here, there in pairs:
        if text == here or text.startswith(f"{here}/"):
            return there + text[len(here) :]
    return text


def named_volumes(binds: list[str]) -> Iterator[str]:
    """Give the names of volumes among mounts that say ``name:/folder``."""
    for each in binds:
        name, colon, _ = each.partition(":")
        if colon and name and not name.startswith(("/", ".")):
            yield name
