"""One sandbox with nspawn machines for all tests of a worker."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.machine.yard import Yard, open_yard

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="package")
def yard() -> Iterator[Yard]:
    """The yard."""
    with open_yard() as opened:
        yield opened
