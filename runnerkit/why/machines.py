"""Where a machine is, which job took it, and what comes next: the first rule that holds. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from runnerkit.phases import LIFE, Pair, Phase, phase
from runnerkit.why.answers import Finding, Next, Verdict
from runnerkit.why.cases import Case
from runnerkit.why.jobs import recovery
from runnerkit.why.timeline import error, said
from runnerkit.why.words import relative

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from runnerkit.history import Note
    from runnerkit.model import Instance, Job
    from runnerkit.why.evidence import Evidence

NEVER_ONLINE = "online"


@dataclass(frozen=True, slots=True)
class Box:
    """A machine by its runner's name, and everything that is known."""

    name: str
    evidence: Evidence
    now: datetime

    @property
    def pair(self) -> Pair | None:
        """The machine as EC2 and GitHub show it now, joined as a pass joins it; None when neither does."""
        for pair in self.evidence.pairs():
            if pair.name.lower() == self.name:
                return pair
        runner = next((each for each in self.evidence.runners if each.name.lower() == self.name), None)
        return Pair(self.instance, runner) if self.instance or runner else None

    @property
    def instance(self) -> Instance | None:
        """Its newest instance."""
        return max(self.evidence.instances_named({self.name}), key=lambda i: (i.live, i.launched_at), default=None)

    @property
    def job(self) -> Job | None:
        """The job that took it, as GitHub tells it."""
        took = self.evidence.taker(self.name)
        return next((job for job in self.evidence.jobs if job.id == took), None)

    @property
    def took(self) -> str:
        """Which job took it, in words."""
        took = self.evidence.taker(self.name)
        return f"job {took}" if took is not None else ""

    def note(self, *kinds: str) -> Note | None:
        """The last note of these kinds about it."""
        found = [note for note in self.evidence.notes_about({self.name}) if note.kind in kinds]
        return max(found, key=lambda note: note.at, default=None)


def find(name: str, evidence: Evidence, now: datetime) -> Finding | None:
    """The verdict about a machine; None when nothing at all is known of it."""
    box = Box(name, evidence, now)
    return next((finding for rule in RULES if (finding := rule(box)) is not None), None)


def unnamed(instance: Instance, evidence: Evidence, now: datetime) -> Finding:
    """The verdict about a machine of a burst that has been handed no runner's name."""
    if not instance.live:
        when = f" {relative(instance.ended_at, now)}" if instance.ended_at else ""
        never = "before it was handed a runner's name, so it ran no job"
        return Finding(Verdict.ENDED, f"{instance.id} has ended{when}, {never}: {said(instance.state_reason)}")
    where = phase(Pair(instance, None), evidence.policy, now)
    which = _which(instance, now)
    if where is Phase.UNNAMED:
        text = f"{instance.id} was started with others and handed no runner's name in time{which}"
        return Finding(str(where), text, (Next("a pass ends it; the job gets another machine while it is queued"),))
    text = f"{instance.id} was started with others and waits for its runner's name{which}"
    return Finding(str(where), text, (Next("it must have one by then, or it is ended", instance.hand_over_by),))


def _interrupted(box: Box) -> Finding | None:
    if box.name not in box.evidence.lost() or (box.instance is not None and box.instance.live):
        return None
    during = f" while {box.took} had it" if box.took else " before a job took it"
    ended = box.instance.ended_at if box.instance else None
    when = f" {relative(ended, box.now)}" if ended else ""
    job = box.job
    bad = job is not None and job.conclusion not in {None, "success"}
    nexts = recovery(Case(job, box.evidence, box.now)) if job is not None and bad else _unused(box)
    return Finding(Verdict.INTERRUPTED, f"AWS took back {box.name}{during}{when}", nexts)


def _unused(box: Box) -> tuple[Next, ...]:
    if box.job is not None or box.took:
        return ()
    return (Next("a controller launches another one if the job is still queued; `launch` does not"),)


