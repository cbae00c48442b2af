"""How many calls GitHub still takes, and until when it must be left alone.

Sources: GitHub's "Rate limits for the REST API" and "Best practices for using the REST API": a limit shows as 403 or
429; ``retry-after`` counts seconds, ``x-ratelimit-remaining: 0`` comes with ``x-ratelimit-reset``, and without either
one waits a minute and then ever longer.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

from runnerkit.errors import RateLimited

if TYPE_CHECKING:
    from runnerkit.github.asks import Answer, Ask
    from runnerkit.ports import Clock

RESERVE = 0.05
CORE = "core"
_UNSAID_PAUSE = timedelta(seconds=60)
_LONGEST_UNSAID = timedelta(minutes=15)
_LONGEST_SAID = timedelta(hours=24)
_LIMITED = frozenset({403, 429})
_TOO_MANY = 429
_UNAUTHORIZED = 401


@dataclass(frozen=True, slots=True)
class Budget:
    """What is left of an hourly limit, as GitHub last told; None before the first answer."""

    remaining: int | None = None
    limit: int | None = None
    reset: datetime | None = None

    def spent(self, now: datetime) -> bool:
        """Whether nothing is left until a reset that is still to come."""
        return self.remaining == 0 and self.reset is not None and now < self.reset

    def below(self, share: float, now: datetime) -> bool:
        """Whether less than this share of the limit is left until a reset that is still to come."""
        if self.remaining is None or self.limit is None or self.reset is None:
            return False
        return now < self.reset and self.remaining < self.limit * share


class Meter:
    """Counts along with GitHub and stops calls that it would refuse; any number of threads may use it.

    Hourly limits are kept apart by who calls and by GitHub's resource (registrations have their own); a pause that
    GitHub asks for holds for everything the same caller does.

    Args:
        clock: Tells the time.
        reserve: The share of an hourly limit that background reads leave to the rest.
    """

    def __init__(self, clock: Clock, reserve: float = RESERVE) -> None:
        self._clock = clock
        self._reserve = reserve
        self._lock = threading.Lock()
        self._budgets: dict[tuple[str, str], Budget] = {}
        self._pauses: dict[str, datetime] = {}
        self._refused: dict[str, int] = {}
        self._registers_on = CORE

    @property
    def budget(self) -> Budget:
        """The scarcest of the general hourly budgets."""
        with self._lock:
            known = [each for (_, resource), each in self._budgets.items() if resource == CORE]
        return min(known, key=lambda each: each.remaining or 0, default=Budget())

    def admit(self, caller: str, ask: Ask) -> None:
        """Let a request out.

        Raises:
            RateLimited: GitHub would refuse it, or it must leave the rest to more important ones.
        """
        now = self._clock.now()
        with self._lock:
            pause = self._pauses.get(caller)
            budget = self._budgets.get((caller, self._registers_on if ask.registers else CORE), Budget())
        if pause is not None and now < pause:
            raise _limited(ask, "GitHub asked for a pause (secondary rate limit)", pause)
        if budget.reset is not None and budget.spent(now):
            raise _limited(ask, f"all {budget.limit} calls of this hour are used up", budget.reset)
        if budget.reset is not None and ask.background and budget.below(self._reserve, now):
            why = f"the last {budget.remaining} of {budget.limit} calls of this hour are kept for registrations"
            raise _limited(ask, why, budget.reset)

    def learn(self, caller: str, ask: Ask, answer: Answer) -> None:
        """Take note of what an answer says about limits.

        Raises:
            RateLimited: The answer is a refusal for that reason.
        """
        if answer.status == _UNAUTHORIZED:
            return  # its figures are those of an anonymous caller
        now = self._clock.now()
        budget = _told(answer)
        self._remember(caller, ask, answer, budget)
        if not _is_limit(answer, budget):
            if answer.status not in _LIMITED:
                self._refused.pop(caller, None)
            return
        if "retry-after" not in answer.headers and budget.reset is not None and budget.spent(now):
            raise _limited(ask, f"all {budget.limit} calls of this hour are used up", budget.reset)
        raise _limited(ask, "GitHub asks for a pause (secondary rate limit)", self._pause(caller, answer, now))

    def _remember(self, caller: str, ask: Ask, answer: Answer, budget: Budget) -> None:
        if budget.remaining is None:
            return
        resource = answer.headers.get("x-ratelimit-resource", CORE)
        with self._lock:
            if ask.registers:
                self._registers_on = resource
            self._budgets[caller, resource] = budget

    def _pause(self, caller: str, answer: Answer, now: datetime) -> datetime:
        said = _retry_after(answer.headers.get("retry-after", ""), now)
        with self._lock:
            held = self._pauses.get(caller)
            if said is None and held is not None and now < held:
                return held  # it was under way when another was refused: the same refusal, not a further one
            times = self._refused[caller] = self._refused.get(caller, 0) + 1
            unsaid = min(_UNSAID_PAUSE * 2 ** min(times - 1, 8), _LONGEST_UNSAID)
            self._pauses[caller] = now + (unsaid if said is None else min(said, _LONGEST_SAID))
            return self._pauses[caller]


def _limited(ask: Ask, why: str, reset: datetime) -> RateLimited:
    return RateLimited(
        f"did not {ask.what}: {why}; calls may start again at {reset:%Y-%m-%d %H:%M:%S} UTC",
        reset=reset,
        hint="wait until then; a GitHub App has a larger limit than a personal token",
    )


def _is_limit(answer: Answer, budget: Budget) -> bool:
    if answer.status not in _LIMITED:
        return False
    told = answer.message.lower()
    signs = "retry-after" in answer.headers or budget.remaining == 0 or "rate limit" in told or "abuse" in told
    return answer.status == _TOO_MANY or signs


def _told(answer: Answer) -> Budget:
    try:
        remaining, limit, reset = (
            float(answer.headers[f"x-ratelimit-{key}"]) for key in ("remaining", "limit", "reset")
        )
        return Budget(int(remaining), int(limit), datetime.fromtimestamp(reset, tz=UTC))
    except (KeyError, ValueError, OverflowError, OSError):
        return Budget()


def _retry_after(text: str, now: datetime) -> timedelta | None:
    if text.isdecimal() and len(text) < len("1000000000"):
        return timedelta(seconds=int(text))
    try:
        until = parsedate_to_datetime(text)
    except (ValueError, OverflowError, IndexError, TypeError):
        return None
    return max(until.replace(tzinfo=until.tzinfo or UTC) - now, timedelta(seconds=1))
