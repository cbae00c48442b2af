"""What ends a machine and when: the agent's decisions, by table, with the time as an argument."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runnerkit.machine.runnerkit_agent.rules import (
    END,
    INTERRUPT,
    WAIT,
    BootFailed,
    Listener,
    Rules,
    View,
    decide,
    end_after,
    last_words,
    may_start,
)

RULES = Rules(online_within=300, idle=240, life=7200)
# The machine was prepared at 1000 s of its clock, the listener runs since 1030.
BEGUN = 1000.0
BOOTING = View(now=BEGUN, begun=BEGUN)
ONLINE = BOOTING._replace(listener=Listener(started_at=1030))
RUNNING = ONLINE._replace(job_started=True, listener=Listener(started_at=1030, busy=True))


def at(view: View, now: float, **changes: object) -> View:
    """The view so many seconds after the machine was prepared."""
    moment: dict[str, Any] = {"now": BEGUN + now, **changes}
    return view._replace(**moment)


@pytest.mark.parametrize(
    ("view", "kind", "reason"),
    [
        pytest.param(at(BOOTING, 299), WAIT, "", id="booting"),
        pytest.param(at(BOOTING, 300), END, "no listener within 300 s", id="never started"),
        pytest.param(at(ONLINE, 269), WAIT, "", id="waits for its job"),
        pytest.param(at(ONLINE, 270), INTERRUPT, "no job came within 240 s", id="idle since its start"),
        pytest.param(at(ONLINE, 400, listener=Listener(1030, busy=True)), WAIT, "", id="a worker runs before the mark"),
        pytest.param(at(RUNNING, 7000), WAIT, "", id="a job runs long after idle"),
        pytest.param(at(RUNNING, 7000, listener=Listener(1030)), WAIT, "", id="a job's mark is enough"),
        pytest.param(at(RUNNING, 7139), WAIT, "", id="just before the lifetime"),
        pytest.param(at(RUNNING, 7140), INTERRUPT, "lifetime of 7200 s", id="lifetime: a minute for the job to fail"),
        pytest.param(at(BOOTING, 7140), INTERRUPT, "lifetime", id="lifetime without a listener"),
        pytest.param(at(RUNNING, 900, silent_since=BEGUN + 601), WAIT, "", id="stopped for 299 s"),
        pytest.param(at(RUNNING, 900, silent_since=BEGUN + 600), END, "stopped for 300 s", id="stopped for 300 s"),
        pytest.param(at(RUNNING, 900, completed_at=BEGUN + 301), WAIT, "", id="the job's end is being written"),
        pytest.param(at(RUNNING, 900, completed_at=BEGUN + 300), INTERRUPT, "listener stayed", id="lingers"),
        pytest.param(at(RUNNING, 959, interrupted_at=BEGUN + 900), WAIT, "", id="told to go, still within grace"),
        pytest.param(at(RUNNING, 960, interrupted_at=BEGUN + 900), END, "did not stop", id="told to go, did not"),
    ],
)
def test_what_ends_a_machine(view: View, kind: str, reason: str) -> None:
    """Each deadline, one second before it and when it is reached."""
    step = decide(view, RULES)
    assert step.kind == kind
    assert reason in step.reason


@pytest.mark.parametrize(
    ("view", "left", "kind", "reason"),
    [
        pytest.param(RUNNING, 120, WAIT, "", id="the job saves itself"),
        pytest.param(RUNNING, 26, WAIT, "", id="still saving"),
        pytest.param(RUNNING, 25, INTERRUPT, "in 25 s", id="the job must fail now to fail in time"),
        pytest.param(RUNNING, -5, INTERRUPT, "in 0 s", id="the notice came late"),
        pytest.param(ONLINE, 120, INTERRUPT, "no job is running", id="nothing to save"),
        pytest.param(ONLINE._replace(listener=Listener(1030, busy=True)), 120, WAIT, "", id="a job is just starting"),
        pytest.param(BOOTING, 120, INTERRUPT, "no job is running", id="not even started"),
        pytest.param(RUNNING._replace(interrupted_at=BEGUN), 10, WAIT, "", id="interrupted once only"),
        pytest.param(RUNNING._replace(interrupted_at=BEGUN), -59, WAIT, "", id="AWS is given a minute"),
        pytest.param(RUNNING._replace(interrupted_at=BEGUN), -60, END, "AWS announced", id="AWS did not come"),
        pytest.param(RUNNING, -60, END, "AWS announced", id="the guard was away"),
    ],
)
def test_what_an_interruption_notice_does(view: View, left: float, kind: str, reason: str) -> None:
    """A notice sets every other deadline aside, and nothing powers off before AWS had its time."""
    for elapsed in (50.0, 7000.0, 9000.0):
        now = at(view, elapsed)
        step = decide(now._replace(notice_at=now.now + left), RULES)
        assert step.kind == kind
        assert reason in step.reason


times = st.floats(0, 20_000, allow_nan=False)
maybe = st.none() | times.map(lambda t: BEGUN + t)
views = st.builds(
    View,
    now=times.map(lambda t: BEGUN + t),
    begun=st.just(BEGUN),
    listener=st.none() | st.builds(Listener, started_at=times.map(lambda t: BEGUN + t), busy=st.booleans()),
    job_started=st.booleans(),
    completed_at=maybe,
    silent_since=maybe,
    notice_at=st.none() | times.map(lambda t: BEGUN + t),
    interrupted_at=maybe,
)


@given(views)
def test_no_machine_outlives_its_lifetime(view: View) -> None:
    """Without a notice, past the lifetime there is never nothing to do for longer than the grace."""
    late = view._replace(now=BEGUN + 20_100, notice_at=None)
    assert decide(late, RULES).kind in (END, INTERRUPT)


@given(views)
def test_a_running_job_is_never_powered_off_without_being_interrupted_first(view: View) -> None:
    """Unless its listener has been stopped or gone for minutes, or AWS's time has passed."""
    step = decide(view._replace(job_started=True, silent_since=None, interrupted_at=None, notice_at=None), RULES)
    assert step.kind != END or view.listener is None