def _alive(box: Box) -> Finding | None:
    pair = box.pair
    if pair is None or (pair.instance is not None and not pair.instance.live):
        return None
    if pair.runner is None and not box.evidence.runners and box.evidence.seen is None:
        return _half_seen(box, pair)
    where = phase(pair, box.evidence.policy, box.now)
    with_job = f" with {box.took}" if box.took and where is Phase.BUSY else ""
    text = f"{box.name} is {where}{with_job}: {LIFE[where].means}{_which(pair.instance, box.now)}"
    return Finding(str(where), text, _deadlines(pair, where, box))


def _half_seen(box: Box, pair: Pair) -> Finding:
    """EC2 alone could be asked."""
    text = f"{box.name} is live at EC2{_which(pair.instance, box.now)}; whether its runner is online is not known"
    ends = pair.instance.expires_at if pair.instance else None
    return Finding("live", text, (Next("its longest life ends", ends),) if ends else ())


def _which(instance: Instance | None, now: datetime) -> str:
    if instance is None:
        return ""
    machine = f"{instance.type} in {instance.zone}, {instance.market}"
    return f" ({instance.id}, {machine}, launched {relative(instance.launched_at, now)})"


def _deadlines(pair: Pair, where: Phase, box: Box) -> tuple[Next, ...]:
    instance, policy = pair.instance, box.evidence.policy
    if instance is None:
        return (Next(LIFE[where].ends),)
    ends = {
        Phase.BOOTING: instance.online_by,
        Phase.READY: instance.idle_until,
        Phase.LOST: instance.lost_since and instance.lost_since + timedelta(seconds=policy.lost_within),
        Phase.GONE: instance.gone_since and instance.gone_since + timedelta(seconds=policy.confirm),
    }
    first = Next(LIFE[where].ends, ends.get(where)) if LIFE[where].ends else None
    last = Next("its longest life ends", instance.expires_at) if instance.expires_at else None
    return tuple(each for each in (first, last) if each is not None)


def _never_online(box: Box) -> Finding | None:
    gone = box.note("runner-deregistered", "instance-terminated")
    if gone is None or NEVER_ONLINE not in gone.text("reason") or box.took:
        return None
    instance = box.instance.id if box.instance else gone.text("instance") or box.name
    see = Next(f"its console may say why: `runnerkit logs {instance}`")
    text = f"{box.name} never came online and was ended {relative(gone.at, box.now)}"
    return Finding(Verdict.NEVER_ONLINE, text, (see, Next("the job gets another machine while it is queued")))


def _dead(box: Box) -> Finding | None:
    instance = box.instance
    if instance is None:
        return None
    when = f" {relative(instance.ended_at, box.now)}" if instance.ended_at else ""
    text = f"{box.name} ({instance.id}) has ended{when}{_after(box)}: {said(instance.state_reason)}"
    return Finding(Verdict.ENDED, text)


def _after(box: Box) -> str:
    if box.took:
        return f", after {box.took}"
    known = box.evidence.notes or box.evidence.jobs
    return ", and no job is known to have taken it" if known else ""


def _remembered(box: Box) -> Finding | None:
    """EC2 and GitHub have forgotten it, the journal has not."""
    ended = box.note("instance-ended", "instance-terminated")
    if ended is not None:
        why = said(ended.text("reason")) if ended.kind == "instance-ended" else ended.text("reason")
        return Finding(Verdict.ENDED, f"{box.name} has ended {relative(ended.at, box.now)}{_after(box)}: {why}")
    launched = box.note("instance-launched")
    failed = box.note("launch-failed", "launch-skipped")
    if failed is not None and (launched is None or failed.at > launched.at):
        why = error(failed) or failed.text("why")
        return Finding(Verdict.NOT_LAUNCHED, f"{box.name} was not launched {relative(failed.at, box.now)}: {why}")
    if launched is None and not box.evidence.notes_about({box.name}) and not box.took:
        return None
    text = f"{box.name} is in the journal{_after(box)}, but neither EC2 nor GitHub shows it any more"
    return Finding(Verdict.ENDED, text)


RULES: tuple[Callable[[Box], Finding | None], ...] = (_interrupted, _alive, _never_online, _dead, _remembered)
