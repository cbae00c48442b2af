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
from dataclasses import dataclass, field, replace
from http.client import HTTPConnection, HTTPException, responses
from random import Random
from typing import Any
from urllib.parse import urlencode, urlsplit

from runnerkit.sandbox.github.hooks import rules
from runnerkit.sandbox.github.records import Delivery, Happening, Hook
from runnerkit.sandbox.github.state import State

PATIENCE = 10.0
LONGEST_ANSWER = 65_536
MOST_KEPT = 2000
TARGETS = {"repos": "repository", "orgs": "organization", "apps": "integration"}
KINDS = {"json": "application/json", "form": "application/x-www-form-urlencoded"}


@dataclass(slots=True)
class Mischief:
    """What is scripted to go wrong: how many deliveries are lost, doubled or held for turning round; the delay.

    ``lose_share`` and ``double_share`` are probabilities for each delivery, ``jitter`` the seconds up to which each is
    late by chance, so that they arrive in any order; ``random`` decides.
    """

    lose: int = 0
    double: int = 0
    delay: float = 0.0
    turn: int = 0
    lose_share: float = 0.0
    double_share: float = 0.0
    jitter: float = 0.0
    random: Random = field(default_factory=Random)
    held: deque[int] = field(default_factory=deque)

    def loses(self) -> bool:
        """Tell whether the next delivery is lost."""
        if self.lose > 0:
            self.lose -= 1
            return True
        return self.lose_share > 0 and self.random.random() < self.lose_share

    def doubles(self) -> bool:
        """Tell whether the next delivery is made twice."""
        if self.double > 0:
            self.double -= 1
            return True
        return self.double_share > 0 and self.random.random() < self.double_share

    def lateness(self) -> float:
        """Give the seconds by which the next delivery is late."""
        return self.delay + (self.random.uniform(0, self.jitter) if self.jitter else 0.0)


