"""Rate limits: the hourly budget of each token, and the secondary limit by the minute.

Sources: GitHub's "Rate limits for the REST API" for the figures and the signals (403 or 429).
"""

import threading
from collections import deque
from dataclasses import dataclass
from datetime import datetime, timedelta

from runnerkit.sandbox.github.clock import Clock
from runnerkit.sandbox.github.tokens import Token

HOUR = 3600
CORE = {"anonymous": 60, "actions": 1000}
EACH = {"core": 5000, "search": 30, "actions_runner_registration": 10_000}
WRITE_POINTS = 5
MINUTE = 60.0


@dataclass(slots=True)
class Bucket:
    """A budget; it is full again at ``reset``. ``refusal`` is the status GitHub answers with when it is empty."""

    limit: int
    used: int
    reset: datetime
    refusal: int = 403

    @property
    def remaining(self) -> int:
        """Calls left."""
        return max(0, self.limit - self.used)


class Limits:
    """All budgets. ``points_per_minute`` is 900 at GitHub and off here, where polls run faster than real ones."""

    def __init__(self, clock: Clock) -> None:
        self.points_per_minute: int | None = None
        self._clock = clock
        self._lock = threading.Lock()
        self._buckets: dict[tuple[str, str], Bucket] = {}
        self._spent: dict[str, deque[tuple[datetime, int]]] = {}

    def bucket(self, token: Token | None, resource: str) -> Bucket:
        """Find a caller's budget, renewed when its time has come."""
        with self._lock:
            return self._bucket(token, resource)

    def _bucket(self, token: Token | None, resource: str) -> Bucket:
        key = (token.value if token else "", resource)
        kind = token.kind if token else "anonymous"
        found = self._buckets.get(key)
        if found is None or found.reset <= self._clock.now():
            limit = CORE.get(kind, EACH["core"]) if resource == "core" else EACH[resource]
            found = Bucket(limit, 0, self._clock.now() + timedelta(seconds=HOUR))
            self._buckets[key] = found
        return found

    def script(self, token: Token | None, resource: str, remaining: int, reset_in: float, refusal: int) -> None:
        """Leave a caller ``remaining`` calls until ``reset_in`` seconds from now."""
        with self._lock:
            bucket = self._bucket(token, resource)
            bucket.used = bucket.limit - remaining
            bucket.reset = self._clock.now() + timedelta(seconds=reset_in)
            bucket.refusal = refusal

    def charge(self, token: Token | None, resource: str) -> Bucket:
        """Take one call from a budget that is known not to be empty."""
        with self._lock:
            bucket = self._bucket(token, resource)
            bucket.used += 1
            return bucket

    def refund(self, bucket: Bucket) -> None:
        """Give a call back: a 304 costs nothing."""
        with self._lock:
            bucket.used = max(0, bucket.used - 1)

    def over_points(self, token: Token | None, method: str) -> bool:
        """Spend the minute's points; True when they are used up."""
        if self.points_per_minute is None:
            return False
        now = self._clock.now()
        with self._lock:
            spent = self._spent.setdefault(token.value if token else "", deque())
            while spent and now - spent[0][0] >= timedelta(seconds=MINUTE):
                spent.popleft()
            points = 1 if method in {"GET", "HEAD"} else WRITE_POINTS
            if sum(each for _, each in spent) + points > self.points_per_minute:
                return True
            spent.append((now, points))
            return False
