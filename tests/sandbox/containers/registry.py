"""A registry on 127.0.0.1 that serves one image to who knows the password."""

from __future__ import annotations

import base64
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

from tests.sandbox.containers.image import OCI, Packed, digest

if TYPE_CHECKING:
    from collections.abc import Iterator

USER, PASSWORD = "puller", "let me pull"


class Registry:
    """What was asked of it: ``signed`` counts requests with the right password, ``refused`` those without."""

    def __init__(self, packed: Packed) -> None:
        self.packed = packed
        self.signed = self.refused = 0
        self.host = ""

    def answer(self, path: str, authorization: str | None) -> tuple[int, dict[str, str], bytes]:
        """Answer a request. Source: OCI distribution specification 1.0."""
        wanted = "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        if authorization != wanted:
            self.refused += 1
            return 401, {"WWW-Authenticate": 'Basic realm="private"'}, b'{"errors": [{"code": "UNAUTHORIZED"}]}'
        self.signed += 1
        kind, _, reference = path.rpartition("/")
        if path == "/v2/":
            return 200, {}, b"{}"
        if kind == "/v2/team/private/manifests" and reference in {"1", digest(self.packed.manifest)}:
            told = {"Content-Type": f"{OCI}.manifest.v1+json", "Docker-Content-Digest": digest(self.packed.manifest)}
            return 200, told, self.packed.manifest
        if kind == "/v2/team/private/blobs" and reference in self.packed.blobs:
            return 200, {"Content-Type": "application/octet-stream"}, self.packed.blobs[reference]
        return 404, {}, b'{"errors": [{"code": "MANIFEST_UNKNOWN"}]}'


@contextmanager
def serving(packed: Packed) -> Iterator[Registry]:
    """Serve it until the block ends."""
    registry = Registry(packed)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            status, headers, body = registry.answer(self.path, self.headers.get("Authorization"))
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(body)

        do_HEAD = do_GET  # noqa: N815 - http.server's own name

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        registry.host = f"127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield registry
        finally:
            server.shutdown()
            thread.join()
