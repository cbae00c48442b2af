"""A receiver of webhooks, and what it got."""

import json
import queue
import threading
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from runnerkit.sandbox.github import GitHubWorld


@dataclass
class Delivered:
    headers: dict[str, str]
    body: bytes

    @property
    def event(self) -> str:
        """The kind of event."""
        return self.headers["x-github-event"]

    @property
    def payload(self) -> dict[str, Any]:
        """What a JSON body holds."""
        found = json.loads(self.body)
        assert isinstance(found, dict)
        return found

    @property
    def what(self) -> tuple[str, str]:
        """Event and action."""
        return self.event, self.payload.get("action", "")


class Receiver:
    """Takes deliveries at 127.0.0.1; ``status`` is what it answers, ``gate`` holds answers back while it is clear."""

    def __init__(self) -> None:
        self.got: queue.Queue[Delivered] = queue.Queue()
        self.status = 200
        self.gate = threading.Event()
        self.gate.set()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.got.put(Delivered({name.lower(): value for name, value in self.headers.items()}, body))
                receiver.gate.wait(20)
                self.send_response(receiver.status)
                self.end_headers()
                self.wfile.write(b"thanks")

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
                """Say nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/hook?from=acme"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.02,))
        self.thread.start()

    def next(self) -> Delivered:
        """Wait for the next delivery."""
        return self.got.get(timeout=30)

    def all(self, world: GitHubWorld) -> list[Delivered]:
        """Wait until nothing is under way and give what came."""
        assert world.await_webhooks()
        return [self.got.get_nowait() for _ in range(self.got.qsize())]

    def close(self) -> None:
        """Stop listening."""
        self.gate.set()
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


def whats(found: list[Delivered]) -> list[tuple[str, str]]:
    """Events and actions."""
    return [each.what for each in found]
