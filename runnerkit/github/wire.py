"""The road to GitHub: one request out, one answer back, by PyGithub's requester without its pacing and retries."""

from __future__ import annotations

import logging
from http.cookiejar import DefaultCookiePolicy
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin, urlsplit

import requests

from runnerkit.errors import ForgeError, ForgeRejected, ForgeUnavailable
from runnerkit.github import lean
from runnerkit.github.asks import Answer, Ask, unreadable

if TYPE_CHECKING:
    import io

    from github.Requester import HTTPRequestsConnectionClass, Requester, RequestsResponse
else:
    _pygithub = lean.requester()
    HTTPRequestsConnectionClass = _pygithub.HTTPRequestsConnectionClass
    Requester = _pygithub.Requester
    RequestsResponse = _pygithub.RequestsResponse

CONNECT_TIMEOUT = 5.0
READ_TIMEOUT = 20.0
API_VERSION = "2022-11-28"
PAGE = 100
_MOVED = frozenset({301, 302, 307, 308})
_NOT_READY = 202


class Wire:
    """Sends requests below one base address; any number of threads may use it.

    Args:
        base_url: Where the API is, already checked.
        timeouts: Seconds to connect, and seconds between two pieces of an answer.
    """

    def __init__(self, base_url: str, *, timeouts: tuple[float, float] = (CONNECT_TIMEOUT, READ_TIMEOUT)) -> None:
        # At debug level PyGithub logs whole bodies, and with them JIT configurations and fresh tokens.
        logging.getLogger("github.Requester").setLevel(logging.INFO)
        self._base_url = base_url
        self._timeouts = timeouts
        self._session = requests.Session()
        self._session.auth = Requester.noopAuth  # otherwise a .netrc would replace the token
        self._session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=()))
        self._requester = Requester(
            auth=None,
            base_url=base_url,
            timeout=int(timeouts[1]),
            user_agent="runnerkit",
            per_page=PAGE,
            verify=True,
            retry=None,
            pool_size=None,
            seconds_between_requests=None,
            seconds_between_writes=None,
            api_version=API_VERSION,
        )

    def send(self, ask: Ask, authorization: str) -> Answer:
        """Send a request once; if its subject has moved on the same host, once more to where it is now.

        Raises:
            ForgeUnavailable: No answer, or none that can be read; whether the request was carried out is unknown.
            ForgeRejected: It was redirected to another host.
        """
        try:
            return self._send(ask, ask.path, authorization)
        except _Moved as moved:
            place = self._same_host(ask, moved.location)
        try:
            return self._send(ask, place, authorization)
        except _Moved as moved:
            raise _lost(ask, moved.location) from None

    def close(self) -> None:
        """Close all connections."""
        self._session.close()

    def _send(self, ask: Ask, path: str, authorization: str) -> Answer:
        headers = {"Accept": "application/vnd.github+json"}
        if authorization:
            headers["Authorization"] = authorization
        if ask.etag:
            headers["If-None-Match"] = ask.etag
        road = _Road(self._session, self._base_url, self._timeouts)
        body = None if ask.body is None else dict(ask.body)
        try:
            status, received, text = self._requester.requestJson(
                ask.verb, path, dict(ask.params), headers, body, cnx=road
            )
        except requests.RequestException as error:
            raise self._unreachable(ask, error) from error
        except (ValueError, OverflowError, RecursionError) as error:
            raise unreadable(ask.what) from error
        return Answer(status, received, text)

    def _same_host(self, ask: Ask, location: str) -> str:
        target = urljoin(self._base_url + ask.path, location)
        if not location or urlsplit(target)[:2] != urlsplit(self._base_url)[:2]:
            raise _lost(ask, location)
        return target

    def _unreachable(self, ask: Ask, error: requests.RequestException) -> ForgeUnavailable:
        host = urlsplit(self._base_url).netloc
        return ForgeUnavailable(
            f"could not {ask.what}: {_reason(error, self._timeouts)} ({host})",
            hint="try again later; if it stays so, check the network, the proxy and github.api_url",
        )


class _Moved(Exception):
    """Raised on a redirect before PyGithub follows it by itself, which would drop the query."""

    def __init__(self, location: str) -> None:
        super().__init__(location)
        self.location = location


class _Road(HTTPRequestsConnectionClass):
    """The way of one request.

    PyGithub keeps a request's verb and address on its connection between sending and receiving, so threads that share
    one would get each other's answers. Here every request has its own, and they share the pool of sockets.
    """

    def __init__(self, session: requests.Session, base_url: str, timeouts: tuple[float, float]) -> None:
        parts = urlsplit(base_url)
        self._origin = f"{parts.scheme}://{parts.netloc}"
        self._timeouts = timeouts
        self.session = session

    def request(
        self,
        verb: str,
        url: str,
        input: str | io.BufferedReader | None,  # noqa: A002 - the base class's name
        headers: dict[str, str],
        stream: bool = False,  # noqa: FBT001, FBT002 - the base class's signature
    ) -> None:
        """Take what is to be sent, as PyGithub hands it over."""
        self._sent: dict[str, Any] = {"method": verb, "url": self._origin + url, "headers": headers, "stream": stream}
        self._sent["data"] = input.encode() if isinstance(input, str) else input

    def getresponse(self) -> RequestsResponse:
        """Send it and wait for the answer."""
        answer = self.session.request(**self._sent, timeout=self._timeouts, allow_redirects=False)
        answer.encoding = "utf-8"
        if answer.status_code in _MOVED:
            raise _Moved(answer.headers.get("Location", ""))
        if answer.status_code == _NOT_READY and self._sent["method"] == "GET":
            raise requests.RequestException("GitHub is still preparing the answer")
        return RequestsResponse(answer)


def _lost(ask: Ask, location: str) -> ForgeError:
    return ForgeRejected(
        f"could not {ask.what}: GitHub sends the request on to {location or 'nowhere'!r}",
        hint="if the repository was renamed or transferred, configure its present name; otherwise check github.api_url",
    )


def _reason(error: requests.RequestException, timeouts: tuple[float, float]) -> str:
    if isinstance(error, requests.ConnectTimeout):
        return f"no connection to GitHub within {timeouts[0]:g} s"
    if isinstance(error, requests.Timeout):
        return f"no answer from GitHub within {timeouts[1]:g} s"
    if isinstance(error, requests.exceptions.SSLError):
        return "GitHub's certificate was not accepted"
    if isinstance(error, requests.exceptions.ProxyError):
        return "the proxy on the way to GitHub failed"
    if isinstance(error, requests.ConnectionError):
        return "the connection to GitHub failed"
    return "the exchange with GitHub failed"
