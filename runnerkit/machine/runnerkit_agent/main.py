"""The agent's commands, one for each place in the units that calls it."""

from __future__ import annotations

import os
import sys
import time
from typing import TYPE_CHECKING

from .guard import Guard, look, power_off
from .imds import Imds
from .machine import RUNNER_UNIT, Paths, read_json, run, say, stamp, started_ticks
from .prepare import prepare
from .rules import BootFailed, Rules, end_after, last_words, may_start

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

UPDATING = ("3", "4")
UPDATE_WITHIN = 30


def guard(paths: Paths, environ: Mapping[str, str]) -> None:
    """Watch over the machine."""
    Guard(paths, _rules(paths), environ, Imds(environ)).watch()


def before_listener(paths: Paths, _environ: Mapping[str, str]) -> None:
    """Refuse a start that could only fail, and wait for the runner's own update, as its start script does."""
    refused = may_start(look(paths)[0])
    if refused:
        raise BootFailed(f"the listener is not started again: {refused}")
    left = read_json(paths.left)
    if left is None or left.get("status") not in UPDATING:
        return
    done = paths.runner / "update.finished"
    for _ in range(UPDATE_WITHIN):
        if done.exists():
            break
        time.sleep(1)
    done.unlink(missing_ok=True)


def listener_started(paths: Paths, environ: Mapping[str, str]) -> None:
    """Note the listener's process, take the JIT configuration away, and call off the deadline of the boot."""
    pid = int(environ["MAINPID"])
    stamp(paths.listener, pid=pid, ticks=started_ticks(paths.proc, pid))
    paths.environment.unlink(missing_ok=True)
    run(["systemctl", "stop", "runnerkit-boot*.timer"])


def listener_left(paths: Paths, environ: Mapping[str, str]) -> None:
    """Note how the listener left: its exit status, or the signal that ended it."""
    status = environ.get("EXIT_STATUS", "")
    say(f"the listener left: {environ.get('SERVICE_RESULT', '')} {environ.get('EXIT_CODE', '')} {status}")
    if status:
        stamp(paths.left, status=status)


def end(paths: Paths, _environ: Mapping[str, str]) -> None:
    """Decide how the machine ends now that the listener is gone, or could not be started."""
    # On its way to a restart systemd passes through "inactive", and starts this unit as if that were the end.
    shown = run(["systemctl", "show", "--property=ActiveState", "--property=Job", RUNNER_UNIT])
    said = dict(line.partition("=")[::2] for line in shown.splitlines())
    if said.get("ActiveState") in ("active", "activating", "reloading") or said.get("Job"):
        say("the listener comes back")
        return
    view, _ = look(paths)
    left = (read_json(paths.left) or {}).get("status")
    interrupted = (read_json(paths.interrupted) or {}).get("reason", "")
    reason = last_words(left, job_started=view.job_started, interrupted=interrupted)
    seconds = 0.0 if view.notice_at is None else end_after(view.notice_at, view.wall, _rules(paths))
    if seconds:
        say(f"waiting {seconds:.0f} s for AWS to take the machine")
        time.sleep(seconds)
    power_off(reason)


def _rules(paths: Paths) -> Rules:
    return Rules.of(read_json(paths.machine) or {})


COMMANDS: dict[str, Callable[[Paths, Mapping[str, str]], None]] = {
    "prepare": prepare,
    "guard": guard,
    "before-listener": before_listener,
    "listener-started": listener_started,
    "listener-left": listener_left,
    "end": end,
}


def main(argv: list[str], environ: Mapping[str, str]) -> int:
    """Run one command. A failure is one line on the console, and the unit that called decides what follows."""
    if len(argv) != 1 or argv[0] not in COMMANDS:
        print(f"commands: {', '.join(COMMANDS)}", file=sys.stderr)
        return 2
    try:
        COMMANDS[argv[0]](Paths(environ), environ)
    except (BootFailed, OSError, ValueError, KeyError) as error:
        say(f"{argv[0]} failed: {error}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], os.environ))
