"""The page about cost shows what the command prints."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pytest

ROOT = Path(__file__).resolve().parents[2]


def test_the_transcript_is_what_the_command_prints_of_a_simulated_morning(monkeypatch: pytest.MonkeyPatch) -> None:
    """Byte by byte: scripts/write_cost_example.py writes it anew."""
    monkeypatch.setattr(sys, "path", [str(ROOT / "scripts"), *sys.path])
    import write_cost_example

    text = write_cost_example.PAGE.read_text(encoding="utf-8")
    assert write_cost_example.page(text) == text
    assert "MACHINES" in text
