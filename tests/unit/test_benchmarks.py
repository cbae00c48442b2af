from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

FOLDER = Path(__file__).parents[2] / "benchmarks"
PAGE = Path(__file__).parents[2] / "docs" / "performance.md"
HOLD_60_MB = "block = bytearray(60_000_000)"


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Any]:
    """Import one of the benchmarks' files, which are scripts and no package."""
    monkeypatch.syspath_prepend(str(FOLDER))
    return import_module


def test_a_spread_knows_its_ends_and_its_middle(bench: Callable[[str], Any]) -> None:
    """Least, median and most do not depend on the order, and an even number of values has its middle in between."""
    spread = bench("figures").Spread.of([4.0, 1.0, 2.0, 3.0])
    assert (1.0, 2.5, 4.0) == (spread.least, spread.middle, spread.most)


def test_nothing_measured_is_no_spread(bench: Callable[[str], Any]) -> None:
    """Without a measurement there is no figure, rather than a zero that is within every limit."""
    with pytest.raises(ValueError, match="nothing was measured"):
        bench("figures").Spread.of([])


@pytest.mark.parametrize(
    ("value", "limit", "exact", "ok"),
    [
        (2.0, 2.0, False, True),
        (2.1, 2.0, False, False),
        (2.0, 3.0, True, False),
        (3.0, 3.0, True, True),
        (9.9, None, False, True),
    ],
)
def test_a_limit_is_kept_or_missed(
    bench: Callable[[str], Any], value: float, limit: float | None, exact: bool, ok: bool
) -> None:
    """The limit itself is allowed; an exact one allows nothing else; without one nothing is missed."""
    assert ok == bench("figures").Figure("it", value, "calls", limit, exact=exact).ok


def test_one_outlier_does_not_change_a_ratio(bench: Callable[[str], Any]) -> None:
    """Ratios are taken of medians, so one disturbed run on either side does not count."""
    spread = bench("figures").Spread.of
    assert bench("figures").ratio(spread([2.0, 2.0, 90.0]), spread([1.0, 0.0, 1.0])) == 2.0


def test_a_figure_as_a_line_of_the_table(bench: Callable[[str], Any]) -> None:
    """The table says what, how much, the limit, the verdict, and what lies behind it."""
    figures = bench("figures")
    spread = figures.Spread.of([0.25, 0.5, 1.0])
    figure = figures.Figure("help", 0.5, "s", 0.3, spread=spread)
    assert ("help", "0.50 s", "at most 0.30 s", "missed", "0.25 / 0.50 / 1.00") == figure.cells
    assert "| help | 0.50 s | at most 0.30 s | missed | 0.25 / 0.50 / 1.00 |" in bench("page").block([figure], {})


def test_the_block_of_figures_is_replaced_and_nothing_else(bench: Callable[[str], Any]) -> None:
    """Writing figures leaves the rest of the page alone, and writing them twice changes nothing."""
    page = bench("page")
    before = f"head\n{page.BEGIN}\nold\n{page.END}\ntail\n"
    once = page.replaced(before, "new")
    assert once == f"head\n{page.BEGIN}\n\nnew\n\n{page.END}\ntail\n"
    assert once == page.replaced(once, "new")


@pytest.mark.parametrize("text", ["", "{end}{begin}", "{begin}{begin}{end}"])
def test_a_page_without_its_block_is_an_error(bench: Callable[[str], Any], text: str) -> None:
    """Figures are not written to a place nobody chose."""
    page = bench("page")
    with pytest.raises(ValueError, match="the page needs"):
        page.replaced(text.format(begin=page.BEGIN, end=page.END), "new")


def test_the_page_takes_figures(bench: Callable[[str], Any]) -> None:
    """``docs/performance.md`` has exactly one block of figures."""
    assert "these" in bench("page").replaced(PAGE.read_text(encoding="utf-8"), "these")


def test_a_process_is_measured_by_itself(bench: Callable[[str], Any]) -> None:
    """Peak memory is the command's own, however much the process that asks for it holds."""
    ballast = bytearray(150_000_000)
    took = bench("processes").took
    small, large = (took([sys.executable, "-c", code]) for code in ("", HOLD_60_MB))
    assert len(ballast) / 2**20 > large.megabytes
    assert 50 < large.megabytes - small.megabytes < 70
    assert 0 < small.seconds < 30


def test_a_command_that_fails_is_no_measurement(bench: Callable[[str], Any]) -> None:
    """A command that ends with an error is told with what it said, not timed."""
    with pytest.raises(RuntimeError, match="it broke"):
        bench("processes").took([sys.executable, "-c", "raise SystemExit('it broke')"])


def test_a_command_that_hangs_is_killed(bench: Callable[[str], Any]) -> None:
    """A command has a limit of its own, after which it is killed."""
    with pytest.raises(RuntimeError, match="ended with"):
        bench("processes").took([sys.executable, "-c", "import time; time.sleep(60)"], limit=0.5)


def test_the_crowd_has_every_phase_and_label_sets_of_all_sizes(bench: Callable[[str], Any]) -> None:
    """The world that is planned for is as mixed as it claims, and another seed shares no label set with it."""
    from runnerkit.phases import Phase, join, phase

    size = bench("plan_size")
    observed, demand = size.crowd(900, "one")
    _, others = size.crowd(900, "two")
    phases = {phase(pair, size.POLICY, size.NOW) for pair in join(observed)}
    assert set(Phase) - {Phase.ENDED} == phases
    sets = [frozenset((wish.place, *wish.job.labels)) for wish in demand]
    assert {sets.count(one) for one in set(sets)} > {1}
    assert set(sets).isdisjoint(frozenset((wish.place, *wish.job.labels)) for wish in others)
    assert (900, 900, 900) == (len(demand), len(observed.instances), len(observed.runners))
