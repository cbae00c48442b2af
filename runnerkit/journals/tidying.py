"""Compaction of the journal's objects by age. Any number of processes may do it at once.

Nothing is lost: an object is removed only after one that holds all its entries, and more, was written. What is merged
is named by its content and never loses an entry, so the largest of all unions is removed by nobody. An entry that is
in two objects for a while is read once, by its id.
"""

from __future__ import annotations

import hashlib
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from runnerkit.journals.keys import merged, outdated, to_merge, union
from runnerkit.journals.ledger import parsed_line

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date, datetime, timedelta

    from runnerkit.journals.objects import Objects

READERS = 8


def tidy(objects: Objects, prefix: str, kept: timedelta, now: datetime, readers: int = READERS) -> None:
    """Delete what is too old, and merge what is small.

    Raises:
        CloudDenied, CloudUnavailable, ConfigError: S3 could not be used; what was not done is done the next time.
    """
    keys = objects.keys(prefix)
    old = outdated(prefix, keys, kept, now)
    if old:
        objects.delete(old)
    gone = set(old)
    for day, some in to_merge(prefix, [key for key in keys if key not in gone], now).items():
        merge(objects, prefix, day, some, readers)


def merge(objects: Objects, prefix: str, day: date, keys: Sequence[str], readers: int = READERS) -> None:
    """Replace objects of a day by one; does nothing when somebody else has begun to."""
    with ThreadPoolExecutor(min(readers, len(keys))) as pool:
        contents = list(pool.map(objects.get, keys))
    read = [content for content in contents if content is not None]
    if len(read) < len(keys):
        return
    whole = union(map(_lines, read))
    key = merged(prefix, day, whole)
    objects.put(key, whole)
    # Removed only once the union is there for everybody.
    if key in objects.keys(key):
        objects.delete([each for each in keys if each != key])


def _lines(content: bytes) -> dict[str, bytes]:
    """The lines of an object by their entries' ids."""
    return {_id(line): line for line in content.splitlines() if line.strip()}


def _id(line: bytes) -> str:
    entry = parsed_line(line) or {}
    return str(entry.get("id") or hashlib.sha256(line).hexdigest())
