"""Versions as programs print them."""

from __future__ import annotations

import re

_VERSION = re.compile(r"(\d+)\.(\d+)")


def numbers(version: str) -> tuple[int, int] | None:
    """The first two numbers of a version; None when there are none."""
    found = _VERSION.search(version)
    return (int(found[1]), int(found[2])) if found else None
