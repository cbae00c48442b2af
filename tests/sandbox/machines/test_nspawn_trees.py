"""The system of nspawn machines: built once whoever asks, whole or not at all, and removed when nobody uses it."""

from __future__ import annotations

import fcntl
import os
import threading
import time
from typing import TYPE_CHECKING

import pytest

from runnerkit.errors import ConfigError
from runnerkit.sandbox.machines.nspawn import trees

if TYPE_CHECKING:
    from pathlib import Path

BUILDS = """#!/bin/sh
for last; do :; done
mkdir -p "$last/etc/systemd/system" "$last/root"
echo built >>"$COUNT"
"""
FAILS = "#!/bin/sh\necho 'E: Unable to locate package cloud-init' >&2\nexit 25\n"
# Without root there are no namespaces; it runs what it is given.
UNSHARE = '#!/bin/sh\nwhile [ "${1#--}" != "$1" ]; do shift; done\nexec "$@"\n'


@pytest.fixture
def within(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where trees are kept; in their making, programs of our own take the place of Debian's."""
    programs = tmp_path / "bin"
    programs.mkdir()
    for name, text in (("mmdebstrap", BUILDS), ("unshare", UNSHARE)):
        (programs / name).write_text(text)
        (programs / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    monkeypatch.setenv("COUNT", str(tmp_path / "count"))
    monkeypatch.setenv(trees.FOLDER_VARIABLE, str(tmp_path / "trees"))
    return tmp_path / "trees"


def _quiet(_: str) -> None:
    pass


def test_several_at_once_build_one_tree(within: Path) -> None:
    """The others wait for it and take it, and say that they wait."""
    found: set[Path] = set()
    said: list[str] = []

    def take() -> None:
        with trees.base(said.append) as tree:
            found.add(tree)

    takers = [threading.Thread(target=take) for _ in range(4)]
    for taker in takers:
        taker.start()
    for taker in takers:
        taker.join(30)
    assert len(found) == 1
    assert (within.parent / "count").read_text() == "built\n"
    assert sum(text.startswith("building") for text in said) == 1


def test_what_a_killed_builder_left_is_removed_and_a_tree_is_whole(within: Path) -> None:
    """A half-built tree never has a tree's name."""
    half = within / ".building-x/etc"
    half.mkdir(parents=True)
    with trees.base(_quiet) as tree:
        assert not half.parent.exists()
        assert (tree / trees.INIT_FILE.lstrip("/")).exists()


def test_a_failed_build_tells_why_and_leaves_nothing(within: Path) -> None:
    """The end of what the builder said, and what to look at."""
    (within.parent / "bin/mmdebstrap").write_text(FAILS)
    with pytest.raises(ConfigError, match="Unable to locate package cloud-init") as caught, trees.base(_quiet):
        pass
    assert "apt-get update" in str(caught.value.hint)
    assert [each.name for each in within.iterdir()] == ["lock"]


def test_a_builder_that_hangs_is_given_up(within: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No sandbox waits for ever for packages that do not come."""
    (within.parent / "bin/mmdebstrap").write_text("#!/bin/sh\nexec sleep 60\n")
    monkeypatch.setattr(trees, "BUILT_WITHIN", 0.3)
    with pytest.raises(ConfigError, match="not done after"), trees.base(_quiet):
        pass


def test_a_folder_that_cannot_be_written_is_named_with_the_way_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where a file lies in the way."""
    (tmp_path / "file").touch()
    monkeypatch.setenv(trees.FOLDER_VARIABLE, str(tmp_path / "file/below"))
    with pytest.raises(ConfigError, match="cannot be kept in") as caught, trees.base(_quiet):
        pass
    assert trees.FOLDER_VARIABLE in str(caught.value.hint)


def test_trees_that_nobody_used_for_a_month_are_removed(within: Path) -> None:
    """Not those in use, nor young ones, nor what is not a tree."""
    names = ("bookworm-00000000000a", "bookworm-00000000000b", "bookworm-00000000000c", "somebody-s-own")
    for name in names:
        (within / name).mkdir(parents=True)
    now = time.time()
    for name in (names[0], names[1], names[3]):
        os.utime(within / name, (0, 0))
    used = os.open(within / names[1], os.O_RDONLY)
    fcntl.flock(used, fcntl.LOCK_SH)
    try:
        trees.remove_unused(within, now)
        assert sorted(each.name for each in within.iterdir()) == [names[1], names[2], names[3]]
    finally:
        os.close(used)


def test_a_tree_that_is_taken_is_marked_as_used(within: Path) -> None:
    """Now, by its time, and until it is given back, by a lock."""
    with trees.base(_quiet) as tree:
        os.utime(tree, (0, 0))
    with trees.base(_quiet) as tree:
        assert time.time() - tree.stat().st_mtime < 60
        trees.remove_unused(within, time.time() + 2 * trees.UNUSED_FOR)
        assert tree.exists()
    trees.remove_unused(within, time.time() + 2 * trees.UNUSED_FOR)
    assert not tree.exists()
