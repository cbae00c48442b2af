"""What holds for every test: it says what it is about."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterable


def pytest_collection_modifyitems(items: Iterable[pytest.Item]) -> None:
    """Refuse tests that do not name the behaviour they check."""
    mute = sorted(item.nodeid for item in items if not _says_what(item))
    if mute:
        raise pytest.UsageError("tests without a docstring: " + ", ".join(mute))


def _says_what(item: pytest.Item) -> bool:
    test = getattr(item, "obj", None)
    # A state machine's one generated test is described by its class.
    owner = item.parent if getattr(test, "__name__", "") == "runTest" else None
    return bool(getattr(test, "__doc__", None) or getattr(getattr(owner, "obj", None), "__doc__", None))
