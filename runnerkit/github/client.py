"""GitHub as a client sees it: requests that are authorised, counted, retried where that is safe, and read by page."""

from __future__ import annotations

import random
import threading
from collections import OrderedDict, deque
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from runnerkit.errors import ForgeUnavailable
from runnerkit.github import places
from runnerkit.github.answers import complaint, refused
from runnerkit.github.asks import unreadable
from runnerkit.github.auth import credentials
from runnerkit.github.budget import RESERVE, Budget, Meter
from runnerkit.github.wire import PAGE, Wire

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from runnerkit.github.asks import Answer, Ask
    from runnerkit.ports import Clock
    from runnerkit.settings import GitHubSettings

# Seconds before the second and the third try of a GET, each spread by half.
PAUSES = (0.5, 2.0)
MOST_PAGES = 100
REMEMBERED_PAGES = 2048
REMEMBERED_WARNINGS = 100
_UNAUTHORIZED = 401
_UNCHANGED = 304


@dataclass(frozen=True, slots=True)
class _Page:
    etag: str
    body: Any
    next: bool


class Client:
    """One identity at one GitHub; any number of threads may use it.

    Args:
        settings: Where GitHub is and who we are there.
        clock: Time, and the waiting between tries.
        repos: The repositories served; an App's tokens are narrowed to them. Empty: those of the settings.
        reserve: The share of the hourly limit that background reads leave to the rest.

    Raises:
        ConfigError: The settings name no usable address, credentials or repository.
    """

    def __init__(
        self, settings: GitHubSettings, *, clock: Clock, repos: Sequence[str] = (), reserve: float = RESERVE
    ) -> None:
        self.clock = clock
        self.warnings: deque[str] = deque(maxlen=REMEMBERED_WARNINGS)
        base_url = places.base_url(settings.api_url)
        served = [places.repository(repo) for repo in repos or settings.repositories]
        self._credentials = credentials(settings, clock, served)
        self._wire = Wire(base_url)
        self._meter = Meter(clock, reserve)
        self._lock = threading.Lock()
        self._pages: OrderedDict[str, _Page] = OrderedDict()

    @property
    def budget(self) -> Budget:
        """What is left of the hourly limit."""
        return self._meter.budget

    def close(self) -> None:
        """Close all connections."""
        self._wire.close()

    def warn(self, message: str) -> None:
        """Note that GitHub sent something odd; the same thing is noted once."""
        if message not in self.warnings:
            self.warnings.append(message)

    def ask(self, ask: Ask) -> Answer:
        """Send a request. A GET that GitHub fails is tried three times, anything else once.

        Raises:
            ForgeError: What GitHub's refusal, or its silence, means.
        """
        for pause in PAUSES if ask.verb == "GET" else ():
            try:
                return self._try(ask)
            except ForgeUnavailable:
                self._wait(pause)
        return self._try(ask)

    def read(self, ask: Ask) -> Any:  # noqa: ANN401 - JSON is anything
        """Send a request and give the JSON of its answer."""
        return self.ask(ask).json(ask.what)

    def rows(self, ask: Ask, key: str | None = None, *, most: int = MOST_PAGES, remember: bool = True) -> list[Any]:
        """Every row of a list, page after page, until there are as many as GitHub counted or ``most`` pages are read.

        Pages that have not changed cost nothing of the hourly limit. ``key`` names the list inside an object.

        Raises:
            ForgeError: What GitHub's refusal, or its silence, means; a list that is no list is never an empty one.
        """
        found: list[Any] = []
        for page in self._each_page(replace(ask, params={**ask.params, "per_page": PAGE}), most, remember=remember):
            rows = page.body.get(key) if key and isinstance(page.body, dict) else page.body
            if not isinstance(rows, list):
                raise unreadable(ask.what)
            found += rows
            count = page.body.get("total_count") if isinstance(page.body, dict) else None
            missing = isinstance(count, int) and len(found) < count
            if not rows or not (page.next or missing):
                return found
        self.warn(f"GitHub has more than the {len(found)} entries that were read to {ask.what}")
        return found

    def _each_page(self, ask: Ask, most: int, *, remember: bool) -> Iterator[_Page]:
        for number in range(1, most + 1):
            numbered = ask if number == 1 else replace(ask, params={**ask.params, "page": number})
            yield self.page(numbered, remember=remember)

    def page(self, ask: Ask, *, remember: bool = True) -> _Page:
        """One reading, taken from memory when GitHub says that nothing has changed."""
        key = f"{ask.path}?{sorted(ask.params.items())}"
        with self._lock:
            known = self._pages.get(key) if remember else None
        answer = self.ask(replace(ask, etag=known.etag) if known else ask)
        if answer.status == _UNCHANGED:
            if known is None:
                raise unreadable(ask.what)
            return self._keep(key, known)
        fresh = _Page(
            answer.headers.get("etag", ""), answer.json(ask.what), 'rel="next"' in answer.headers.get("link", "")
        )
        return self._keep(key, fresh) if remember and fresh.etag else fresh

    def _keep(self, key: str, page: _Page) -> _Page:
        with self._lock:
            self._pages[key] = page
            self._pages.move_to_end(key)
            while len(self._pages) > REMEMBERED_PAGES:
                self._pages.popitem(last=False)
        return page

    def _try(self, ask: Ask) -> Answer:
        answer = self._signed(ask)
        if answer.status == _UNAUTHORIZED and self._credentials.renew(ask):
            answer = self._signed(ask)  # a 401 did nothing, so even a POST may follow it
        return self._checked(ask, answer)

    def _signed(self, ask: Ask) -> Answer:
        caller = self._credentials.caller(ask)
        self._meter.admit(caller, ask)
        return self._send(ask, self._credentials.authorization(ask, self._exchange), caller)

    def _exchange(self, ask: Ask, authorization: str, caller: str) -> Answer:
        return self._checked(ask, self._send(ask, authorization, caller))

    def _send(self, ask: Ask, authorization: str, caller: str) -> Answer:
        self._meter.admit(caller, ask)
        answer = self._wire.send(ask, authorization)
        self._meter.learn(caller, ask, answer)
        return answer

    def _checked(self, ask: Ask, answer: Answer) -> Answer:
        if refused(answer.status) and answer.status not in ask.fine:
            raise complaint(ask, answer)
        return answer

    def _wait(self, seconds: float) -> None:
        if self.clock.wait(seconds * random.uniform(0.5, 1.5)):
            self.clock.wake()  # it was meant for the loop, which would otherwise sleep on