@pytest.mark.parametrize(
    ("view", "refused"),
    [
        (ONLINE, ""),
        (RUNNING, "has started already"),
        (ONLINE._replace(interrupted_at=BEGUN), "about to end"),
        (ONLINE._replace(notice_at=BEGUN), "about to end"),
    ],
)
def test_a_listener_is_not_started_for_a_second_job(view: View, refused: str) -> None:
    """GitHub's listener can leave with the code for "try again" after a cancelled job; trying again would only fail."""
    assert refused in may_start(view)
    assert bool(may_start(view)) == bool(refused)


@pytest.mark.parametrize(("now", "seconds"), [(1000, 180), (1120, 60), (1179, 1), (1180, 0), (5000, 0)])
def test_after_an_interruption_aws_is_given_its_time(now: float, seconds: float) -> None:
    """Power-off comes a minute after the announced time, not before: else EC2 would not say "spot"."""
    assert end_after(1120, now, RULES) == seconds


@pytest.mark.parametrize(
    ("status", "started", "interrupted", "words"),
    [
        ("0", True, "", "the job is over"),
        ("0", False, "", "no longer knows this runner"),
        ("1", False, "", "refused"),
        ("2", False, "", "is GitHub reachable"),
        ("5", False, "", "connected from elsewhere"),
        ("7", False, "", "bake a new image"),
        ("203", False, "", "cannot be executed"),
        ("KILL", False, "", "left with KILL"),
        ("2", True, "", "the job is over, the listener left with 2"),
        (None, False, "", "could not start the listener"),
        ("0", True, "AWS takes the machine in 25 s", "AWS takes the machine in 25 s"),
    ],
)
def test_the_console_tells_why(status: str | None, started: bool, interrupted: str, words: str) -> None:
    """The last words name the cause as far as exit status and marks tell it."""
    assert words in last_words(status, job_started=started, interrupted=interrupted)


@pytest.mark.parametrize(
    ("machine", "problem"),
    [
        ({"online_within": 300, "idle": 240}, "lacks life"),
        ({"online_within": 300, "idle": "240", "life": 7200}, "idle is '240'"),
        ({"online_within": 300, "idle": 240, "life": 0}, "life is 0"),
        ({"online_within": True, "idle": 240, "life": 7200}, "online_within is True"),
        ({"online_within": 300, "idle": 240, "life": float("nan")}, "life is nan"),
        ({"online_within": 300, "idle": 240, "life": float("inf")}, "life is inf"),
        ({"online_within": 300, "idle": 240, "life": 432_001}, "life is 432001, not a number of seconds up to 432000"),
        ({"online_within": 300, "idle": 10**30, "life": 7200}, "idle is 10000"),
        ({"online_within": 300, "idle": 240, "life": 7200, "poll": 61}, "poll is 61, .* up to 60"),
        ({"online_within": 300, "idle": 240, "life": 7200, "stopped": -1}, "stopped is -1"),
    ],
)
def test_leases_that_cannot_be_used_are_a_boot_failure(machine: dict[str, Any], problem: str) -> None:
    """A machine without a usable lease must not start: nothing would ever end it."""
    with pytest.raises(BootFailed, match=problem):
        Rules.of(machine)


def test_every_deadline_can_be_set() -> None:
    """Tests and unusual images set the finer ones too; what else the file holds is not the rules' business."""
    rules = Rules.of({"online_within": 5, "idle": 2, "life": 60, "poll": 0.1, "stopped": 1, "name": "rk-1-1"})
    assert rules == Rules(online_within=5, idle=2, life=60, poll=0.1, stopped=1)
