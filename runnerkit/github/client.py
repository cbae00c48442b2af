"""GitHub as a client sees it: requests that are authorised, counted, retried where that is safe, and read by page."""

from __future__ import annotations

import random
import re
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
    from collections.abc import Callable, Iterator, Sequence

    from runnerkit.github.asks import Answer, Ask
    from runnerkit.ports import Clock
    from runnerkit.settings import GitHubSettings

# Seconds before the second and the third try of a GET, each spread by half.
PAUSES = (0.5, 2.0)
MOST_PAGES = 100
# GitHub takes a hundred at once from one caller ("Rate limits for the REST API"), other programs' among them.
MOST_AT_ONCE = 50
REMEMBERED_PAGES = 2048
REMEMBERED_WARNINGS = 100
_UNAUTHORIZED = 401
_MISSING = 404
_UNCHANGED = 304
_NEXT = re.compile(r'<([^<>]*)>[^,<]*rel="next"')


@dataclass(frozen=True, slots=True)
class _Page:
    etag: str
    body: Any
    next: str


@dataclass(frozen=True, slots=True)
class _Listing:
    """Turns a page of a list into its rows and how many GitHub counts in all (0: it does not say)."""

    what: str
    key: str | None
    each: Callable[[Any], Any] | None

    def __call__(self, body: Any) -> tuple[list[Any], int]:  # noqa: ANN401 - JSON is anything
        rows = body.get(self.key) if self.key and isinstance(body, dict) else body
        if not isinstance(rows, list):
            raise unreadable(self.what)
        count = body.get("total_count") if isinstance(body, dict) else None
        shaped = rows if self.each is None else [self.each(row) for row in rows]
        return shaped, count if isinstance(count, int) else 0


class Client:
    """One identity at one GitHub; any number of threads may use it.

    Args:
        settings: Where GitHub is and who we are there.
        clock: Time, and the waiting between tries.
        repos: The repositories served (``owner/*``: all of an owner's); an App's tokens are narrowed to them. Empty:
            those of the settings.
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
        served = [places.served(repo) for repo in repos or settings.repositories]
        self.is_app = settings.app_id is not None
        self._credentials = credentials(settings, clock, served)
        self._wire = Wire(base_url)
        self._under_way = threading.BoundedSemaphore(MOST_AT_ONCE)
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

    def rows(
        self,
        ask: Ask,
        key: str | None = None,
        *,
        most: int = MOST_PAGES,
        remember: bool = True,
        each: Callable[[Any], Any] | None = None,
    ) -> list[Any]:
        """Every row of a list, page after page, until there are as many as GitHub counted or ``most`` pages are read.

        Pages that have not changed cost nothing of the hourly limit. ``key`` names the list inside an object, ``each``
        turns a row into what is given and remembered.

        Raises:
            ForgeError: What GitHub's refusal, or its silence, means; a list that is no list is never an empty one.
        """
        found: list[Any] = []
        listing = _Listing(ask.what, key, each)
        for page in self._each_page(
            replace(ask, params={**ask.params, "per_page": PAGE}), most, remember=remember, slim=listing
        ):
            rows, count = page.body
            found += rows
            # A full page that is unchanged may have got a next one since, where GitHub does not count.
            if not rows or not (page.next or len(found) < count or (not count and len(rows) >= PAGE)):
                return found
        self.warn(f"GitHub has more than the {len(found)} entries that were read to {ask.what}")
        return found

    def some(self, ask: Ask, key: str | None = None, each: Callable[[Any], Any] | None = None) -> tuple[list[Any], str]:
        """One page of a list, free while it does not change, and the address of the next page (empty: none)."""
        page = self.page(ask, slim=_Listing(ask.what, key, each))
        return page.body[0], page.next

    def _each_page(self, ask: Ask, most: int, *, remember: bool, slim: Callable[[Any], Any]) -> Iterator[_Page]:
        for number in range(1, most + 1):
            numbered = ask if number == 1 else replace(ask, params={**ask.params, "page": number})
            yield self.page(numbered, remember=remember, slim=slim)

    def page(self, ask: Ask, *, remember: bool = True, slim: Callable[[Any], Any] | None = None) -> _Page:
        """One reading, taken from memory when GitHub says that nothing has changed.

        ``slim`` turns the JSON into what is given and remembered; for one address it must always be the same.
        """
        key = f"{ask.path}?{sorted(ask.params.items())}"
        with self._lock:
            known = self._pages.get(key) if remember else None
        answer = self.ask(replace(ask, etag=known.etag) if known else ask)
        if answer.status == _UNCHANGED:
            if known is None:
                raise unreadable(ask.what)
            return self._keep(key, known)
        body = answer.json(ask.what)
        fresh = _Page(answer.headers.get("etag", ""), slim(body) if slim else body, _next(answer))
        return self._keep(key, fresh) if remember and fresh.etag else fresh

    def _keep(self, key: str, page: _Page) -> _Page:
        with self._lock:
            self._pages[key] = page
            self._pages.move_to_end(key)
            while len(self._pages) > REMEMBERED_PAGES:
                self._pages.popitem(last=False)
        return page

    def _try(self, ask: Ask) -> Answer:
        answer, used = self._signed(ask)
        if answer.status == _UNAUTHORIZED and self._credentials.renew(ask, used):
            answer, _ = self._signed(ask)  # a 401 did nothing, so even a POST may follow it
        return self._checked(ask, answer)

    def _signed(self, ask: Ask) -> tuple[Answer, str]:
        caller = self._credentials.caller(ask)
        self._meter.admit(caller, ask)
        authorization = self._credentials.authorization(ask, self._exchange)
        return self._send(ask, authorization, caller), authorization

    def _exchange(self, ask: Ask, authorization: str, caller: str) -> Answer:
        return self._checked(ask, self._send(ask, authorization, caller))

    def _send(self, ask: Ask, authorization: str, caller: str) -> Answer:
        with self._under_way:
            # Who waited for a turn may have been overtaken by a refusal that is meant for everybody.
            self._meter.admit(caller, ask)
            answer = self._wire.send(ask, authorization)
            self._meter.learn(caller, ask, answer)
        return answer

    def _checked(self, ask: Ask, answer: Answer) -> Answer:
        if answer.status == _MISSING and not answer.message:
            raise unreadable(ask.what)  # a proxy's page: GitHub says so in words, and only then something is gone
        if refused(answer.status) and answer.status not in ask.fine:
            raise complaint(ask, answer)
        return answer

    def _wait(self, seconds: float) -> None:
        if self.clock.wait(seconds * random.uniform(0.5, 1.5)):
            self.clock.wake()  # it was meant for the loop, which would otherwise sleep on


def _next(answer: Answer) -> str:
    found = _NEXT.search(answer.headers.get("link", ""))
    return found[1] if found else ""
