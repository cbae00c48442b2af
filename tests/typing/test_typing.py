"""What the types promise to other people's programs. The promises themselves are kept by mypy in `make lint`."""

from __future__ import annotations

from importlib.resources import files

import runnerkit
from tests.typing import uses_of_the_api


def test_the_uses_can_be_imported() -> None:
    """Every name that the examples of use import is there."""
    assert uses_of_the_api.__doc__


def test_the_package_says_that_it_is_typed() -> None:
    """Without its marker no type checker would look into it."""
    assert (files(runnerkit) / "py.typed").is_file()


def test_every_public_name_is_there() -> None:
    """Each name of __all__ can be had, and is listed for those who look."""
    assert not [name for name in runnerkit.__all__ if not hasattr(runnerkit, name)]
    assert set(runnerkit.__all__) <= set(dir(runnerkit))
    assert not hasattr(runnerkit, "no_such_name")
