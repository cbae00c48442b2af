"""Delivering webhooks: a thread that posts what happened, signed, once, and writes down how it went."""

import heapq
import hmac
import json
import socket
import threading
import time
import uuid
from collections import deque
from contextlib import suppress
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException, responses
from typing import Any
from urllib.parse import urlencode, urlsplit

from runnerkit.sandbox.github.hooks import rules
from runnerkit.sandbox.github.records import Delivery, Happening, Hook
from runnerkit.sandbox.github.state import State

PATIENCE = 10.0
LONGEST_ANSWER = 65_536
KINDS = {"json": "application/json", "form": "application/x-www-form-urlencoded"}


@dataclass(slots=True)
class Mischief:
    """What is scripted to go wrong: how many deliveries are lost, doubled or held for turning round; the delay."""

    lose: int = 0
    double: int = 0
    delay: float = 0.0
    turn: int = 0
    held: deque[int] = field(default_factory=deque)


class Sender:
    """Queues deliveries while the world is held open and sends them afterwards, one after the other."""

    def __init__(self, state: State) -> None:
        self.mischief = Mischief()
        self.idle = threading.Event()
        self.idle.set()
        self._state = state
        self._ready = threading.Condition()
        self._queue: list[tuple[float, int, int]] = []
        self._turn = 0
        self._closed = False
        self._thread: threading.Thread | None = None
        self._connection: HTTPConnection | None = None
        state.announcers.append(self.announce)

    def announce(self, happening: Happening) -> None:
        """Tell every hook that wants to know."""
        for hook in rules.hooks_for(self._state, happening.repository, happening.event):
            self.tell(hook, happening.event, happening.action, happening.payload)

    def tell(self, hook: Hook, event: str, action: str | None, payload: dict[str, Any]) -> Delivery:
        """Queue one delivery."""
        body = json.dumps(payload, separators=(",", ":"))
        return self._add(Delivery(0, str(uuid.uuid4()), hook.id, event, action, body, self._state.now()))

    def again(self, delivery: Delivery) -> Delivery:
        """Queue a delivery once more, under the same GUID."""
        hook, now = delivery.hook_id, self._state.now()
        fresh = Delivery(0, delivery.guid, hook, delivery.event, delivery.action, delivery.body, now, redelivery=True)
        return self._add(fresh)

    def _add(self, delivery: Delivery) -> Delivery:
        delivery.id = self._state.next_id("delivery")
        self._state.deliveries[delivery.id] = delivery
        planned = self.mischief
        if planned.lose > 0 and not delivery.redelivery:
            planned.lose -= 1
            delivery.answer = "lost on the way, as scripted"
            return delivery
        if planned.turn > 0:
            planned.turn -= 1
            planned.held.appendleft(delivery.id)
            if planned.turn == 0:
                self._release()
            return delivery
        self._put(delivery.id)
        if planned.double > 0:
            planned.double -= 1
            self._put(delivery.id)
        return delivery

    def _release(self) -> None:
        while self.mischief.held:
            self._put(self.mischief.held.popleft())

    def _put(self, number: int) -> None:
        with self._ready:
            if self._closed:
                return
            self._turn += 1
            heapq.heappush(self._queue, (time.monotonic() + self.mischief.delay, self._turn, number))
            self.idle.clear()
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="webhooks", daemon=True)
                self._thread.start()
            self._ready.notify()

    def settle(self) -> None:
        """Forget all scripted trouble; what was held goes out."""
        held, self.mischief = self.mischief.held, Mischief()
        self.mischief.held = held
        self._release()

    def close(self) -> None:
        """Stop at once; what is queued stays undelivered."""
        with self._ready:
            self._closed = True
            self._queue.clear()
            connection = self._connection
            self._ready.notify()
        if connection is not None and connection.sock is not None:
            with suppress(OSError):
                connection.sock.shutdown(socket.SHUT_RDWR)
        if self._thread is not None:
            self._thread.join()
        self.idle.set()

    def _work(self) -> None:
        while True:
            number = self._next()
            if number is None:
                return
            with self._state.open(reading=True):
                delivery = self._state.deliveries[number]
                hook = self._state.hooks.get(delivery.hook_id)
                prepared = hook and (urlsplit(hook.url), *_request(self._state, hook, delivery))
            if prepared:
                self._send(delivery, *prepared)

    def _next(self) -> int | None:
        with self._ready:
            while not self._closed:
                now = time.monotonic()
                if self._queue and self._queue[0][0] <= now:
                    return heapq.heappop(self._queue)[2]
                if not self._queue:
                    self.idle.set()
                self._ready.wait(self._queue[0][0] - now if self._queue else None)
            return None

    def _send(self, delivery: Delivery, url: Any, body: bytes, headers: dict[str, str]) -> None:  # noqa: ANN401 - a SplitResult
        began = time.monotonic()
        path = (url.path or "/") + (f"?{url.query}" if url.query else "")
        connection = HTTPConnection(url.hostname, url.port, timeout=PATIENCE)
        try:
            connection.connect()
            with self._ready:
                # From here on `close` can cut the connection off.
                self._connection = connection
                if self._closed:
                    return
            connection.request("POST", path, body, headers)
            answer = connection.getresponse()
            status, text = answer.status, answer.read(LONGEST_ANSWER).decode(errors="replace")
        except (OSError, HTTPException) as error:
            status, text = 0, f"{type(error).__name__}: {error}"
        finally:
            connection.close()
        with self._state.open(reading=True):
            delivery.status, delivery.answer, delivery.duration = status, text, round(time.monotonic() - began, 3)


def _request(state: State, hook: Hook, delivery: Delivery) -> tuple[bytes, dict[str, str]]:
    body = delivery.body.encode() if hook.content_type == "json" else urlencode({"payload": delivery.body}).encode()
    return body, headers_of(state, hook, delivery) | signatures(hook.secret, body)


def headers_of(state: State, hook: Hook, delivery: Delivery) -> dict[str, str]:
    """Give the headers that say what is delivered, without the signatures."""
    kind, _, name = hook.level.partition("/")
    target = state.repository(name).id if kind == "repos" else state.account(name).id
    return {
        "Accept": "*/*",
        "Content-Type": KINDS[hook.content_type],
        "User-Agent": "GitHub-Hookshot/sandbox",
        "X-GitHub-Delivery": delivery.guid,
        "X-GitHub-Event": delivery.event,
        "X-GitHub-Hook-ID": str(hook.id),
        "X-GitHub-Hook-Installation-Target-ID": str(target),
        "X-GitHub-Hook-Installation-Target-Type": "repository" if kind == "repos" else "organization",
    }


def signatures(secret: str, body: bytes) -> dict[str, str]:
    """Sign a body with the hook's secret; without one there are no signatures."""
    if not secret:
        return {}
    made = {name: hmac.new(secret.encode(), body, name).hexdigest() for name in ("sha1", "sha256")}
    return {"X-Hub-Signature": f"sha1={made['sha1']}", "X-Hub-Signature-256": f"sha256={made['sha256']}"}


def said(delivery: Delivery) -> str:
    """Say in GitHub's words how a delivery went."""
    if not delivery.status:
        return "failed to connect to host" if delivery.answer else "pending"
    return responses.get(delivery.status, f"status {delivery.status}")
