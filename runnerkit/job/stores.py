"""Where a job keeps things beside its data: checkpoints, lock files, reports, the registry of runs.

A store is a folder or a prefix in a bucket. Keys are relative, with ``/`` between their parts; adapters are in
:mod:`runnerkit.stores`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from runnerkit.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from pathlib import Path

# S3 takes nearly everything; a folder, a shell and an address do not. A part neither begins nor ends with a space.
_PART = r"[\w@%=+:,.~!()\[\]&'-](?:[\w@%=+:,.~!()\[\]&' -]*[\w@%=+:,.~!()\[\]&'-])?"
_KEY = re.compile(rf"{_PART}(?:/{_PART})*")
LONGEST_KEY = 900  # bytes; S3 allows 1,024 with the prefix


@dataclass(frozen=True, slots=True)
class Kept:
    """One thing in a store: its size in bytes, and when it was written (aware UTC)."""

    key: str
    size: int
    written: datetime


class Store(Protocol):
    """Things by key.

    Every method may raise ConfigError (no such bucket, a key that no store takes), CloudDenied (credentials, a
    permission, for a folder the file system's) and CloudUnavailable (the network, AWS; for a folder the disk).
    """

    @property
    def address(self) -> str:
        """Where it is: ``s3://bucket/prefix`` or the folder's absolute path."""

    def put(self, key: str, content: bytes | Path, content_type: str = "") -> None:
        """Write a thing, from memory or from a file; whoever reads meanwhile gets the old one or the new one.

        Args:
            key: Which.
            content: What.
            content_type: As browsers need it; guessed from the key by default.
        """

    def put_new(self, key: str, content: bytes) -> bool:
        """Write a thing unless there is one: of several who try at once, one gets True."""

    def get(self, key: str) -> bytes | None:
        """A thing, in memory; None when there is none."""

    def fetch(self, key: str, target: Path) -> bool:
        """Write a thing to a file (whole or not at all), making its folder; False when there is none."""

    def listed(self, prefix: str = "") -> Sequence[Kept]:
        """All things whose keys begin with a prefix, sorted by key."""

    def delete(self, keys: Sequence[str]) -> None:
        """Remove things; absent ones are removed."""

    def below(self, prefix: str) -> Store:
        """The part of it whose keys begin with ``prefix/``, as a store."""

    def link(self, key: str) -> str:
        """An address for people that lasts: for S3 its console's page, which asks for one's own sign-in."""


def checked_key(key: str) -> str:
    """The key, if every store takes it.

    Raises:
        ConfigError: It does not.
    """
    if not is_key(key):
        raise ConfigError(
            f"{key!r} cannot be the name of something in a store",
            hint="use letters, digits and @%=+:,.-_ with / between the parts",
        )
    return key


def is_key(key: str) -> bool:
    """Whether every store takes it."""
    if not _KEY.fullmatch(key) or {".", ".."} & set(key.split("/")):
        return False
    return len(key.encode("utf-8", "replace")) <= LONGEST_KEY


def checked_prefix(prefix: str) -> str:
    """The beginning of a key, if there can be such keys; empty for all.

    Raises:
        ConfigError: There cannot.
    """
    if prefix:
        checked_key(prefix.removesuffix("/"))
    return prefix
