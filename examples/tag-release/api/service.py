"""Serve the package's model: POST the 13 measurements of a wine to /predict, as ``{"wine": [14.2, ...]}``.

Usage: ``python api/service.py [--port 8000]``. The package is the one in ``api/vendor``, where ``scripts/vendor.py``
puts it from the index.
"""

import argparse
import json
import sys
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
RELEASE = HERE.parent / "release.json"
MAX_BODY = 100_000
sys.path.insert(0, str(HERE / "vendor"))

import acme_wine  # noqa: E402 - from the folder above


class Handler(BaseHTTPRequestHandler):
    """Answers GET /health and POST /predict."""

    def do_GET(self) -> None:
        """Say which release and which package this is."""
        known = self.path == "/health"
        told = {"ok": known, "release": release(), "package": acme_wine.__version__}
        self._answer(HTTPStatus.OK if known else HTTPStatus.NOT_FOUND, told)

    def do_POST(self) -> None:
        """Say which cultivar it is."""
        if self.path != "/predict":
            self._answer(HTTPStatus.NOT_FOUND, {"error": "POST to /predict"})
            return
        try:
            answer = acme_wine.predict(self._wine())
        except (TypeError, ValueError, KeyError) as error:
            self._answer(HTTPStatus.BAD_REQUEST, {"error": str(error)})
            return
        self._answer(HTTPStatus.OK, answer | {"package": acme_wine.__version__})

    def _wine(self) -> list[float]:
        size = int(self.headers.get("Content-Length") or 0)
        if not 0 < size <= MAX_BODY:
            raise ValueError("the body is empty or too large")
        found: list[float] = json.loads(self.rfile.read(size))["wine"]
        return found

    def _answer(self, status: HTTPStatus, body: dict[str, Any]) -> None:
        text = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_: object) -> None:
        """Stay quiet: a line for each request is the proxy's business."""


def release() -> str:
    """The release that this folder is; empty in a checkout."""
    return str(json.loads(RELEASE.read_text(encoding="utf-8"))["id"]) if RELEASE.exists() else ""


def main() -> None:
    """Serve until interrupted."""
    parser = argparse.ArgumentParser(description="Serve the wine model over HTTP.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8000)
    options = parser.parse_args()
    with ThreadingHTTPServer((options.host, options.port), Handler) as server:
        print(f"acme-wine {acme_wine.__version__} on http://{options.host}:{server.server_address[1]}", flush=True)
        server.serve_forever()


if __name__ == "__main__":
    main()
