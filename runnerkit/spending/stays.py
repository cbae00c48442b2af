"""From notes and instances to stays: what each machine's time was for. What the notes do not tell stays unknown."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING

from runnerkit import labels
from runnerkit.costs import LEAST, rentals
from runnerkit.errors import LabelError
from runnerkit.model import Market
from runnerkit.moments import moment
from runnerkit.overview import past as words
from runnerkit.overview.past import SLACK, Past
from runnerkit.spending.words import Part, Stay, Stretch

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from runnerkit.history import Note, Rental
    from runnerkit.spending.words import Sources

# What is asked of the journal.
KINDS = frozenset(
    {"instance-launched", "instance-ended", "instance-interrupted", "instance-terminated", "runner-online", "job-seen",
     "job-taken", "job-over", "launch-failed"}
)  # fmt: skip
# Who makes passes tells these; where nobody does, a machine's silence says nothing.
FOLLOWED = ("job-taken", "job-over", "instance-ended")


class Stays:
    """All machines of some notes."""

    def __init__(self, sources: Sources) -> None:
        self._sources = sources
        self._past = Past(sources.notes, sources.now, (), "")
        self._seen = {note.id("job"): note for note in self._past.all(words.JOB_SEEN)}
        self._again = _repeated(self._past.all(words.JOB_SEEN))
        self._live = None if sources.instances is None else {each.id for each in sources.instances if each.live}
        noted = {note.text("instance") for note in self._past.all(words.ENDED)}
        # EC2 shows that they are dead, and nobody says since when.
        self._undated = {each.id for each in sources.instances or () if not each.live and each.ended_at is None} - noted
        self._followed: dict[str, datetime] = {}
        for note in self._past.all(*FOLLOWED):
            self._followed[note.text("repo").lower()] = note.at

    def all(self) -> tuple[Stay, ...]:
        """Every machine, oldest first."""
        found = rentals(self._past.all(words.LAUNCHED, words.ENDED), self._sources.instances or ())
        return tuple(self._stay(rental) for rental in found)

    def _stay(self, rental: Rental) -> Stay:
        if rental.instance in self._undated:
            rental = replace(rental, until=None)
        rental = self._priced(rental)
        notes = list(self._own(rental))
        live = self._is_live(rental)
        end = rental.until or (self._sources.now if live else _last_sign(rental, notes))
        marks = self._marks(rental, notes, end)
        job = marks.job or rental.job_id
        taken = next((note for note in notes if note.kind == words.JOB_TAKEN), None)
        seen = self._seen.get(job)
        return Stay(
            rental=replace(rental, until=None if live else end),
            repo=(taken.text("repo") if taken else "") or rental.repo,
            run=(taken.id("run") if taken else None) or rental.run_id,
            job=job,
            title=seen.text("title") if seen else "",
            spec=_spec(seen),
            stretches=tuple(self._stretches(rental, marks, live=live)),
            live=live,
            certain=live or rental.until is not None,
        )

    def _priced(self, rental: Rental) -> Rental:
        """With the table's price on demand where nobody noted it; a spot price is in no table."""
        if rental.on_demand is None:
            rental = replace(rental, on_demand=self._sources.on_demand(rental.type, rental.region))
        bought = rental.price is None and rental.market == Market.ON_DEMAND
        return replace(rental, price=rental.on_demand) if bought else rental

    def _own(self, rental: Rental) -> Iterator[Note]:
        """The notes of this instance: a name may have had another one before or afterwards."""
        latest = rental.until + SLACK if rental.until else None
        for note in self._past.of(rental.runner):
            mine = note.text("instance") in {"", rental.instance}
            if mine and note.at >= rental.since and (latest is None or note.at <= latest):
                yield note

    def _is_live(self, rental: Rental) -> bool:
        """EC2 shows it, or it is so new that EC2 need not show it yet."""
        if rental.until is not None or self._live is None:
            return False
        new = rental.since + SLACK > self._sources.now and rental.instance not in self._undated
        return rental.instance in self._live or new

    def _marks(self, rental: Rental, notes: Sequence[Note], end: datetime) -> Marks:
        """When what began, each within the machine's time and none before what must come first."""
        marks = Marks(end=max(end, rental.since + LEAST) if rental.until else end)
        for note in notes:
            if note.kind == words.ONLINE:
                marks.online = min(note.at, _after(rental.since, note.number("seconds")))
            elif note.kind == words.JOB_TAKEN:
                marks.job, marks.began = note.id("job"), self._began(note)
            elif note.kind == words.JOB_OVER:
                marks.began = moment(note.text("began_at")) or marks.began
                marks.over = moment(note.text("ended_at")) or note.at
            marks.interrupted |= note.kind == words.INTERRUPTED
        return marks.within(rental.since)

    def _began(self, taken: Note) -> datetime:
        """When the job began: the note comes a pass later, but says how long the job was queued."""
        seen, waited = self._seen.get(taken.id("job")), taken.number("seconds")
        queued = moment(seen.text("queued_at")) if seen else None
        return min(taken.at, _after(queued, waited)) if queued else taken.at

    def _stretches(self, rental: Rental, marks: Marks, *, live: bool) -> Iterator[Stretch]:
        ready = marks.online or marks.began or marks.end
        told = rental.until is not None or live
        if marks.began is None:
            yield from self._without_job(rental, marks, told=told, live=live)
            return
        yield from _stretch(Part.BOOT if marks.online else Part.UNKNOWN, rental.since, ready)
        yield from _stretch(Part.IDLE, ready, marks.began)
        again = marks.interrupted or marks.job in self._again
        if marks.over is not None:
            yield from _stretch(Part.REPEATED if again else Part.WORK, marks.began, marks.over)
            yield from _stretch(Part.AFTER, marks.over, marks.end)
        elif marks.interrupted or live:
            yield from _stretch(Part.REPEATED if again else Part.WORK, marks.began, marks.end)
        else:
            yield from _stretch(Part.UNKNOWN, marks.began, marks.end)

    def _without_job(self, rental: Rental, marks: Marks, *, told: bool, live: bool) -> Iterator[Stretch]:
        """A machine that no job is known to have taken: that means something only where somebody watched."""
        latest = self._followed.get(rental.repo.lower())
        watched = told and latest is not None and (live or latest > rental.since)
        if marks.online is not None:
            yield from _stretch(Part.BOOT, rental.since, marks.online)
            yield from _stretch(Part.IDLE if watched else Part.UNKNOWN, marks.online, marks.end)
        elif not watched:
            yield from _stretch(Part.UNKNOWN, rental.since, marks.end)
        else:
            yield from _stretch(Part.BOOT if live else Part.FAILED, rental.since, marks.end)


