"""What ends the machine, and when. Pure: times come in as numbers, nothing is read or done here.

All moments are monotonic seconds: a clock that jumps changes nothing here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

WAIT = "wait"
INTERRUPT = "interrupt"
END = "end"
# Source: GitHub's limits of self-hosted runners: no job lasts longer.
LONGEST = 5 * 86_400
LONGEST_POLL = 60


class BootFailed(Exception):
    """The machine cannot do its work; the message says why, for the console."""


class Rules(NamedTuple):
    """The deadlines, in seconds; all can be set in ``machine.json``."""

    online_within: float
    idle: float
    life: float
    poll: float = 5
    interrupt_before: float = 25
    after_notice: float = 60
    stopped: float = 300
    finish: float = 600
    stop_grace: float = 60

    @classmethod
    def of(cls, machine: Mapping[str, Any]) -> Rules:
        """The rules in a ``machine.json``.

        Raises:
            BootFailed: One is missing, is no positive number, or would let a machine live on and on.
        """
        given = {name: machine[name] for name in cls._fields if name in machine}
        for name, value in given.items():
            most = LONGEST_POLL if name == "poll" else LONGEST
            if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value <= most:
                raise BootFailed(f"machine.json: {name} is {value!r}, not a number of seconds up to {most}")
        missing = {"online_within", "idle", "life"} - set(given)
        if missing:
            raise BootFailed(f"machine.json lacks {', '.join(sorted(missing))}")
        return cls(**given)


class Listener(NamedTuple):
    """GitHub's process on this machine. ``busy``: it has a child, so a job or an update is under way."""

    started_at: float
    busy: bool = False


class View(NamedTuple):
    """What the guard sees at one moment.

    ``silent_since`` is when the listener was first seen stopped or gone, ``completed_at`` when the completed hook was
    first seen to have run, ``notice_at`` the end that AWS announced, ``interrupted_at`` when we stopped the listener.
    """

    now: float
    begun: float
    listener: Listener | None = None
    job_started: bool = False
    completed_at: float | None = None
    silent_since: float | None = None
    notice_at: float | None = None
    interrupted_at: float | None = None


class Step(NamedTuple):
    """What to do now, and why."""

    kind: str
    reason: str = ""


def decide(view: View, rules: Rules) -> Step:
    """Wait, interrupt the listener (so that a job fails in seconds instead of minutes), or power off."""
    if view.notice_at is not None:
        return _on_notice(view, view.notice_at, rules)
    if view.interrupted_at is not None:
        late = view.now - view.interrupted_at >= rules.stop_grace
        return Step(END, "the listener did not stop when told to") if late else Step(WAIT)
    if view.now - view.begun >= rules.life - min(rules.stop_grace, rules.life / 10):
        return Step(INTERRUPT, f"the machine reached its lifetime of {rules.life:g} s")
    if view.listener is None:
        late = view.now - view.begun >= rules.online_within
        return Step(END, f"no listener within {rules.online_within:g} s") if late else Step(WAIT)
    return _with_listener(view, view.listener, rules)


def _with_listener(view: View, listener: Listener, rules: Rules) -> Step:
    if view.silent_since is not None and view.now - view.silent_since >= rules.stopped:
        return Step(END, f"the listener has been stopped for {rules.stopped:g} s")
    if view.completed_at is not None and view.now - view.completed_at >= rules.finish:
        return Step(INTERRUPT, f"the job is over, but the listener stayed for {rules.finish:g} s")
    unused = not view.job_started and not listener.busy
    if unused and view.now - listener.started_at >= rules.idle:
        return Step(INTERRUPT, f"no job came within {rules.idle:g} s")
    return Step(WAIT)


def _on_notice(view: View, notice_at: float, rules: Rules) -> Step:
    left = notice_at - view.now
    if left <= -rules.after_notice:
        return Step(END, "AWS announced to take the machine, but did not")
    if view.interrupted_at is not None:
        return Step(WAIT)
    if left <= rules.interrupt_before:
        return Step(INTERRUPT, f"AWS takes the machine in {max(left, 0):.0f} s")
    if not view.job_started and not (view.listener and view.listener.busy):
        return Step(INTERRUPT, "AWS takes the machine, and no job is running")
    return Step(WAIT)


def may_start(view: View) -> str:
    """Why the listener must not be started (again); empty when it may. It serves one job."""
    if view.job_started:
        return "its one job has started already"
    if view.interrupted_at is not None or view.notice_at is not None:
        return "the machine is about to end"
    return ""


def end_after(notice_at: float, now: float, rules: Rules) -> float:
    """How many seconds to wait before powering off, once the listener is gone for good.

    After a notice AWS is given the time to take the machine itself: then its state reason says so.
    """
    return max(0.0, notice_at + rules.after_notice - now)


# Source: the runner's own exit codes (actions/runner, Constants.cs); 203 is systemd's.
_MEANINGS = {
    "0": "the listener left before a job came: GitHub no longer knows this runner",
    "1": "the listener refused its configuration, or GitHub refused the runner",
    "2": "the listener failed again and again; is GitHub reachable from here?",
    "3": "the runner's update did not come to an end",
    "4": "the runner's update did not come to an end",
    "5": "GitHub says that this runner is connected from elsewhere",
    "203": "the listener cannot be executed: the runner in this image is damaged",
    "7": "GitHub no longer accepts this version of the runner: bake a new image",
}


def last_words(status: str | None, *, job_started: bool, interrupted: str) -> str:
    """Why the machine ends, from the listener's exit status, the mark of the job, and our own interruption."""
    if interrupted:
        return interrupted
    if status is None:
        return "the machine could not start the listener"
    if job_started:
        return "the job is over" if status == "0" else f"the job is over, the listener left with {status}"
    return _MEANINGS.get(status, f"the listener left with {status} before a job came")
