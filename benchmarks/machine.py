"""How soon a machine listens once cloud-init comes to its end, how soon it is off, and what its guard takes.

Machines are systemd-nspawn ones (root on Linux; see the sandbox): a real Debian with the real cloud-init and systemd,
whose clock is this computer's own. Ours boot from a baked and from a stock image. Others' boot scripts, written anew in
``rivals.py``, boot in the same system in turn with ours; there is told what was left out for them, which is all to
their advantage. Installing packages, the time of a real download, and GitHub's real runner are measured for nobody.

From cloud-init's final stage to "listening": from the start of ``cloud-final.service``, by systemd, to the last line
that the stand-in runner writes into its log before a job comes. From this the stand-in's own start is taken away; it is
started once more for that, on the same machine, with nothing else to do. Of both the smallest counts: a busy machine
can only make them longer.

From the runner's exit to the power-off: the job's runner leaves, the kernel tells us, and the console shows when logind
begins to power off. The median counts: systemd takes several ways from one unit to the next.

The guard: its memory, and the processor time it uses in a minute or longer in which a job sleeps, with the settings
that machines have by default. That machine stands by while the others boot.
"""

from __future__ import annotations

import os
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from booting import Booted, Ground, eventually, ground
from figures import Figure, Spread, ratio
from rivals import RIVALS
from stamps import Memory, final_modules, memory, parts, processor_seconds

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

ROUNDS = 4
MEGABYTES, SHARE, LISTENING_WITHIN, OFF_WITHIN = 20.0, 0.1, 1.0, 1.0
MINUTE = 60.0
OUTPUT = "/var/log/cloud-init-output.log"
STARTED = "/run/runnerkit/job/started"
LISTENS = "from cloud-init's final stage to listening, beyond the stand-in's own start"
LEAVES = "from the runner's exit to the power-off"
HOLDS = "memory of the guard while a job runs"
TAKES = "processor time of the guard while a job runs"
OURS = ("ours, baked", "ours, stock")


def measure() -> list[Figure]:
    """Boot everybody's machines in turn, a few times."""
    from runnerkit.sandbox.machines.nspawn import missing

    if lacking := missing():
        print(f"not measured: {lacking}", file=sys.stderr)
        limits = ((LISTENS, "s", LISTENING_WITHIN), (LEAVES, "s", OFF_WITHIN), (HOLDS, "MB", MEGABYTES))
        return [Figure(what, None, unit, limit) for what, unit, limit in (*limits, (TAKES, "%", SHARE))]
    with ground() as there:
        guarded = Guarded(there)
        rounds = Rounds()
        for number in range(ROUNDS):
            rounds.add(there)
            print(f"round {number + 1} of {ROUNDS} is over", file=sys.stderr, flush=True)
        watched = guarded.figures()
    return [*rounds.ours(), *watched, *rounds.compared()]


@dataclass
class Rounds:
    """What was measured so far, by what it is of."""

    final: dict[str, list[float]] = field(default_factory=dict)
    whole: dict[str, list[float]] = field(default_factory=dict)
    parts: dict[str, list[float]] = field(default_factory=dict)
    alone: list[float] = field(default_factory=list)
    off: list[float] = field(default_factory=list)

    def add(self, there: Ground) -> None:
        """Boot one machine of each kind, one after the other."""
        baked = self._note(OURS[0], there.ours(baked=True))
        asleep = time.clock_gettime(time.CLOCK_BOOTTIME) - time.monotonic()
        _more(self.parts, parts(baked.times, final_modules(baked.read(OUTPUT)) - asleep))
        self.alone.append(baked.stand_in_alone())
        self.off.append(baked.exit_to_power_off())
        self._note(OURS[1], there.ours(baked=False)).end()
        for rival in RIVALS:
            self._note(rival.name, there.theirs(rival)).end()

    def _note(self, who: str, booted: Booted) -> Booted:
        _more(self.final, {who: booted.final_to_listening})
        _more(self.whole, {who: booted.whole})
        return booted

    def ours(self) -> list[Figure]:
        """What our own machines take, and where it goes."""
        alone, off = Spread.of(self.alone), Spread.of(self.off)
        beyond = Spread.of([seconds - alone.least for seconds in self.final[OURS[0]]])
        return [
            Figure(LISTENS, beyond.least, "s", LISTENING_WITHIN, spread=beyond),
            *_seconds({f"of it {name}": values for name, values in self.parts.items()}),
            Figure("the stand-in's own start", alone.least, "s", spread=alone),
            Figure(LEAVES, off.middle, "s", OFF_WITHIN, spread=off),
        ]

    def compared(self) -> list[Figure]:
        """Ours by theirs, and everybody's seconds."""
        spreads = {who: Spread.of(values) for who, values in self.final.items()}
        ratios = []
        for rival in RIVALS:
            own = OURS[0] if rival.baked else OURS[1]
            value = ratio(spreads[own], spreads[rival.name])
            ratios.append(Figure(f"final stage to listening, {own} by {rival.name}", value, "x"))
        return [
            *ratios,
            *_seconds({f"final stage to listening, {who}": values for who, values in self.final.items()}),
            *_seconds({f"launch to listening, {who}": values for who, values in self.whole.items()}),
        ]


class Guarded:
    """A machine with a job that sleeps, and its guard."""

    def __init__(self, there: Ground) -> None:
        self._machine = there.ours(baked=True)
        there.queue_job(self._machine.label, "sleep 1000")
        place = there.place(self._machine.id, STARTED)
        eventually(lambda: place.exists() or None, "a job that sleeps")
        self._process = Path(f"/proc/{self._machine.process('agent.py guard')}")
        self._since, self._used = time.monotonic(), self._processor()

    def figures(self) -> list[Figure]:
        """After a minute at the earliest: what the guard holds and what it has used."""
        time.sleep(max(0.0, self._since + MINUTE - time.monotonic()))
        share = (self._processor() - self._used) / (time.monotonic() - self._since) * 100
        held: Memory = memory((self._process / "smaps_rollup").read_text(encoding="ascii"))
        self._machine.end()
        return [
            Figure(HOLDS, held.resident, "MB", MEGABYTES),
            Figure("of it not shared with others", held.proportional, "MB"),
            Figure(TAKES, share, "%", SHARE),
        ]

    def _processor(self) -> float:
        stat, schedstat = ((self._process / name).read_text(encoding="utf-8") for name in ("stat", "schedstat"))
        return processor_seconds(stat, schedstat, os.sysconf("SC_CLK_TCK"))


def _more(lists: dict[str, list[float]], values: Mapping[str, float]) -> None:
    for name, value in values.items():
        lists.setdefault(name, []).append(value)


def _seconds(measured: Mapping[str, Iterable[float]]) -> list[Figure]:
    """Lines that explain others."""
    spreads = {what: Spread.of(list(values)) for what, values in measured.items()}
    return [Figure(what, spread.least, "s", spread=spread) for what, spread in spreads.items()]
