"""Calls of the service: JSON over one HTTP connection for each caller."""

from __future__ import annotations

import http.client
import json
from typing import Any
from urllib.parse import urlsplit

PATIENCE = 20.0


class Unreachable(Exception):
    """The service did not answer."""


class Service:
    """The service below an address such as ``http://127.0.0.1:8080/_runnerkit/``."""

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")
        parts = urlsplit(self.url)
        self._prefix = parts.path
        maker = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        self._connection = maker(parts.hostname or "", parts.port, timeout=PATIENCE)

    def call(self, method: str, path: str, body: object = None, *, patience: float = PATIENCE) -> tuple[int, Any]:
        """Call and give status and answer.

        Raises:
            Unreachable: there was no answer.
        """
        data = None if body is None else json.dumps(body)
        headers = {} if data is None else {"Content-Type": "application/json"}
        self._connection.timeout = patience
        try:
            # A connection for each call: one that the other side has closed meanwhile would cost a retry.
            self._connection.request(method, f"{self._prefix}/{path}", data, {**headers, "Connection": "close"})
            answer = self._connection.getresponse()
            return answer.status, _read(answer.read())
        except (OSError, http.client.HTTPException) as error:
            raise Unreachable(f"{method} {self.url}/{path}: {type(error).__name__} {error}") from error
        finally:
            self._connection.close()


def _read(data: bytes) -> Any:  # noqa: ANN401 - whatever the JSON holds
    try:
        return json.loads(data) if data else None
    except ValueError:
        return data.decode(errors="replace")
