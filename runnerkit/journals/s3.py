"""The journal as objects under an S3 prefix: for passes that share no disk, in a cron workflow or a Lambda function."""

from __future__ import annotations

import os
import secrets
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from threading import Lock, RLock
from typing import TYPE_CHECKING, Any

from runnerkit.errors import RunnerkitError
from runnerkit.events import JournalFailing
from runnerkit.journal import KEPT, Entries, Entry, lasts
from runnerkit.journals import keys as names
from runnerkit.journals.ledger import Ledger, line_of, parsed
from runnerkit.journals.objects import S3Objects
from runnerkit.journals.tidying import READERS, tidy

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Sequence
    from datetime import date

    from runnerkit.events import Event
    from runnerkit.journals.objects import Objects
    from runnerkit.settings import AwsSettings

# What the journal calls, as permissions.
S3_ACTIONS = ("s3:DeleteObject", "s3:GetObject", "s3:ListBucket", "s3:PutObject")
LOOK_EVERY = timedelta(seconds=10)
AFTER_FAILURE = timedelta(seconds=60)
TIDY_EVERY = timedelta(hours=1)
# S3 may be away for long; what a day of passes writes is far less.
MOST_PENDING = 50_000
LOOKS = 3


def s3_journal(
    place: tuple[str, str], aws: AwsSettings, *, kept: timedelta, told: Callable[[Event], None]
) -> S3Journal:
    """The journal in a bucket under a prefix, with AWS's own configuration; connects nowhere before its first use."""
    bucket, prefix = place

    def connect() -> Any:  # noqa: ANN401 - boto3's clients are made at run time
        import boto3
        from botocore.config import Config

        session: Any = boto3.Session(profile_name=aws.profile)
        region = os.environ.get("AWS_REGION") or session.region_name or (aws.regions or (None,))[0]
        # A pass waits for this, and can do without; a function has seconds left for it.
        short = Config(
            connect_timeout=2, read_timeout=4, retries={"mode": "standard", "total_max_attempts": 2},
            max_pool_connections=READERS, user_agent_extra="runnerkit",
        )  # fmt: skip
        return session.client("s3", region_name=region, endpoint_url=aws.endpoint_url, config=short)

    return S3Journal(S3Objects(bucket, prefix, connect), prefix, f"s3://{bucket}/{prefix}", kept=kept, told=told)


