from __future__ import annotations

import json
import re
import subprocess
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


def test_answers_that_overlap_are_taken_off_once(bench: Callable[[str], Any]) -> None:
    """Of two seconds, what at least one answer covered; what was before or after does not count."""
    spans = [(9.0, 10.25), (10.5, 11.0), (10.75, 11.25), (10.6, 10.7), (11.9, 14.0), (20.0, 30.0)]
    assert 1.1 == pytest.approx(bench("figures").covered(spans, 10.0, 12.0))
    assert 0.0 == bench("figures").covered([], 10.0, 12.0)


def test_the_percentile_is_that_of_all_answers(bench: Callable[[str], Any]) -> None:
    """Of two hundred answers two may be slower."""
    assert 0.02 == bench("figures").percentile([9.0, *[0.01] * 197, 9.0, 0.02], 0.99)
    assert 3.0 == bench("figures").percentile([3.0], 0.99)


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


def test_what_was_not_measured_misses_no_limit(bench: Callable[[str], Any]) -> None:
    """The table says that it was not measured, and the run does not fail for it."""
    figure = bench("figures").Figure("the guard", None, "MB", 20.0)
    assert figure.ok
    assert ("the guard", "not measured", "at most 20 MB", "", "") == figure.cells
    assert figure.as_dict()["measured"] is None


def test_without_nspawn_the_machines_are_not_measured_and_the_reason_is_said(
    bench: Callable[[str], Any], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every limit of the benchmark is in the table all the same."""
    monkeypatch.setenv("PATH", "/nonexistent")
    figures = bench("machine").measure()
    assert {(each.value, each.limit) for each in figures} == {(None, 1.0), (None, 20.0), (None, 0.1)}
    assert re.search("not measured: .*(installed|root|Linux)", capsys.readouterr().err)


SHOWN = """\
ExecMainStartTimestampMonotonic=10000000
ExecMainExitTimestampMonotonic=12000000
Id=cloud-final.service
InactiveExitTimestampMonotonic=9990000

ExecMainStartTimestampMonotonic=10500000
ExecMainExitTimestampMonotonic=10700000
Id=runnerkit-prepare.service
InactiveExitTimestampMonotonic=10490000

ExecMainStartTimestampMonotonic=10900000
ExecMainExitTimestampMonotonic=0
Id=runnerkit-runner.service
InactiveExitTimestampMonotonic=10710000
"""


def test_the_parts_of_a_boot_are_read_from_units_and_add_up(bench: Callable[[str], Any]) -> None:
    """What did not happen yet is left out, and no second between the final stage and the listener is lost."""
    stamps = bench("stamps")
    times = stamps.unit_times(SHOWN)
    assert times[stamps.FINAL, stamps.BEGUN] == 9.99
    assert (stamps.RUNNER, stamps.EXITED) not in times
    said = "Cloud-init v. 22.4.2 running 'modules:final' at Sun, 22 Nov 2026 05:08:29 +0000. Up 10.25 seconds.\n"
    spent = stamps.parts(times, stamps.final_modules(said))
    assert [pytest.approx(each) for each in spent.values()] == [0.26, 0.24, 0.21, 0.2]
    assert sum(spent.values()) == pytest.approx(times[stamps.RUNNER, stamps.STARTED] - 9.99)


def test_cloud_init_that_is_not_done_is_no_measurement(bench: Callable[[str], Any]) -> None:
    """Without the line of the final stage there is an error."""
    with pytest.raises(ValueError, match="final stage"):
        bench("stamps").final_modules("running 'modules:config' at ... Up 9.00 seconds")


@pytest.mark.parametrize(
    "line",
    [
        "systemd-logind[96]: The system will power off now!",
        "systemd-logind[96]: System is powering down.",
        "systemd[1]: Shutting down.",
    ],
)
def test_the_beginning_of_a_power_off_is_read_from_the_console(bench: Callable[[str], Any], line: str) -> None:
    """The first line counts that only a power-off brings, not what the agent says of it beforehand."""
    before = "[  100.5] systemd[1]: Started it.\n[  101.0] python3[7]: runnerkit: powering off: the job is over\n"
    begun = bench("stamps").power_off_begun
    assert begun(before) is None
    assert begun(f"{before}[  102.25] {line}\n[  109.0] systemd[1]: Shutting down.\n") == 102.25


def test_memory_and_processor_time_are_read_as_the_kernel_gives_them(bench: Callable[[str], Any]) -> None:
    """Resident and proportional memory in MB; processor time by the nanosecond, or by ticks where there is no finer."""
    stamps = bench("stamps")
    assert stamps.memory("7f0-7f1 ---p 0 00:00 0 [rollup]\nRss:      20480 kB\nPss:      5120 kB\n") == (20.0, 5.0)
    stat = "7 (a) b) S 1 7 7 0 -1 0 0 0 0 0 120 30 40 10 20 0 1 0"
    assert stamps.processor_seconds(stat, "1400000000 5 9\n", 100) == pytest.approx(1.4 + 0.5)
    assert stamps.processor_seconds(stat, "0 0 0\n", 100) == pytest.approx(1.5 + 0.5)


def test_others_boot_scripts_are_scripts_and_take_nothing_from_a_network(bench: Callable[[str], Any]) -> None:
    """The shell can read them, their files included, and they call neither AWS's program nor GitHub's API."""
    rivals = bench("rivals")
    for rival in rivals.RIVALS:
        texts = [text for text, _ in rival.files("SklU").values()] + _scripts(rival.user_data("SklU").decode())
        scripts = [text for text in texts if text.startswith("#!")]
        assert any("run.sh --jitconfig" in text for text in scripts), rival.name
        for text in scripts:
            subprocess.run(["/bin/bash", "-n"], input=text, text=True, check=True)
            assert not re.search(r"\baws |api\.github|\b(apt-get|dnf)\b", text), rival.name


def _scripts(user_data: str) -> list[str]:
    if not user_data.startswith("#cloud-config\n"):
        return [user_data]
    return [file["content"] for file in json.loads(user_data.removeprefix("#cloud-config\n"))["write_files"]]
