"""What a machine tells of its own times and its guard, read. Pure; times are seconds of the monotonic clock."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

MICROSECONDS = 1e6
NANOSECONDS = 1e9
LISTENING = "Listening for Jobs"
FINAL, PREPARE, RUNNER = "cloud-final.service", "runnerkit-prepare.service", "runnerkit-runner.service"
BEGUN, STARTED, EXITED = "InactiveExit", "ExecMainStart", "ExecMainExit"
# What logind says when it is asked to power off, and systemd right after it.
POWERING_OFF = re.compile(
    r"^\[ *(\d+\.\d+)\] (?:systemd-logind\[\d+\]: (?:The system will power off now|System is powering down)"
    r"|systemd\[1\]: (?:Reached target shutdown\.target|Shutting down))",
    re.MULTILINE,
)
FINAL_MODULES = re.compile(r"running 'modules:final' at .* Up (\d+\.\d+) seconds")


class Memory(NamedTuple):
    """Of one process, in MB: all that is resident, and that with what is shared divided among those who share it."""

    resident: float
    proportional: float


def unit_times(shown: str) -> dict[tuple[str, str], float]:
    """When units began and their programs started and exited, by unit and event.

    Args:
        shown: What ``systemctl show`` says of several units, ``Id`` included. Events that did not happen are left out.
    """
    found: dict[tuple[str, str], float] = {}
    for block in shown.strip().split("\n\n"):
        said = dict(line.partition("=")[::2] for line in block.splitlines())
        for name, value in said.items():
            event = name.removesuffix("TimestampMonotonic")
            if event != name and int(value):
                found[said["Id"], event] = int(value) / MICROSECONDS
    return found


def final_modules(output: str) -> float:
    """When cloud-init had started itself for its final stage and began its work, in seconds of uptime.

    Args:
        output: ``/var/log/cloud-init-output.log``.

    Raises:
        ValueError: It has not.
    """
    found = FINAL_MODULES.search(output)
    if not found:
        raise ValueError("cloud-init does not say when its final stage began")
    return float(found[1])


def power_off_begun(console: str) -> float | None:
    """When a machine began to power off, by the journal's lines on its console; None if it has not."""
    found = POWERING_OFF.search(console)
    return float(found[1]) if found else None


def memory(rollup: str) -> Memory:
    """From ``/proc/PID/smaps_rollup``."""
    sizes = dict(re.findall(r"^(\w+): +(\d+) kB$", rollup, re.MULTILINE))
    return Memory(int(sizes["Rss"]) / 1024, int(sizes["Pss"]) / 1024)


def processor_seconds(stat: str, schedstat: str, ticks: int) -> float:
    """The processor time that a process has used, and those of its children that it has waited for.

    Args:
        stat: ``/proc/PID/stat``, which counts in ticks.
        schedstat: ``/proc/PID/schedstat``, which counts the process alone, in nanoseconds.
        ticks: How many there are in a second.
    """
    fields = stat.rpartition(")")[2].split()
    own, children = int(fields[11]) + int(fields[12]), int(fields[13]) + int(fields[14])
    finer = int(schedstat.split(maxsplit=1)[0]) / NANOSECONDS
    # Where the kernel does not count the finer one it is zero.
    return (finer or own / ticks) + children / ticks


def parts(times: Mapping[tuple[str, str], float], modules: float) -> dict[str, float]:
    """Seconds from cloud-init's final stage to the start of the listener, by what they were spent on."""
    final, began = times[FINAL, BEGUN], times[PREPARE, BEGUN]
    done, listener = times[PREPARE, EXITED], times[RUNNER, STARTED]
    return {
        "cloud-init's own start": modules - final,
        "cloud-init's modules and the start of our unit": began - modules,
        "the machine made ready": done - began,
        "the check before the listener": listener - done,
    }
