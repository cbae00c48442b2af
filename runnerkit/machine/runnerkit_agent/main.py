"""The agent's commands, one for each place in the units that calls it.

What a command needs is imported when it is called: it runs while a job waits, or while an instance is paid for.
"""

from __future__ import annotations

import os
import sys
import time
from typing import TYPE_CHECKING

from .machine import RUNNER_UNIT, Paths, read_json, run, say, stamp, started_ticks, there
from .rules import BootFailed, Rules, end_after, last_words, may_start

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

UPDATING = ("3", "4")
UPDATE_WITHIN = 30
BACK = ("active", "reloading")
UNDECIDED = ("activating", "deactivating")
COMES_BACK_WITHIN = 150


def prepare(paths: Paths, environ: Mapping[str, str]) -> None:
    """Make the machine ready for its job."""
    from .prepare import prepare as make_ready

    make_ready(paths, environ)


def guard(paths: Paths, environ: Mapping[str, str]) -> None:
    """Watch over the machine."""
    from .guard import Guard
    from .imds import Imds

    Guard(paths, _rules(paths), environ, Imds(environ)).watch()


def before_listener(paths: Paths, _environ: Mapping[str, str]) -> None:
    """Refuse a start that could only fail, and wait for the runner's own update, as its start script does."""
    if not any(map(there, (paths.left, paths.notice, paths.interrupted))):
        return
    from .guard import look

    refused = may_start(look(paths)[0])
    if refused:
        raise BootFailed(f"the listener is not started again: {refused}")
    if (read_json(paths.left) or {}).get("status") not in UPDATING:
        return
    done = paths.runner / "update.finished"
    for _ in range(UPDATE_WITHIN):
        if done.exists():
            break
        time.sleep(1)
    done.unlink(missing_ok=True)


def listener_started(paths: Paths, environ: Mapping[str, str]) -> None:
    """Note the listener's process, take the JIT configuration away, and call off the deadline of the boot."""
    paths.environment.unlink(missing_ok=True)
    pid = int(environ["MAINPID"])
    stamp(paths.listener, pid=pid, ticks=started_ticks(paths.proc, pid))
    run(["systemctl", "stop", "runnerkit-boot*.timer"])
    if "=yes" in run(["systemctl", "show", "--property=NeedDaemonReload", RUNNER_UNIT]):
        # Something of the image's had this unit loaded before cloud-init added the lifetime to it.
        run(["systemctl", "daemon-reload"])


def listener_left(paths: Paths, environ: Mapping[str, str]) -> None:
    """Note how the listener left: its exit status, or the signal that ended it."""
    status = environ.get("EXIT_STATUS", "")
    say(f"the listener left: {environ.get('SERVICE_RESULT', '')} {environ.get('EXIT_CODE', '')} {status}")
    if status:
        stamp(paths.left, status=status)


def end(paths: Paths, _environ: Mapping[str, str]) -> None:
    """Decide how the machine ends now that the listener is gone, or could not be started."""
    from .guard import look, power_off

    if _comes_back():
        say("the listener comes back")
        return
    view, _ = look(paths)
    left = (read_json(paths.left) or {}).get("status")
    interrupted = (read_json(paths.interrupted) or {}).get("reason", "")
    reason = last_words(left, job_started=view.job_started, interrupted=interrupted)
    seconds = 0.0 if view.notice_at is None else end_after(view.notice_at, view.now, _rules(paths))
    if seconds:
        say(f"waiting {seconds:.0f} s for AWS to take the machine")
        time.sleep(seconds)
    power_off(reason)


def _comes_back() -> bool:
    """Whether the listener is restarted.

    On its way there systemd passes through "inactive", and starts the end unit as if that were the end. It does not
    start it a second time while the first one looks, so this stays until the answer is final.
    """
    for _ in range(COMES_BACK_WITHIN * 2):
        shown = run(["systemctl", "show", "--property=ActiveState", "--property=Job", RUNNER_UNIT])
        said = dict(line.partition("=")[::2] for line in shown.splitlines())
        if said.get("ActiveState") not in UNDECIDED and not said.get("Job"):
            return said.get("ActiveState") in BACK
        time.sleep(0.5)
    return False


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
