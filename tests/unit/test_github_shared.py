"""One reading for many askers, and which runs are not over."""

from __future__ import annotations

import threading
from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from runnerkit.github.active import EVERY_STATUS, Watch
from runnerkit.github.shared import Shared
from runnerkit.history import Run
from runnerkit.testing import FakeClock

REPO = "acme/train"


class Counter:
    """Reads, and counts how often."""

    def __init__(self) -> None:
        self.reads = 0

    def __call__(self) -> int:
        """The number of this reading."""
        self.reads += 1
        return self.reads


def run(number: int, status: str = "queued") -> Run:
    """A run with a status."""
    return Run(number, REPO, status, 1, datetime(2026, 11, 21, tzinfo=UTC))


def look(watch: Watch, newest: list[Run], listed: dict[str, list[Run]] | None = None) -> list[int]:
    """One look with these lists; gives the ids of the runs that are not over."""
    watch.begin()
    watch.add(newest)
    gap = not watch.reaches_back(newest)
    for status in watch.statuses(gap=gap):
        watch.add((listed or {}).get(status, []))
    return [each.id for each in watch.end()]


# --- one reading for many ---------------------------------------------------------------------------------------------


def test_fifty_askers_share_a_reading() -> None:
    """A pass over an organisation reads its list once, and so does the next pass."""
    shared: Shared[int] = Shared(FakeClock())
    read = Counter()
    for passed in (1, 2):
        assert {shared.take("acme", f"repo {number}", read) for number in range(50)} == {passed}
    assert read.reads == 2


def test_who_asks_again_gets_a_new_reading() -> None:
    """Nobody is told twice what was read once."""
    shared: Shared[int] = Shared(FakeClock())
    read = Counter()
    assert [shared.take("acme", "one", read) for _ in range(3)] == [1, 2, 3]


def test_a_reading_grows_old() -> None:
    """A few seconds later it answers for nobody any more."""
    clock = FakeClock()
    shared: Shared[int] = Shared(clock)
    read = Counter()
    shared.take("acme", "one", read)
    clock.advance(6)
    assert shared.take("acme", "two", read) == 2


def test_places_are_told_apart() -> None:
    """Each has a list of its own."""
    shared: Shared[str] = Shared(FakeClock())
    assert shared.take("a", "one", lambda: "of a") == "of a"
    assert shared.take("b", "one", lambda: "of b") == "of b"
    assert shared.take("a", "two", lambda: "again") == "of a"


def test_threads_wait_for_one_reading() -> None:
    """Eight at once ask GitHub once."""
    shared: Shared[int] = Shared(FakeClock())
    read, start = Counter(), threading.Barrier(8)
    got: list[int] = []

    def ask(asker: str) -> None:
        start.wait(10)
        got.append(shared.take("acme", asker, read))

    threads = [threading.Thread(target=ask, args=(f"repo {number}",)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert (got, read.reads) == ([1] * 8, 1)


def test_a_failed_reading_is_not_kept() -> None:
    """The next asker tries again."""
    shared: Shared[int] = Shared(FakeClock())

    def fail() -> int:
        raise OSError

    for _ in range(2):
        try:
            shared.take("acme", "one", fail)
        except OSError:
            continue
        raise AssertionError
    assert shared.take("acme", "one", lambda: 7) == 7


# --- runs that are not over -------------------------------------------------------------------------------------------


def test_the_first_look_reads_every_list() -> None:
    """Whatever state an old run is in, it is found."""
    watch = Watch()
    watch.begin()
    watch.reaches_back([])
    assert watch.statuses(gap=False) == EVERY_STATUS


def test_later_looks_read_one_list_in_turn() -> None:
    """Queued every other time; all lists that may hold a run were read within six looks."""
    watch = Watch()
    look(watch, [])
    turns: list[str] = []
    for _ in range(6):
        watch.begin()
        turns += watch.statuses(gap=False)
        watch.end()
    assert turns[::2] == ["queued"] * 3
    assert set(turns) == {"queued", "waiting", "pending", "in_progress"}


def test_a_first_look_that_failed_is_taken_again() -> None:
    """Only a look that ended counts."""
    watch = Watch()
    watch.begin()
    watch.add([run(5)])
    watch.begin()
    assert watch.statuses(gap=False) == EVERY_STATUS


def test_a_gap_to_the_look_before_reads_every_list() -> None:
    """More new runs came than may be read one by one."""
    watch = Watch()
    look(watch, [run(5, "completed")])
    watch.begin()
    assert not watch.reaches_back([run(90), run(80)])
    assert watch.statuses(gap=True) == EVERY_STATUS


def test_what_is_told_later_in_a_look_holds() -> None:
    """A run that ended long ago, by a list that lags, was started again meanwhile by one that does not."""
    watch = Watch()
    assert look(watch, [run(5, "completed")], {"queued": [run(5)]}) == [5]
    assert look(watch, [run(5, "completed")]) == []


@given(
    st.lists(st.lists(st.tuples(st.integers(1, 60), st.sampled_from(["queued", "waiting", "completed"]))), max_size=8)
)
def test_no_run_is_lost_unless_it_was_told_to_be_over(looks: list[list[tuple[int, str]]]) -> None:
    """Whatever the lists show or leave out: the last word on a run counts, and silence is no word."""
    watch = Watch()
    last: dict[int, str] = {}
    found: list[int] = []
    for rows in looks:
        last.update(rows)
        found = look(watch, [run(number, status) for number, status in rows])
    assert set(found) == {number for number, status in last.items() if status != "completed"}
