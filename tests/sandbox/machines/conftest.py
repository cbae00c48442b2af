"""One yard for all tests here: each launches machines of its own in it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.sandbox.machines.yard import Yard, open_yard

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session")
def yard() -> Iterator[Yard]:
    """An EC2, a GitHub, and machines that are processes."""
    with open_yard() as yard:
        yield yard
