"""What holds for every test: it says what it is about."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterable


def pytest_collection_modifyitems(items: Iterable[pytest.Item]) -> None:
    """Refuse tests that do not name the behaviour they check."""
    mute = sorted(item.nodeid for item in items if not (getattr(item, "obj", None) and item.obj.__doc__))
    if mute:
        raise pytest.UsageError("tests without a docstring: " + ", ".join(mute))
