"""The web application (WSGI): which path answers what, to whom, and with which headers."""

from __future__ import annotations

import gzip
import hashlib
import json
import re
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from runnerkit.errors import RunnerkitError
from runnerkit.events import ActionFailed
from runnerkit.web.door import Door, Verdict
from runnerkit.web.receiver import Call

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path
    from wsgiref.types import StartResponse

    from runnerkit.ports import Events
    from runnerkit.web.health import Health
    from runnerkit.web.metrics import Metrics
    from runnerkit.web.receiver import Receiver

OK, UNCHANGED = 200, 304
# Source: RFC 9110: answers without content have none of its headers.
EMPTY = frozenset({204, 304})
STATUSES = {
    200: "OK",
    202: "Accepted",
    204: "No Content",
    304: "Not Modified",
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    500: "Internal Server Error",
    503: "Service Unavailable",
}
JSON, TEXT = "application/json", "text/plain; charset=utf-8"
# Source: Prometheus's "Exposition formats".
METRICS = "text/plain; version=0.0.4; charset=utf-8"
INDEX = "index.html"
KINDS = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
}
# Nothing from elsewhere, nothing inside anybody else's page.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
ALWAYS = (
    ("Content-Security-Policy", POLICY),
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "no-referrer"),
    ("X-Frame-Options", "DENY"),
)
# Smaller answers fit into a packet or two anyway.
LEAST_PACKED = 2_000
QUICK = 5
READ, WRITE = ("GET", "HEAD"), ("POST",)
KEEP_OUT = b"this is shown to people at this machine alone; set page_password under [serve] to show it to others\n"
NO_HOOKS = "webhooks are off here: the service was started with --no-webhooks"

Environ = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer before it is sent."""

    status: int
    body: bytes = b""
    kind: str = TEXT
    headers: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Route:
    """What a path answers, to which methods, and whether the door keeps strangers from it."""

    answer: Callable[[Environ], Reply]
    methods: tuple[str, ...] = READ
    guarded: bool = True


@dataclass(frozen=True, slots=True)
class Site:
    """The application, to be called by a WSGI server.

    Args:
        receiver: Takes webhooks in; None when they are off.
        health: What ``/healthz`` says.
        metrics: What ``/metrics`` says; counts webhooks too.
        document: What ``/status.json`` says, as JSON.
        door: Who may see page and metrics.
        folder: Where the files of the page are.
        events: Hears when a page fails.
    """

    receiver: Receiver | None
    health: Health
    metrics: Metrics
    document: Callable[[], bytes]
    door: Door
    folder: Path
    events: Events
    routes: Mapping[str, Route] = field(init=False)

    def __post_init__(self) -> None:
        files = {file.name: Route(partial(_file, file)) for file in self.folder.iterdir() if file.suffix in KINDS}
        routes = {
            **{f"/{name.removesuffix(INDEX)}": route for name, route in files.items()},
            "/hooks": Route(self._hooks, WRITE, guarded=False),
            "/healthz": Route(self._healthz, guarded=False),
            "/metrics": Route(lambda _: Reply(200, self.metrics.render(), METRICS)),
            "/status.json": Route(lambda _: Reply(200, self.document(), JSON)),
        }
        object.__setattr__(self, "routes", routes)

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request."""
        reply = _packed(_unchanged(self._reply(environ), environ), environ)
        body = reply.body
        headers = [("Content-Type", reply.kind), ("Content-Length", str(len(body)))]
        if reply.status in EMPTY:
            body, headers = b"", []
        start_response(f"{reply.status} {STATUSES[reply.status]}", [*headers, *reply.headers, *ALWAYS])
        return [] if environ["REQUEST_METHOD"] == "HEAD" else [body]

    def _reply(self, environ: Environ) -> Reply:
        route = self.routes.get(environ.get("PATH_INFO") or "/")
        if route is None:
            return Reply(404, b"there is no such page\n")
        allow = (("Allow", ", ".join((*route.methods, "OPTIONS"))),)
        if environ["REQUEST_METHOD"] == "OPTIONS":
            return Reply(204, headers=allow)
        if environ["REQUEST_METHOD"] not in route.methods:
            return Reply(405, b"not that way; see Allow\n", headers=allow)
        if route.guarded and (kept_out := _kept_out(self.door.judge(environ))):
            return kept_out
        try:
            return route.answer(environ)
        except Exception as error:  # noqa: BLE001 - a page that fails must not take the service with it
            self.events.emit(ActionFailed("page", "", RunnerkitError(f"{environ['PATH_INFO']}: {error!r}")))
            return Reply(500, b"this page failed; the service's log says why\n")

    def _hooks(self, environ: Environ) -> Reply:
        if self.receiver is None:
            return _as_json(404, {"outcome": "off", "why": NO_HOOKS})
        call = Call(
            event=environ.get("HTTP_X_GITHUB_EVENT", ""),
            guid=environ.get("HTTP_X_GITHUB_DELIVERY", ""),
            signature=environ.get("HTTP_X_HUB_SIGNATURE_256", ""),
            content_type=environ.get("CONTENT_TYPE", ""),
            body=environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0)),
            address=environ.get("REMOTE_ADDR", ""),
        )
        answer = self.receiver.receive(call)
        self.metrics.answered(call.event, answer.outcome)
        return _as_json(answer.status, {"outcome": answer.outcome, "why": answer.why})

    def _healthz(self, _environ: Environ) -> Reply:
        said = self.health.as_dict()
        return _as_json(200 if said["ok"] else 503, said)


