"""The service, for gunicorn: ``gunicorn --preload serve:app``. POST an hour to /predict; GET /health says who answers.

It serves the model that the alias ``MODEL_ALIAS`` names (``champion``), looks every ``REFRESH`` seconds whether that is
another one now, and goes on with the old one while the registry cannot be reached.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from collections.abc import Callable, Iterable
from typing import Any

import registry
import rides

MAX_BODY = 10_000
Start = Callable[[str, list[tuple[str, str]]], Any]


class Served:
    """The model that answers now."""

    def __init__(self, alias: str, refresh: float) -> None:
        self._alias = alias
        self._refresh = refresh
        self._looked = time.monotonic()
        self._lock = threading.Lock()
        self.version = registry.version_of(alias) or ""
        if not self.version:
            raise SystemExit(f"the registry has no model {registry.NAME} with the alias {alias}")
        self._model = registry.load(self.version)

    def now(self) -> tuple[str, Any]:
        """Give version and model, newer ones if the alias has moved."""
        with self._lock:
            if time.monotonic() - self._looked >= self._refresh:
                self._looked = time.monotonic()
                self._follow()
            return self.version, self._model

    def _follow(self) -> None:
        try:
            found = registry.version_of(self._alias)
            if found and found != self.version:
                self._model, self.version = registry.load(found), found
        except Exception as error:  # noqa: BLE001 - whatever is wrong there, the old model can answer
            print(f"version {self.version} goes on: {error}", file=sys.stderr)


served = Served(os.environ.get("MODEL_ALIAS", registry.CHAMPION), float(os.environ.get("REFRESH", "60")))


def predict(asked: dict[str, object]) -> dict[str, object]:
    """Say to whom the hour belongs, and how likely that is."""
    row = rides.row(asked)
    version, model = served.now()
    chances = model.predict_proba(row)[0]
    best = int(chances.argmax())
    return {"label": rides.LABELS[best], "probability": round(float(chances[best]), 4), "version": version}


def app(environ: dict[str, Any], start: Start) -> Iterable[bytes]:
    """Answer one request."""
    status, body = _answer(environ)
    text = json.dumps(body).encode()
    start(status, [("Content-Type", "application/json"), ("Content-Length", str(len(text)))])
    return [text]


def _answer(environ: dict[str, Any]) -> tuple[str, dict[str, object]]:
    asked = (environ["REQUEST_METHOD"], environ["PATH_INFO"])
    if asked == ("GET", "/health"):
        return "200 OK", {"ok": True, "version": served.now()[0]}
    if asked != ("POST", "/predict"):
        return "404 Not Found", {"error": "POST to /predict"}
    try:
        return "200 OK", predict(_sent(environ))
    except ValueError as error:
        return "400 Bad Request", {"error": str(error)}


def _sent(environ: dict[str, Any]) -> dict[str, object]:
    size = int(environ.get("CONTENT_LENGTH") or 0)
    sent = json.loads(environ["wsgi.input"].read(size)) if 0 < size <= MAX_BODY else None
    if not isinstance(sent, dict):
        raise ValueError("the body is no object with the fields of one hour, or too large")  # noqa: TRY004 - as others
    return sent
