"""An HTTP server on 127.0.0.1 that keeps what is posted to it: a test's Slack, or any other webhook.

>>> with Sink() as sink:
...     sink.messages
[]
"""

from __future__ import annotations

import json
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

MOST = 10_000_000  # bytes of a message


@dataclass(frozen=True, slots=True)
class Posted:
    """One request: its path, its headers by lower-case names, and its body."""

    path: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:  # noqa: ANN401 - JSON is anything
        """The body, read as JSON."""
        return json.loads(self.body)


class Sink:
    """Takes messages from when it is made until it is closed; safe for threads.

    Args:
        answers: Status codes of the first answers; 200 afterwards. 0 hangs up without an answer, 301 to 308 name
            another path of the same server as the new place.
        delay: Seconds before each answer.
    """

    def __init__(self, answers: Sequence[int] = (), *, delay: float = 0.0) -> None:
        self.messages: list[Posted] = []
        self.answers = list(answers)
        self.delay = delay
        self._changed = threading.Condition()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        """Where it listens, with a path as long and secret as a webhook's."""
        return f"http://127.0.0.1:{self._server.server_address[1]}/services/T000/B000/sEcReT0123456789"

    @property
    def texts(self) -> list[str]:
        """The member ``text`` of each message: what Slack shows in a notification."""
        return [str(each.json.get("text", "")) for each in self.messages]

    def take(self, posted: Posted) -> int:
        """Keep a message, and say which status to answer with."""
        time.sleep(self.delay)
        with self._changed:
            self.messages.append(posted)
            self._changed.notify_all()
            return self.answers.pop(0) if self.answers else 200

    def wait(self, holds: Callable[[Sequence[Posted]], bool], within: float = 30.0) -> bool:
        """Wait until something holds for the messages; False when it does not come to that in so many seconds."""
        with self._changed:
            return self._changed.wait_for(lambda: holds(self.messages), within)

    def close(self) -> None:
        """End the server; what was posted stays readable."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(10)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _handler(sink: Sink) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            length = min(int(self.headers.get("Content-Length") or 0), MOST)
            headers = {name.lower(): value for name, value in self.headers.items()}
            status = sink.take(Posted(self.path, headers, self.rfile.read(length)))
            if not status:
                self.close_connection = True
                return
            self.send_response(status)
            if status // 100 == 3:  # noqa: PLR2004 - redirections
                self.send_header("Location", "/elsewhere")
            if status >= 400:  # noqa: PLR2004 - failures; nobody has to wait in a test
                self.send_header("Retry-After", "0")
            self.send_header("Content-Length", "2")
            # Who was kept waiting may have gone away.
            with suppress(ConnectionError):
                self.end_headers()
                self.wfile.write(b"ok")

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's name
            """Say nothing."""

    return Handler
