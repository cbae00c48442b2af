"""A threaded HTTP server on the loopback, in this process, reachable from others."""

import contextlib
import socket
import threading
import time
from typing import TYPE_CHECKING, Any

from werkzeug.serving import ThreadedWSGIServer, WSGIRequestHandler

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

HOST = "127.0.0.1"
# How long answers that are being made may still take when the server ends.
PATIENCE = 10.0


class _Handler(WSGIRequestHandler):
    protocol_version = "HTTP/1.1"
    # Headers and body leave in two writes; with Nagle's algorithm every answer would wait 40 ms for the second.
    disable_nagle_algorithm = True

    def log(self, type: str, message: str, *args: Any) -> None:  # noqa: A002, ANN401 - the base class names them
        """Say nothing: the world keeps its own record."""


class _Server(ThreadedWSGIServer):
    def __init__(self, app: "WSGIApplication") -> None:
        self._connections: set[socket.socket] = set()
        self._guard = threading.Lock()
        self._workers: set[threading.Thread] = set()
        super().__init__(HOST, 0, app, handler=_Handler)

    def process_request(self, request: Any, client_address: Any) -> None:  # noqa: ANN401 - the base class's types
        with self._guard:
            self._connections.add(request)
        super().process_request(request, client_address)

    def process_request_thread(self, request: Any, client_address: Any) -> None:  # noqa: ANN401 - as above
        with self._guard:
            self._workers.add(threading.current_thread())
        try:
            super().process_request_thread(request, client_address)
        finally:
            with self._guard:
                self._workers.discard(threading.current_thread())

    def shutdown_request(self, request: Any) -> None:  # noqa: ANN401 - the base class's types
        with self._guard:
            self._connections.discard(request)
        super().shutdown_request(request)

    def hang_up(self) -> None:
        """End the connections that clients keep open."""
        with self._guard:
            waiting = list(self._connections)
        for connection in waiting:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def wait(self, seconds: float) -> None:
        """Wait until what was being answered is."""
        until = time.monotonic() + seconds
        with self._guard:
            working = [each for each in self._workers if each is not threading.current_thread()]
        for worker in working:
            worker.join(max(0.0, until - time.monotonic()))


class Server:
    """Serves an application on a free port from `start` to `close`."""

    def __init__(self, app: "WSGIApplication") -> None:
        self._server = _Server(app)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://{HOST}:{self._server.server_port}"

    def start(self) -> None:
        """Begin to serve."""
        self._thread.start()

    def close(self) -> None:
        """Stop serving and end all connections."""
        self._server.shutdown()
        self._server.hang_up()
        self._server.server_close()
        self._server.wait(PATIENCE)
        self._thread.join()
