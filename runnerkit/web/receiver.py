"""The webhook receiver: checks the signature, remembers the delivery, says where to look, and is done."""

from __future__ import annotations

import hashlib
import hmac
import re
import threading
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from runnerkit.events import DeliveryRefused
from runnerkit.web.payloads import Said, read

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from runnerkit.ports import Clock, Events

# Source: GitHub's "Webhook events and payloads": payloads are capped at 25 MB.
LARGEST_BODY = 25 * 1024 * 1024
REMEMBERED = 10_000
LONGEST_GUID = 100
# A stranger can knock often; people need to be told once in a while.
TELL_EVERY = 60.0

_SIGNATURE = re.compile(r"sha256=([0-9a-f]{64})", re.ASCII)


@dataclass(frozen=True, slots=True)
class Call:
    """One request to the receiver: three headers of GitHub's, who sent it, and the body as it came."""

    event: str
    guid: str
    signature: str
    content_type: str
    body: bytes = field(repr=False)
    address: str = ""


@dataclass(frozen=True, slots=True)
class Answer:
    """What GitHub is told: an HTTP status, ``outcome`` in one word (for the metrics), and why."""

    status: int
    outcome: str
    why: str


class Receiver:
    """Turns webhooks into hints. Any number of threads may use it; it waits for nothing and never raises.

    Args:
        secrets: Those that GitHub may have signed with; several while one is being replaced.
        hint: Told in which repository (``owner/name``) to look, and says whether it is served. Must return at once.
        clock: Tells the time.
        events: Hears of deliveries that were not signed by us.
    """

    def __init__(
        self,
        secrets: Sequence[str],
        *,
        hint: Callable[[str], bool],
        clock: Clock,
        events: Events,
    ) -> None:
        self._secrets = tuple(secret.encode() for secret in secrets)
        self._hint = hint
        self._clock = clock
        self._events = events
        self._lock = threading.Lock()
        self._seen: OrderedDict[str, None] = OrderedDict()
        self._told_at = float("-inf")

    def receive(self, call: Call) -> Answer:
        """Take a delivery in."""
        if not self._is_signed(call):
            why = "the signature is wrong" if call.signature else "it is not signed"
            self._complain(why, call.address)
            return Answer(401, "unsigned", why)
        try:
            said = read(call.event, call.content_type, call.body)
        except ValueError:
            return Answer(400, "unreadable", "the body is neither JSON nor a form with JSON in it")
        if not self._is_new(call.guid):
            return Answer(202, "repeated", "this delivery was taken in before")
        return self._act(said, call.guid)

    def knows(self, guid: str) -> bool:
        """Whether a delivery was taken in."""
        with self._lock:
            return guid in self._seen

    def _is_signed(self, call: Call) -> bool:
        given = _SIGNATURE.fullmatch(call.signature)
        if given is None:
            return False
        right = False
        # All of them, whichever it is: the time tells nothing.
        for secret in self._secrets:
            right |= hmac.compare_digest(given[1], hmac.new(secret, call.body, hashlib.sha256).hexdigest())
        return right

    def _act(self, said: Said, guid: str) -> Answer:
        if not said.heed:
            return Answer(202, "ping" if said.why == "pong" else "ignored", said.why)
        try:
            served = self._hint(said.repo)
        except Exception:  # noqa: BLE001 - whatever it is, GitHub can do nothing about it, and polling finds the job
            self._forget(guid)
            return Answer(202, "failed", "taken in, but not passed on; the next look finds it")
        return Answer(202, "hint", said.why) if served else Answer(202, "ignored", "this repository is not served here")

    def _is_new(self, guid: str) -> bool:
        if not guid or len(guid) > LONGEST_GUID:
            return True
        with self._lock:
            known = guid in self._seen
            self._seen[guid] = None
            self._seen.move_to_end(guid)
            while len(self._seen) > REMEMBERED:
                self._seen.popitem(last=False)
        return not known

    def _forget(self, guid: str) -> None:
        with self._lock:
            self._seen.pop(guid, None)

    def _complain(self, why: str, address: str) -> None:
        now = self._clock.now().timestamp()
        with self._lock:
            due = now - self._told_at >= TELL_EVERY
            self._told_at = now if due else self._told_at
        if due:
            self._events.emit(DeliveryRefused(address, why))
