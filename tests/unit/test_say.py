"""Events and errors in words, for people who watch."""

from __future__ import annotations

import io
from datetime import UTC, datetime

import pytest

from runnerkit.cli.say import SENTENCES, Narrator, dollars, refusal_lines, tell_error
from runnerkit.errors import ConfigError, NoCapacity
from runnerkit.events import Event, JobWaiting, PassEnded, RunnerOnline
from runnerkit.model import Breadth, Market, Refusal
from tests.unit.test_events import KINDS, an_event

# Logs have them; people at work do not want them.
QUIET = {kind for kind in KINDS if kind.__name__ in {"RunnerAgeUnknown", "BakeStageBegan", "BakeOutput"}}
AT = datetime(2026, 1, 1, tzinfo=UTC)


def refusal(type_: str, zone: str, market: Market = Market.SPOT, code: str = "InsufficientInstanceCapacity") -> Refusal:
    return Refusal(code, Breadth.POOL, type_, "eu-west-1", zone, market, AT)


def test_every_event_has_a_sentence() -> None:
    """No kind of event is silent, and no sentence is left over from one that is gone."""
    assert set(KINDS) == set(SENTENCES)


@pytest.mark.parametrize("kind", KINDS)
def test_every_sentence_says_whom_it_is_about(kind: type[Event]) -> None:
    """It can be said of any event of its kind, names its first fact and is one line, whatever it quotes."""
    stream, event = io.StringIO(), an_event(kind)
    Narrator(stream).emit(event)
    if kind in QUIET:
        assert stream.getvalue() == ""
        return
    first = next(iter(event.as_dict().items()))
    assert first[0] == "event"
    subject = next(str(value) for key, value in event.as_dict().items() if key != "event")
    assert " ".join(subject.split()) in stream.getvalue()
    assert ["\n"] == [sign for sign in stream.getvalue() if sign == "\n"]


def test_what_every_pass_says_again_is_told_when_it_changes() -> None:
    """A job that waits for hours is a line for each reason, not for each pass; other jobs and other news are told."""
    stream = io.StringIO()
    narrator = Narrator(stream)
    for job, why in ((1, "a cap"), (2, "a cap"), (1, "a cap"), (1, "a budget"), (1, "a budget"), (1, "a cap")):
        narrator.emit(JobWaiting(job, "acme/widgets", why))
        narrator.emit(PassEnded(2, 0, 0, 0, 0.1 * job))
    narrator.emit(RunnerOnline("rk-7-1", 31.4))
    narrator.emit(RunnerOnline("rk-7-1", 31.4))
    told = [line.split(": ", 1) for line in stream.getvalue().splitlines()]
    jobs = [(who.split()[1], what) for who, what in told if who.startswith("job")]
    assert [("1", "waits: a cap"), ("2", "waits: a cap"), ("1", "waits: a budget"), ("1", "waits: a cap")] == jobs
    assert 2 == stream.getvalue().count("online after")
    assert 1 == stream.getvalue().count("pass done")


def test_an_unknown_event_is_passed_over() -> None:
    """An event of somebody else's making is no failure of the narrator."""

    class Other(Event):
        pass

    stream = io.StringIO()
    Narrator(stream).emit(Other())
    assert "" == stream.getvalue()


def test_a_sentence_reads_as_one() -> None:
    """Seconds are whole, prices have a unit, and an unknown price says so."""
    stream = io.StringIO()
    Narrator(stream).emit(RunnerOnline("rk-7-1", 31.4))
    assert "rk-7-1: online after 31 s\n" == stream.getvalue()
    assert ("$0.210/h", "price unknown") == (dollars(0.2104), dollars(None))


def test_an_error_says_what_and_what_next() -> None:
    """The message, then the hint; no hint, no line."""
    stream = io.StringIO()
    tell_error(ConfigError("the key is wrong", hint="spell it right"), stream)
    tell_error(ConfigError("the key is wrong"), stream)
    assert "error: the key is wrong\nhint: spell it right\nerror: the key is wrong\n" == stream.getvalue()


def test_refusals_are_a_table_without_repetitions() -> None:
    """One aligned line for each pool and code, however often it was refused; what is unknown says so."""
    lines = refusal_lines(
        [
            refusal("g4dn.xlarge", "eu-west-1a"),
            refusal("g4dn.xlarge", "eu-west-1a"),
            refusal("g5.xlarge", "eu-west-1b", Market.ON_DEMAND, "VcpuLimitExceeded"),
            refusal("", ""),
        ]
    ).splitlines()
    assert [
        "  g4dn.xlarge  eu-west-1a  spot       InsufficientInstanceCapacity",
        "  g5.xlarge    eu-west-1b  on-demand  VcpuLimitExceeded",
        "  any type     any zone    spot       InsufficientInstanceCapacity",
    ] == lines


def test_no_capacity_shows_who_refused() -> None:
    """Between message and hint stands the table; without refusals there is none."""
    stream = io.StringIO()
    tell_error(NoCapacity("all refused", refusals=[refusal("g5.xlarge", "eu-west-1a")], hint="wait"), stream)
    first, table, last = stream.getvalue().splitlines()
    assert ("error: all refused", "hint: wait") == (first, last)
    assert "g5.xlarge" in table
    assert 1 == len(_told(NoCapacity("none left")).splitlines())


def _told(error: NoCapacity) -> str:
    stream = io.StringIO()
    tell_error(error, stream)
    return stream.getvalue()
