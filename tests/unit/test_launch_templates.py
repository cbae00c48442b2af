"""Launch templates of one launch: none stays, whenever somebody interrupts."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from runnerkit.ec2.requests import Place
from runnerkit.ec2.templates import Templates


def test_an_interrupted_deletion_is_done_all_the_same() -> None:
    """Ctrl-C in the middle of deleting ends the launch, and the template goes before it does."""
    asked: list[str] = []

    def delete(LaunchTemplateId: str) -> None:  # noqa: N803 - as boto3 writes it
        asked.append(LaunchTemplateId)
        if len(asked) == 1:
            raise KeyboardInterrupt

    clients = SimpleNamespace(ec2=lambda _region: SimpleNamespace(delete_launch_template=delete))
    nothing = cast("Any", None)
    templates = Templates(nothing, {}, cast("Any", clients), nothing, nothing)
    templates._places["us-east-1"] = Place("lt-1", "1", nothing, {})
    with pytest.raises(KeyboardInterrupt), templates:
        pass
    assert asked == ["lt-1", "lt-1"]
    assert templates._places == {}
