"""The base is fetched even where the checkout kept no credentials."""

from __future__ import annotations

import base64
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

from runnerkit.job.checks import fetched
from tests.job.workshop import git

if TYPE_CHECKING:
    from pathlib import Path


class Private(BaseHTTPRequestHandler):
    """A server that shows nothing to strangers, and notes who asks."""

    seen: list[str | None]

    def do_GET(self) -> None:
        """Refuse strangers; there is nothing here for friends either."""
        asks = self.headers.get("Authorization")
        self.seen.append(asks)
        self.send_response(404 if asks else 401)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Stay quiet."""


def test_the_jobs_token_is_offered_to_github_alone_and_only_when_needed(tmp_path: Path) -> None:
    """First as the checkout is set up; then with the token, if the remote is on the server that gave it out."""
    Private.seen = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), Private)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_address[1]}"
    git(tmp_path, "init", "-q")
    git(tmp_path, "remote", "add", "origin", f"{url}/acme/widgets")
    try:
        fetched(tmp_path, "main", {"GITHUB_TOKEN": "t", "GITHUB_SERVER_URL": "https://github.com"})
        elsewhere, Private.seen = Private.seen, []
        fetched(tmp_path, "main", {"GITHUB_TOKEN": "t", "GITHUB_SERVER_URL": url})
    finally:
        server.shutdown()
        server.server_close()
    secret = base64.b64encode(b"x-access-token:t").decode()
    assert set(elsewhere) == {None}
    assert (Private.seen[0], f"basic {secret}" in Private.seen) == (None, True)
