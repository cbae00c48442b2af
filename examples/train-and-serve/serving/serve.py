"""Serve the model: POST the 64 pixels of a digit to /predict, as ``{"pixels": [0, ..., 16]}``.

Usage: ``python serving/serve.py [--port 8000]``, or with ``--check`` to start it, ask it about one digit, and end.
"""

import argparse
import hashlib
import json
import sys
import threading
import urllib.request
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, ClassVar

import joblib

HERE = Path(__file__).resolve().parent
MODEL = HERE.parent / "models/digits.joblib"
NEEDS = HERE / "requirements.txt"
RELEASE = HERE.parent / "release.json"
LABELS = json.loads((HERE / "labels.json").read_text(encoding="utf-8"))
PIXELS = 64
MAX_BODY = 100_000


class Handler(BaseHTTPRequestHandler):
    """Answers GET /health and POST /predict."""

    model: Any = None
    about: ClassVar[dict[str, str]] = {}

    def do_GET(self) -> None:
        """Say that the service lives, and of which release and model."""
        known = self.path == "/health"
        self._answer(HTTPStatus.OK if known else HTTPStatus.NOT_FOUND, {"ok": known, **self.about})

    def do_POST(self) -> None:
        """Say which digit it is."""
        if self.path != "/predict":
            self._answer(HTTPStatus.NOT_FOUND, {"error": "POST to /predict"})
            return
        try:
            pixels = self._pixels()
        except (TypeError, ValueError, KeyError) as error:
            self._answer(HTTPStatus.BAD_REQUEST, {"error": f"not {PIXELS} numbers from 0 to 16: {error}"})
            return
        chances = self.model.predict_proba([pixels])[0]
        digit = int(chances.argmax())
        said = {"digit": digit, "label": LABELS[digit], "probability": round(float(chances[digit]), 4)}
        self._answer(HTTPStatus.OK, said)

    def _pixels(self) -> list[float]:
        size = int(self.headers.get("Content-Length") or 0)
        if not 0 < size <= MAX_BODY:
            raise ValueError("the body is empty or too large")
        pixels = [float(value) / 16 for value in json.loads(self.rfile.read(size))["pixels"]]
        if len(pixels) != PIXELS or not all(0 <= value <= 1 for value in pixels):
            raise ValueError("wrong length or range")
        return pixels

    def _answer(self, status: HTTPStatus, body: dict[str, Any]) -> None:
        text = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_: object) -> None:
        """Stay quiet: a line for each request is the proxy's business."""


def others() -> list[str]:
    """What is here in another version than the model was made with, or not at all."""
    pins = [line.split("==") for line in NEEDS.read_text(encoding="utf-8").splitlines() if line.strip()]
    return [f"{name}=={wanted}" for name, wanted in pins if installed(name) != wanted]


def installed(name: str) -> str:
    """The version that is here; empty without one."""
    try:
        return version(name)
    except PackageNotFoundError:
        return ""


def load() -> None:
    """Load the model, and know which one it is by its MD5, as ``dvc.lock`` names it."""
    Handler.model = joblib.load(MODEL)
    release = json.loads(RELEASE.read_text(encoding="utf-8"))["id"] if RELEASE.exists() else ""
    Handler.about = {"release": release, "model": hashlib.md5(MODEL.read_bytes(), usedforsecurity=False).hexdigest()}


def check(server: ThreadingHTTPServer) -> int:
    """Ask the running service about a digit it may know; 0 when it answers sensibly."""
    from sklearn.datasets import load_digits  # which the service itself has no use for

    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_address[1]}/predict"
    pixels, digits = load_digits(return_X_y=True)
    request = urllib.request.Request(url, json.dumps({"pixels": list(pixels[0])}).encode())
    with urllib.request.urlopen(request, timeout=10) as answer:
        said = json.load(answer)
    print(f"a {digits[0]} was taken for a {said['digit']} (probability {said['probability']})", flush=True)
    return 0 if 0 <= said["digit"] <= 9 and 0 < said["probability"] <= 1 else 1


def main() -> int:
    """Serve until interrupted, or check and end."""
    parser = argparse.ArgumentParser(description="Serve the digits model over HTTP.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument("--check", action="store_true", help="start, ask about one digit, end")
    options = parser.parse_args()
    if others():
        print(f"The model needs {' '.join(others())}: pip install -r {NEEDS}", file=sys.stderr)
        return 1
    load()
    with ThreadingHTTPServer((options.host, 0 if options.check else options.port), Handler) as server:
        if options.check:
            return check(server)
        print(f"listening on http://{options.host}:{options.port}")
        server.serve_forever()
    return 0


if __name__ == "__main__":
    sys.exit(main())