def _file(file: Path, _environ: Environ) -> Reply:
    return Reply(OK, file.read_bytes(), KINDS[file.suffix])


def _kept_out(verdict: Verdict) -> Reply | None:
    if verdict is Verdict.ASK:
        ask = (("WWW-Authenticate", 'Basic realm="runnerkit", charset="UTF-8"'),)
        return Reply(401, b"a password is needed: page_password under [serve]; any user name\n", headers=ask)
    return Reply(403, KEEP_OUT) if verdict is Verdict.SHUT else None


def _as_json(status: int, value: object) -> Reply:
    return Reply(status, json.dumps(value).encode() + b"\n", JSON, (("Cache-Control", "no-store"),))


def _unchanged(reply: Reply, environ: Environ) -> Reply:
    """What may be kept gets an ETag; 304 when the visitor has it already."""
    if reply.status != OK or reply.headers or environ["REQUEST_METHOD"] not in READ:
        return reply
    tag = f'"{hashlib.sha256(reply.body).hexdigest()[:32]}"'
    headers = (("ETag", tag), ("Cache-Control", "no-cache"))
    # Packed it is the same to a reader, so tags are compared as weak ones.
    known = {each.strip().removeprefix("W/") for each in environ.get("HTTP_IF_NONE_MATCH", "").split(",")}
    if {tag, "*"} & known:
        return Reply(UNCHANGED, headers=headers)
    return Reply(reply.status, reply.body, reply.kind, headers)


def _packed(reply: Reply, environ: Environ) -> Reply:
    """Long answers get short for who can read that: the page of 1,000 machines is half a megabyte."""
    if reply.status != OK or len(reply.body) < LEAST_PACKED:
        return reply
    headers = (*reply.headers, ("Vary", "Accept-Encoding"))
    if not _takes_gzip(environ.get("HTTP_ACCEPT_ENCODING", "")):
        return replace(reply, headers=headers)
    # Source: RFC 9110: other bytes must not have the same strong tag.
    weak = ((name, f"W/{value}" if name == "ETag" else value) for name, value in headers)
    body = gzip.compress(reply.body, QUICK, mtime=0)
    return replace(reply, body=body, headers=(*weak, ("Content-Encoding", "gzip")))


def _takes_gzip(accepted: str) -> bool:
    """Whether the header names gzip, and not as what is refused (``q=0``)."""
    found = re.search(r"(?:^|,)\s*gzip\s*(?:;\s*q=([0-9.]+)\s*)?(?:,|$)", accepted, re.ASCII | re.IGNORECASE)
    return found is not None and (found[1] or "1").strip("0.") != ""
