"""Serves the status page and a document as the service does, on a free port of this machine."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from pathlib import Path
from socketserver import ThreadingMixIn
from typing import TYPE_CHECKING, Any, cast
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import runnerkit.web
from runnerkit.testing import RecordedEvents
from runnerkit.web.door import Door
from runnerkit.web.site import Site

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

FOLDER = Path(runnerkit.web.__file__).parent / "page"
NOTHING = cast("Any", None)


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class _Quiet(WSGIRequestHandler):
    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name of the base class
        """Say nothing."""


@contextmanager
def serving(document: Callable[[], bytes], port: int = 0) -> Iterator[str]:
    """The page's address, while it is served; ``port`` 0 takes a free one."""
    site = Site(
        receiver=None,
        health=NOTHING,
        metrics=NOTHING,
        document=document,
        door=Door(password=None, local=True),
        folder=FOLDER,
        events=RecordedEvents(),
    )
    server = make_server("127.0.0.1", port, site, _Server, _Quiet)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()
        thread.join(10)
        server.server_close()