class S3Journal(Entries):
    """Each flush is one new object; objects never change, so each is read once. Safe for threads.

    S3 that cannot be used is no reason not to launch: what was noted stays in memory, and is written later.

    Args:
        objects: Where the objects are.
        prefix: What their keys begin with; empty, or with a slash at its end.
        place: How messages name it.
        kept: How long objects are kept.
        told: Hears once that S3 cannot be used, and again only after it could.
        now: The time, aware UTC.
    """

    def __init__(
        self,
        objects: Objects,
        prefix: str,
        place: str,
        *,
        kept: timedelta = KEPT,
        told: Callable[[Event], None] = lambda _: None,
        now: Callable[[], datetime] = lambda: datetime.now(tz=UTC),
    ) -> None:
        self._objects = objects
        self._prefix = prefix
        self._place = place
        self._kept = kept
        self._told = told
        self._now = now
        self._lock, self._flushing = RLock(), Lock()
        self._writer, self._count = secrets.token_hex(6), 0
        self._ledger = Ledger()
        self._ids: set[str] = set()
        self._pending: list[Entry] = []
        self._seen: set[str] = set()
        self._from: date | None = None
        never = datetime.min.replace(tzinfo=UTC)
        self._look_at, self._flush_at, self._tidy_at, self._drop_at = never, never, never, never
        self._failing: set[str] = set()

    def append(self, entry: Entry) -> None:
        """Keep an entry until the next flush; it is read back at once."""
        with self._lock:
            self._count += 1
            whole = {**entry, "id": f"{self._writer}-{self._count:06d}"}
            del self._pending[:-MOST_PENDING]
            self._pending.append(whole)
            self._take([whole])

    def entries(self, since: datetime) -> Iterable[Entry]:
        """All entries that were read or noted, oldest first."""
        with self._lock:
            self._look(since)
            return self._ledger.every()

    def select(self, since: datetime, kinds: Collection[str]) -> Iterable[Entry]:
        """The entries of these kinds since then, by the index."""
        with self._lock:
            self._look(since)
            return self._ledger.select(since, kinds)

    def flush(self) -> None:
        """Write what was noted since the last time as one object, and tidy up now and then."""
        with self._flushing:
            now = self._now()
            with self._lock:
                batch = list(self._pending)
            if not batch or now < self._flush_at:
                return
            try:
                self._write(batch, now)
                if now >= self._tidy_at:
                    self._tidy_at = now + TIDY_EVERY
                    tidy(self._objects, self._prefix, self._kept, now)
            except RunnerkitError as error:
                self._flush_at = now + AFTER_FAILURE
                self._tell("flush", error)
            else:
                self._failing.discard("flush")

    def _write(self, batch: Sequence[Entry], now: datetime) -> None:
        key = names.fresh(self._prefix, now, secrets.token_hex(4))
        self._objects.put(key, b"".join(map(line_of, batch)))
        with self._lock:
            self._seen.add(key)
            written = {entry["id"] for entry in batch}
            self._pending = [entry for entry in self._pending if entry["id"] not in written]

    # --- reading ------------------------------------------------------------------------------------------------------

    def _look(self, since: datetime) -> None:
        """Read what others wrote since then; what was read once is not read again."""
        now, day = self._now(), since.astimezone(UTC).date()
        known = self._from is not None and self._from <= day
        if now < self._look_at and (known or "look" in self._failing):
            return
        start = min(day, self._from or day)
        try:
            self._read_from(start)
        except RunnerkitError as error:
            self._look_at = now + AFTER_FAILURE
            self._tell("look", error)
        else:
            self._from, self._look_at = start, now + LOOK_EVERY
            self._failing.discard("look")
        if now >= self._drop_at:
            self._drop_at = now + TIDY_EVERY
            self._drop(now)

    def _drop(self, now: datetime) -> None:
        """Forget what is of no use any more: a service runs for months."""
        oldest = (now - self._kept).date()
        self._ledger.drop(lambda kind: now - lasts(kind, self._kept))
        self._ids = {str(entry["id"]) for entry in self._ledger.every() if "id" in entry}
        self._seen = {key for key in self._seen if (names.day_of(self._prefix, key) or oldest) >= oldest}

    def _read_from(self, start: date) -> None:
        for _ in range(LOOKS):
            listed = self._objects.keys(self._prefix, names.first_of(self._prefix, start))
            new = [key for key in listed if key not in self._seen and names.day_of(self._prefix, key) is not None]
            if all(self._got(new)):
                return
            # One was merged into another between the list and the reading.

    def _got(self, keys: Sequence[str]) -> list[bool]:
        if not keys:
            return []
        with ThreadPoolExecutor(min(READERS, len(keys))) as pool:
            found = list(pool.map(self._objects.get, keys))
        for key, content in zip(keys, found, strict=True):
            if content is not None:
                self._take(parsed(content.splitlines()))
                self._seen.add(key)
        return [content is not None for content in found]

    def _take(self, entries: Iterable[Entry]) -> None:
        """Note entries once each; what has no id is as good as new."""
        for entry in entries:
            known = len(self._ids)
            self._ids.add(str(entry.get("id", "")))
            if len(self._ids) > known or "id" not in entry:
                self._ledger.add([entry])

    def _tell(self, what: str, error: RunnerkitError) -> None:
        if what not in self._failing:
            self._failing.add(what)
            self._told(JournalFailing(self._place, error))
