"""The HTTP server: moto's own application behind our layer, on 127.0.0.1 and a free port."""

from __future__ import annotations

from threading import Thread
from typing import TYPE_CHECKING

from runnerkit.sandbox.ec2.layer import Layer

if TYPE_CHECKING:
    from collections.abc import Callable
    from wsgiref.types import WSGIEnvironment

    from runnerkit.sandbox.ec2.core import Core
    from runnerkit.sandbox.ec2.model import Answer, Raw


class Server:
    """A running server; every request has a thread of its own."""

    def __init__(self, core: Core, control: Callable[[WSGIEnvironment], Answer]) -> None:
        from werkzeug.serving import make_server

        app = Layer(core, _moto(), control)
        self._server = make_server("127.0.0.1", 0, app, threaded=True, request_handler=_handler())
        self._server.daemon_threads = True  # type: ignore[attr-defined]  # it is a ThreadingMixIn
        self._thread = Thread(target=self._server.serve_forever, args=(0.05,), name="sandbox-ec2", daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self._server.server_port}"

    def stop(self) -> None:
        """Stop listening and close the port."""
        self._server.shutdown()
        self._thread.join(5)
        self._server.server_close()


def _moto() -> Raw:
    from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app

    def create_app(service: Raw) -> Raw:
        """The service's own application; of one that it lacks moto itself would stumble over the missing name."""
        if service is None:
            raise NotImplementedError("that it does not have this service")
        return create_backend_app(service)

    return DomainDispatcherApplication(create_app)


def _handler() -> Raw:
    from moto.moto_server.werkzeug_app import MotoRequestHandler

    class QuietHandler(MotoRequestHandler):
        def connection_dropped(self, error: BaseException, environ: WSGIEnvironment | None = None) -> None:
            """Close it: a client must not wait for an answer that was lost on purpose."""
            super().connection_dropped(error, environ)
            self.close_connection = True

        def log(self, *_: object) -> None:
            """Say nothing; calls are recorded in ``calls``."""

    return QuietHandler
