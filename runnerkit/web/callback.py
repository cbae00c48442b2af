"""A page on this computer that sends a browser somewhere and takes one answer back, such as a code of GitHub's.

It listens on 127.0.0.1 only. What is on the page, and where the answer comes to, only those know who know the address:
it holds a random part. The answer must carry the random state that was sent along; another is refused and waited on.
A host name that is not a loopback one is refused, so that no foreign site can read it by DNS rebinding.
"""

from __future__ import annotations

import hmac
import secrets
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

from runnerkit.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType
    from typing import Self

LOOPBACK = "127.0.0.1"
NAMES = ("127.0.0.1", "localhost")
# Seconds that a silent connection is kept, and that a browser waits to be told how it went.
PATIENCE = 10.0
VERDICT_WITHIN = 90.0
LONGEST_CODE = 200


class Callback:
    """Serves the page until the answer is there; used as a context.

    Args:
        page: Makes the page (HTML), given the address that the answer is to come to and the state.
        policy: More of the content security policy, such as where a form may lead.
        port: 0: any that is free.

    Raises:
        ConfigError: The port is taken.
    """

    def __init__(self, page: Callable[[str, str], str], *, policy: str, port: int = 0) -> None:
        self._page, self._policy = page, policy
        self._state, self._key = secrets.token_urlsafe(32), secrets.token_urlsafe(12)
        self._code = ""
        self._lock = threading.Lock()
        self._arrived, self._told = threading.Event(), threading.Event()
        self._verdict = ""
        try:
            self._server = _Server((LOOPBACK, port), _handler(self))
        except OSError as error:
            raise ConfigError(
                f"port {port} of {LOOPBACK} cannot be listened on: {error.strerror}", hint="choose another with --port"
            ) from error
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.1,), daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            self.tell("")
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(PATIENCE)

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self._server.server_address[1])

    @property
    def url(self) -> str:
        """What a browser has to open."""
        return f"{self._origin}/{self._key}/"

    @property
    def answer_url(self) -> str:
        """Where the answer comes to."""
        return f"{self._origin}/{self._key}/done"

    @property
    def _origin(self) -> str:
        return f"http://{LOOPBACK}:{self.port}"

    def wait(self, seconds: float) -> str:
        """The code of the answer; empty when none came in time."""
        self._arrived.wait(seconds)
        return self._code

    def tell(self, page: str) -> None:
        """Say on the page (HTML) how it went; whoever answered is waiting for it."""
        self._verdict = page
        self._told.set()

    # --- what a request gets ------------------------------------------------------------------------------------------

    def respond(self, host: str, target: str) -> tuple[int, str]:
        """Status and text for a GET."""
        if host not in {f"{name}:{self.port}" for name in NAMES}:
            return 403, "This page is for the computer it runs on."
        try:
            parts = urlsplit(target)
        except ValueError:
            return 404, "There is nothing here."
        if parts.path == urlsplit(self.url).path:
            return (
                (410, "This page has done its work.") if self._code else (200, self._page(self.answer_url, self._state))
            )
        if parts.path == urlsplit(self.answer_url).path:
            return self._answered(parse_qs(parts.query))
        return 404, "There is nothing here."

    def _answered(self, query: dict[str, list[str]]) -> tuple[int, str]:
        code, state = query.get("code", [""])[0], query.get("state", [""])[0]
        if not hmac.compare_digest(state.encode(), self._state.encode()):
            return 403, "This answer does not belong to the question that was asked; it is ignored."
        if not code.isascii() or not code.isalnum() or len(code) > LONGEST_CODE:
            return 400, "This answer holds no code."
        with self._lock:
            if self._code:
                return 410, "This page has had its answer."
            self._code = code
        self._arrived.set()
        self._told.wait(VERDICT_WITHIN)
        return 200, self._verdict or "Look at the terminal."

    @property
    def policy(self) -> str:
        """The content security policy of everything that is answered."""
        return f"default-src 'none'; base-uri 'none'; frame-ancestors 'none'; {self._policy}"


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ANN401 - the base class's
        """Say nothing: a browser that went away while it waited is no news."""


def _handler(callback: Callback) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        timeout = PATIENCE

        def do_GET(self) -> None:
            status, text = callback.respond(self.headers.get("Host", "").lower(), self.path)
            body = (text if text.startswith("<!") else f"<!doctype html><title>runnerkit</title><p>{text}").encode()
            self.send_response(status)
            headers = {
                "Content-Type": "text/html; charset=utf-8",
                "Content-Length": str(len(body)),
                "Content-Security-Policy": callback.policy,
                "Cache-Control": "no-store",
                "Referrer-Policy": "strict-origin",
                "X-Content-Type-Options": "nosniff",
                "Connection": "close",
            }
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002, ANN401 - the base class's names
            """Say nothing: the path holds what only one browser may know."""

        def version_string(self) -> str:
            return "runnerkit"

    return Handler