class Sender:
    """Queues deliveries while the world is held open and sends them afterwards.

    One thread sends them in order, which is more than GitHub promises; with more ``threads`` a slow receiver does not
    hold the others up. Deliveries are kept, up to `MOST_KEPT`, so that they can be asked for again.
    """

    def __init__(self, state: State) -> None:
        self.mischief = Mischief()
        self.threads = 1
        self.idle = threading.Event()
        self.idle.set()
        self._state = state
        self._ready = threading.Condition()
        self._queue: list[tuple[float, int, int]] = []
        self._turn = 0
        self._closed = False
        self._busy = 0
        self._workers: dict[int, threading.Thread] = {}
        self._connections: set[HTTPConnection] = set()
        state.announcers.append(self.announce)

    def announce(self, happening: Happening) -> None:
        """Tell every hook that wants to know."""
        for hook in rules.hooks_for(self._state, happening.repository, happening.event):
            installation = _installation(self._state, hook, happening.repository)
            more = {"installation": {"id": installation, "node_id": f"I{installation}"}} if installation else {}
            told = self.tell(hook, happening.event, happening.action, happening.payload | more)
            told.installation_id = installation

    def tell(self, hook: Hook, event: str, action: str | None, payload: dict[str, Any]) -> Delivery:
        """Queue one delivery."""
        body = json.dumps(payload, separators=(",", ":"))
        delivery = Delivery(0, str(uuid.uuid4()), hook.id, event, action, body, self._state.now())
        delivery.repository_id = payload.get("repository", {}).get("id")
        return self._add(delivery)

    def again(self, delivery: Delivery) -> Delivery:
        """Queue a delivery once more, under the same GUID."""
        fresh = replace(delivery, id=0, at=self._state.now(), status=0, answer="", redelivery=True, duration=0.0)
        return self._add(fresh)

    def _add(self, delivery: Delivery) -> Delivery:
        delivery.id = self._state.next_id("delivery")
        self._state.deliveries[delivery.id] = delivery
        while len(self._state.deliveries) > MOST_KEPT:
            del self._state.deliveries[next(iter(self._state.deliveries))]
        planned = self.mischief
        if not delivery.redelivery and planned.loses():
            delivery.answer = "lost on the way, as scripted"
            return delivery
        if planned.turn > 0:
            planned.turn -= 1
            planned.held.appendleft(delivery.id)
            if planned.turn == 0:
                self._release()
            return delivery
        self._put(delivery.id)
        if planned.doubles():
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
            heapq.heappush(self._queue, (time.monotonic() + self.mischief.lateness(), self._turn, number))
            self.idle.clear()
            fresh = next((each for each in range(self.threads) if each not in self._workers), None)
            if fresh is not None and len(self._workers) < self._busy + len(self._queue):
                self._workers[fresh] = threading.Thread(target=self._work, args=(fresh,), name="webhooks", daemon=True)
                self._workers[fresh].start()
            self._ready.notify()

    def settle(self) -> None:
        """Forget all scripted trouble; what was held goes out, and from now on one after the other."""
        with self._ready:
            self.threads = 1
            self._ready.notify_all()
        held, self.mischief = self.mischief.held, Mischief()
        self.mischief.held = held
        self._release()

    def close(self) -> None:
        """Stop at once; what is queued stays undelivered."""
        with self._ready:
            self._closed = True
            self._queue.clear()
            sockets = [each.sock for each in self._connections if each.sock is not None]
            workers = list(self._workers.values())
            self._ready.notify_all()
        for each in sockets:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
        for worker in workers:
            worker.join()
        self.idle.set()

    def _work(self, place: int) -> None:
        while True:
            number = self._next(place)
            if number is None:
                return
            try:
                self._deliver(number)
            finally:
                with self._ready:
                    self._busy -= 1
                    if not self._queue and not self._busy:
                        self.idle.set()

    def _deliver(self, number: int) -> None:
        with self._state.open(reading=True):
            delivery = self._state.deliveries.get(number)
            hook = self._state.hooks.get(delivery.hook_id) if delivery is not None else None
            if delivery is None or hook is None:
                return
            url, (body, headers) = urlsplit(hook.url), _request(self._state, hook, delivery)
        self._send(delivery, url, body, headers)

    def _next(self, place: int) -> int | None:
        with self._ready:
            while not self._closed and place < self.threads:
                now = time.monotonic()
                if self._queue and self._queue[0][0] <= now:
                    self._busy += 1
                    return heapq.heappop(self._queue)[2]
                if not self._queue and not self._busy:
                    self.idle.set()
                self._ready.wait(self._queue[0][0] - now if self._queue else None)
            self._workers.pop(place, None)
            return None

    def _send(self, delivery: Delivery, url: Any, body: bytes, headers: dict[str, str]) -> None:  # noqa: ANN401 - a SplitResult
        began = time.monotonic()
        path = (url.path or "/") + (f"?{url.query}" if url.query else "")
        connection = HTTPConnection(url.hostname, url.port, timeout=PATIENCE)
        try:
            connection.connect()
            with self._ready:
                # From here on `close` can cut the connection off.
                self._connections.add(connection)
                if self._closed:
                    return
            connection.request("POST", path, body, headers)
            answer = connection.getresponse()
            status, text = answer.status, answer.read(LONGEST_ANSWER).decode(errors="replace")
        except (OSError, HTTPException) as error:
            status, text = 0, f"{type(error).__name__}: {error}"
        finally:
            with self._ready:
                self._connections.discard(connection)
            connection.close()
        with self._state.open(reading=True):
            delivery.status, delivery.answer, delivery.duration = status, text, round(time.monotonic() - began, 3)


def _installation(state: State, hook: Hook, repository: str) -> int | None:
    for each in state.installations.values():
        if hook.level == rules.level_of_app(each.app_id) and rules.reaches(state, each, repository):
            return each.id
    return None


def _target(state: State, hook: Hook) -> int:
    kind, _, name = hook.level.partition("/")
    if kind == "apps":
        return int(name)
    return state.repository(name).id if kind == "repos" else state.account(name).id


def _request(state: State, hook: Hook, delivery: Delivery) -> tuple[bytes, dict[str, str]]:
    body = delivery.body.encode() if hook.content_type == "json" else urlencode({"payload": delivery.body}).encode()
    return body, headers_of(state, hook, delivery) | signatures(hook.secret, body)


def headers_of(state: State, hook: Hook, delivery: Delivery) -> dict[str, str]:
    """Give the headers that say what is delivered, without the signatures."""
    return {
        "Accept": "*/*",
        "Content-Type": KINDS[hook.content_type],
        "User-Agent": "GitHub-Hookshot/sandbox",
        "X-GitHub-Delivery": delivery.guid,
        "X-GitHub-Event": delivery.event,
        "X-GitHub-Hook-ID": str(hook.id),
        "X-GitHub-Hook-Installation-Target-ID": str(_target(state, hook)),
        "X-GitHub-Hook-Installation-Target-Type": TARGETS[hook.level.partition("/")[0]],
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
