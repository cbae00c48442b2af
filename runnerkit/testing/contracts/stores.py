"""The contract of the port :class:`runnerkit.job.stores.Store`."""

# ruff: noqa: S101, PLR2004 - a suite asserts, with numbers beside what they mean

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from runnerkit.errors import CloudUnavailable, ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from runnerkit.job.stores import Store

BAD = ["", "/", "/a", "a/", "a//b", "..", "../a", "a/../b", "a/./b", "a\nb", "a\\b", "a\x00b", " a", "a ", "x" * 901]
AT_ONCE = 8


class StoreContract:
    """What checkpoints, locks, runs and reports rely on. Needs a fixture ``store``, an empty one."""

    def test_an_empty_store_is_empty(self, store: Store, tmp_path: Path) -> None:
        """What is not there is None, False, or nothing to remove; it is no error, and leaves no file."""
        assert store.get("a/b.json") is None
        assert store.fetch("a/b.json", tmp_path / "new" / "b.json") is False
        assert not (tmp_path / "new" / "b.json").exists()
        assert list(store.listed()) == list(store.listed("a/")) == []
        store.delete(["a/b.json", "a"])
        store.delete([])

    def test_what_is_put_is_got_and_fetched(self, store: Store, tmp_path: Path) -> None:
        """From memory and from a file, empty and odd bytes, replaced by the next one; a target is replaced, too."""
        for content in (b"", b"\x00\xff\r\n" * 1000, b"next"):
            store.put("deep/er/thing.bin", content)
            assert store.get("deep/er/thing.bin") == content
        source, target = tmp_path / "source", tmp_path / "made" / "target"
        source.write_bytes(b"from a file")
        store.put("deep/er/thing.bin", source, "text/plain")
        assert store.fetch("deep/er/thing.bin", target)
        store.put("deep/er/thing.bin", b"newer")
        assert target.read_bytes() == b"from a file"
        assert store.fetch("deep/er/thing.bin", target)
        assert target.read_bytes() == b"newer"
        assert [path.name for path in target.parent.iterdir()] == ["target"]

    def test_a_list_is_sorted_and_has_sizes_and_times(self, store: Store) -> None:
        """By key, with the bytes of each and when it was written."""
        before = datetime.now(tz=UTC) - timedelta(minutes=2)
        for number, key in enumerate(["b", "a/10", "a-1", "a/2", "B", "report (1).html", "ä.txt"]):
            store.put(key, b"x" * number)
        found = store.listed()
        assert [each.key for each in found] == ["B", "a-1", "a/10", "a/2", "b", "report (1).html", "ä.txt"]
        assert [each.size for each in found] == [4, 2, 1, 3, 0, 5, 6]
        assert all(before < each.written < before + timedelta(hours=1) for each in found)

    def test_a_prefix_need_not_end_at_a_slash(self, store: Store) -> None:
        """It is the beginning of a key; with a slash at its end it takes no neighbour with it."""
        for key in ("run/1", "run/12", "run2/1", "other"):
            store.put(key, b"")
        assert [each.key for each in store.listed("run")] == ["run/1", "run/12", "run2/1"]
        assert [each.key for each in store.listed("run/")] == ["run/1", "run/12"]
        assert [each.key for each in store.listed("run/12")] == ["run/12"]

    def test_a_part_sees_only_what_is_below(self, store: Store) -> None:
        """Its keys begin below; a neighbour whose name begins alike is no part of it; the same thing is seen twice."""
        part = store.below("runs")
        part.put("1.json", b"one")
        store.put("runs2/1.json", b"neighbour")
        store.below("runs/deep").put("x", b"deep")
        assert store.get("runs/1.json") == b"one"
        assert [each.key for each in part.listed()] == ["1.json", "deep/x"]
        part.delete(["1.json", "2.json"])
        assert [each.key for each in store.listed()] == ["runs/deep/x", "runs2/1.json"]
        assert part.address.startswith(store.address)
        assert part.address.endswith("runs")

    def test_put_new_writes_what_is_not_there(self, store: Store) -> None:
        """The first wins, and nobody else changes it; after it is deleted there is a first one again."""
        assert store.put_new("locks/run.lock", b"one") is True
        assert store.put_new("locks/run.lock", b"one") is False
        assert store.put_new("locks/run.lock", b"two") is False
        assert store.get("locks/run.lock") == b"one"
        store.delete(["locks/run.lock"])
        assert store.put_new("locks/run.lock", b"three") is True

    def test_of_several_who_put_new_at_once_one_wins(self, store: Store) -> None:
        """Whoever is told so finds its own content, also when all would write the same."""
        for round_, same in enumerate((True, False)):
            start, won = threading.Barrier(AT_ONCE), list[int]()

            def try_it(
                number: int, *, key: str = f"claims/{round_}", start: threading.Barrier = start,
                won: list[int] = won, same: bool = same,
            ) -> None:  # fmt: skip
                start.wait(30)
                if store.put_new(key, b"same" if same else str(number).encode()):
                    won.append(number)

            _together(try_it)
            assert len(won) == 1
            assert store.get(f"claims/{round_}") == (b"same" if same else str(won[0]).encode())

    def test_writers_and_removers_at_once_do_not_disturb_each_other(self, store: Store) -> None:
        """A neighbour's end is no reason for a failure, and a reader sees the old one or the new one, whole."""
        bad: list[object] = []

        def work(number: int) -> None:
            for turn in range(5):
                content = bytes([number]) * 5000
                try:
                    store.put(f"same/place/{number}", content)
                    store.put("shared", content)
                    seen = store.get("shared")
                    if seen is None or len(set(seen)) != 1 or len(seen) != len(content):
                        bad.append(seen)
                    store.delete([f"same/place/{number}"])
                except Exception as error:  # noqa: BLE001 - whatever it is, the test shows it
                    bad.append((turn, error))

        _together(work)
        assert bad == []
        assert [each.key for each in store.listed()] == ["shared"]

    def test_a_key_that_no_store_takes_is_refused(self, store: Store, tmp_path: Path) -> None:
        """By every method, before anything is written: nothing leads out of a store."""
        calls: list[Callable[[str], object]] = [
            lambda key: store.put(key, b"x"),
            lambda key: store.put_new(key, b"x"),
            store.get,
            lambda key: store.fetch(key, tmp_path / "target"),
            lambda key: store.delete([key]),
            store.below,
            store.link,
        ]
        for key in BAD:
            for call in calls:
                with pytest.raises(ConfigError):
                    call(key)
        for prefix in ("..", "../a", "/a", "a/../b"):
            with pytest.raises(ConfigError):
                store.listed(prefix)
        assert list(store.listed()) == []

    def test_a_file_that_is_not_there_cannot_be_put(self, store: Store, tmp_path: Path) -> None:
        """The error names it, and nothing is written."""
        with pytest.raises(CloudUnavailable, match="absent"):
            store.put("thing", tmp_path / "absent")
        assert store.get("thing") is None

    def test_a_link_is_an_address(self, store: Store) -> None:
        """For people, without spaces, and another one for each thing."""
        links = {store.link(key) for key in ("a.html", "b/a.html", "b/c d.html")}
        assert len(links) == 3
        assert all("://" in link and " " not in link for link in links)


def _together(work: Callable[[int], None]) -> None:
    threads = [threading.Thread(target=work, args=(number,)) for number in range(AT_ONCE)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