@dataclass
class Marks:
    """The moments of a machine's time."""

    end: datetime
    online: datetime | None = None
    began: datetime | None = None
    over: datetime | None = None
    job: int | None = None
    interrupted: bool = False

    def within(self, since: datetime) -> Marks:
        """The same, in order: clocks differ, and who noted something may have come late."""
        if self.began is not None:
            self.began = min(max(self.began, since), self.end)
        if self.online is not None:
            self.online = min(max(self.online, since), self.began or self.end)
        if self.over is not None:
            self.over = min(max(self.over, self.began or since), self.end)
        return self


def _stretch(part: Part, begin: datetime, end: datetime) -> Iterator[Stretch]:
    if end > begin:
        yield Stretch(part, begin, end)


def _after(begin: datetime, seconds: float | None) -> datetime:
    try:
        return begin + timedelta(seconds=seconds or 0.0)
    except (OverflowError, ValueError):
        return begin


def _last_sign(rental: Rental, notes: Sequence[Note]) -> datetime:
    return max((note.at for note in notes), default=rental.since)


def _repeated(seen: Sequence[Note]) -> frozenset[int]:
    """The jobs that a later attempt of their run ran again."""
    attempts: dict[tuple[str, int | None, str], list[tuple[float, int]]] = defaultdict(list)
    for note in seen:
        key = (note.text("repo").lower(), note.id("run"), note.text("title"))
        attempts[key].append((note.number("attempt") or 0.0, note.id("job") or 0))
    return frozenset(job for group in attempts.values() for attempt, job in group if attempt < max(group)[0])


def _spec(seen: Note | None) -> str:
    """What a job asked for: the name of a spec, or its label without the scope."""
    for text in (seen.text("labels") if seen else "").split(", "):
        if text and labels.is_ours(text):
            try:
                wish = labels.parse(text)
            except LabelError:
                return ""
            return wish.spec.spec or labels.format_label(replace(wish, scope=None))
    return ""
