"""Files that a bake leaves on the computer it runs on: keys of kept builders, and logs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runnerkit.baking.errors import StepFailed
from runnerkit.baking.ports import KeptKey
from runnerkit.cli.baking import BakeLog
from runnerkit.events import BakeOutput, BakeStageBegan
from runnerkit.keys import KeyFolder
from runnerkit.names import Secret

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

ID = "i-0123456789abcdef0"
KEPT = KeptKey(Secret("private"), (("ssh-ed25519", "AAAA"),))
TOKEN = "ghp_" + "a1" * 18


def test_a_kept_key_is_for_this_user_alone_and_for_one_process(tmp_path: Path) -> None:
    """Of two bakes that would go on with one builder, one gets the key; then no file is left."""
    folder = tmp_path / "builders"
    keys = KeyFolder(folder, lambda: (Secret("new"), "public"))
    keys.save(ID, KEPT)
    (file,) = folder.iterdir()
    assert (0o700, 0o600) == (folder.stat().st_mode & 0o777, file.stat().st_mode & 0o777)
    assert (KEPT, None) == (keys.take(ID), keys.take(ID))
    assert [] == list(folder.iterdir())


def test_a_broken_key_file_is_no_key(tmp_path: Path) -> None:
    """Nor does it stay."""
    (tmp_path / f"{ID}.json").write_text("{", encoding="ascii")
    assert KeyFolder(tmp_path, lambda: (Secret(""), "")).take(ID) is None
    assert [] == list(tmp_path.iterdir())


def test_a_log_is_for_this_user_alone_and_does_no_harm(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """No sequence that a terminal obeys and no token comes into the file or aloud, though they come in parts."""
    path = tmp_path / "bakes" / "plain.log"
    error = StepFailed("no", hint="try")
    log = BakeLog(path, aloud=True)
    log.__enter__()
    log.emit(BakeStageBegan("plain", "one"))
    for part in ("\x1b[", "31mred\x1b[0m ", TOKEN[:9], TOKEN[9:] + "\r\n", "10%\r20%"):
        log.emit(BakeOutput("plain", "one", part))
    log.emit(BakeStageBegan("plain", "two"))
    log.__exit__(StepFailed, error, None)
    assert "=== one\nred ***\n10%\n20%\n=== two\n" == path.read_text(encoding="utf-8") == capsys.readouterr().err
    assert (0o700, 0o600) == (path.parent.stat().st_mode & 0o777, path.stat().st_mode & 0o777)
    assert f"try; everything that was printed: {path}" == error.hint


def test_a_log_of_nothing_is_no_file_and_one_of_another_bake_stays(tmp_path: Path) -> None:
    """Two bakes of a recipe in one second: the second has no log, and does not touch that of the first."""
    path = tmp_path / "plain.log"
    with BakeLog(path, aloud=False) as first:
        first.emit(BakeOutput("plain", "one", "first\n"))
        with BakeLog(path, aloud=False) as second:
            second.emit(BakeOutput("plain", "one", "second\n"))
    assert ("first\n", True, False) == (path.read_text(encoding="utf-8"), first.used, second.used)
    with BakeLog(tmp_path / "none.log", aloud=False):
        pass
    assert [path] == list(tmp_path.iterdir())
