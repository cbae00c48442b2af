"""Files that others may read at any moment."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from runnerkit.files import write_whole

if TYPE_CHECKING:
    from pathlib import Path


def test_a_file_is_replaced_and_its_folder_is_made_for_this_user_alone(tmp_path: Path) -> None:
    """The new text is there, and nothing else."""
    file = tmp_path / "new" / "answer.json"
    write_whole(file, "one")
    write_whole(file, "two")
    assert file.read_text(encoding="utf-8") == "two"
    assert [each.name for each in file.parent.iterdir()] == ["answer.json"]
    assert file.parent.stat().st_mode & 0o077 == 0


def test_what_cannot_be_put_in_place_leaves_nothing_behind(tmp_path: Path) -> None:
    """Where a folder stands in the way, that stays, and the half-made file is removed."""
    (tmp_path / "taken").mkdir()
    with pytest.raises(OSError, match="taken"):
        write_whole(tmp_path / "taken", "text")
    assert [each.name for each in tmp_path.iterdir()] == ["taken"]
