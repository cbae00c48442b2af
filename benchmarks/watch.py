"""Start a command, wait for its end, and write down what it took: ``watch.py REPORT LIMIT COMMAND...``.

This process stays small: a child's peak memory begins at what its parent held when it was started.
"""

import os
import signal
import sys
import time


def main() -> int:
    """Run it; the exit code is the command's."""
    report, limit, *command = sys.argv[1:]
    began = time.monotonic()
    child = os.posix_spawn(command[0], command, os.environ)
    signal.signal(signal.SIGALRM, lambda *_: os.kill(child, signal.SIGKILL))
    signal.setitimer(signal.ITIMER_REAL, float(limit))
    _, status, usage = os.wait4(child, 0)
    ended = time.monotonic()
    with open(report, "w", encoding="utf-8") as file:  # noqa: PTH123 - pathlib would make this process larger
        file.write(f'{{"began": {began}, "ended": {ended}, "kilobytes": {usage.ru_maxrss}}}')
    return abs(os.waitstatus_to_exitcode(status))


if __name__ == "__main__":
    sys.exit(main())
