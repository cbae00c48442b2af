"""The HTTP service: what happens to a call between its arrival and its answer."""

import hashlib
import json
import secrets
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from werkzeug.wrappers import Request, Response

from runnerkit.sandbox.github import access, routes
from runnerkit.sandbox.github.connections import arrived, hang_up
from runnerkit.sandbox.github.description import JSON_TYPE, Asked, description
from runnerkit.sandbox.github.exchange import Answer, Exchange, Links, Route, refusal
from runnerkit.sandbox.github.faults import Fault, Faults, suffer
from runnerkit.sandbox.github.git.http import GitOverHttp
from runnerkit.sandbox.github.hooks.sender import Sender
from runnerkit.sandbox.github.hooks.watch import Watch
from runnerkit.sandbox.github.limits import Bucket, Limits
from runnerkit.sandbox.github.machines import Machines
from runnerkit.sandbox.github.matching import API_ROOTS, Paths, described_path
from runnerkit.sandbox.github.records import App
from runnerkit.sandbox.github.refusals import Reason, Refused
from runnerkit.sandbox.github.state import State
from runnerkit.sandbox.github.tokens import Token, Tokens, verify_jwt

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

PREFIX = "/api/v3"
CONTROL = "/_runnerkit/"
VERSIONS = ("2022-11-28", "2026-03-10")
PRIMARY = "API rate limit exceeded. The x-ratelimit-reset header tells when to call again."
SECONDARY = "You have exceeded a secondary rate limit. Please wait a few minutes before you try again."


@dataclass(frozen=True, slots=True)
class Call:
    """A call in the world's record; ``delivered`` is False where the answer was lost on purpose."""

    method: str
    path: str
    status: int
    at: datetime
    charged: bool
    delivered: bool
    token_kind: str


@dataclass(slots=True)
class Turn:
    """What is found out about a call while it is served."""

    request: Request
    path: str
    links: Links
    route: Route | None = None
    variables: dict[str, Any] = field(default_factory=dict)
    described: Asked | None = None
    token: Token | None = None
    app: App | None = None
    buckets: list[tuple[str, Bucket]] = field(default_factory=list)
    charged: bool = False


class Service:
    """The WSGI application: GitHub's API below ``/`` and ``/api/v3``, the machines' below ``/_runnerkit``.

    Repositories are served to git at ``/{owner}/{repo}.git``; all other paths belong to ``pages``, if there are any.
    """

    def __init__(self, state: State, tokens: Tokens, limits: Limits, faults: Faults) -> None:
        self.calls: list[Call] = []
        self.violations: list[str] = []
        self.refused_requests: list[str] = []
        self.machines = Machines(state, tokens)
        self.git = GitOverHttp(state, tokens)
        self.sender = Sender(state)
        Watch(state)
        self.pages: Callable[[Request], Response] | None = None
        self.routes = dict(routes.ROUTES)
        self._state, self._tokens, self._limits, self._faults = state, tokens, limits, faults
        self._paths = Paths(self.routes)

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        """Serve one call."""
        return self.respond(Request(environ))(environ, start_response)

    def close(self) -> None:
        """End what waits: long polls and deliveries."""
        self.machines.close()
        self.sender.close()

    def respond(self, request: Request) -> Response:
        """Answer one call, in good times and in scripted bad ones."""
        prefix = PREFIX if request.path.startswith(f"{PREFIX}/") else ""
        path = request.path.removeprefix(prefix)
        arrived(request)
        try:
            response = self._not_api(request, path)
        except ConnectionAbortedError:
            raise
        except Exception as error:  # noqa: BLE001 - nobody would ever read what the server says of it
            return self._broken(request, error)
        if response is not None:
            return response
        web = request.host_url.rstrip("/")
        turn = Turn(request, path, Links(web + prefix, web))
        faults = self._faults.take(request.method, path)
        suffer(faults, "before")
        scripted = next((each for each in faults if each.status), None)
        answer = self._answer(turn) if scripted is None else _scripted(scripted)
        response = self._written(turn, answer)
        suffer(faults, "after")
        return self._deliver(turn, response, lost=any(each.lose for each in faults))

    def _not_api(self, request: Request, path: str) -> Response | None:
        if path.startswith(CONTROL):
            return self.machines.respond(request, path)
        if path != request.path or path.split("/")[1] in API_ROOTS:
            return None
        if self.git.serves(request.path):
            return self._git(request)
        return None if self.pages is None else self.pages(request)

    def _broken(self, request: Request, error: Exception) -> Response:
        found = f"{request.method} {request.path} failed: {error!r}"
        self.violations.append(found)
        return Response(f"The local GitHub is broken: {found}\n", status=500, content_type="text/plain; charset=utf-8")

    def _git(self, request: Request) -> Response:
        faults = self._faults.take(request.method, request.path)
        suffer(faults, "before")
        scripted = next((each for each in faults if each.status), None)
        if scripted is None:
            response = self.git.respond(request)
        else:
            response = Response(scripted.message, scripted.status, dict(scripted.headers))
        suffer(faults, "after")
        if any(each.lose for each in faults):
            hang_up(request)
        return response

    def _deliver(self, turn: Turn, response: Response, *, lost: bool) -> Response:
        method, kind = turn.request.method, turn.token.kind if turn.token else "anonymous"
        call = Call(method, turn.path, response.status_code, self._state.now(), turn.charged, not lost, kind)
        self.calls.append(call)
        if lost:
            hang_up(turn.request)
        return response

    def _answer(self, turn: Turn) -> Answer:
        try:
            answer = self._served(turn)
        except Refused as error:
            answer = refusal(error.reason.value, error.message)
        except Exception as error:  # noqa: BLE001 - a fault of ours must not look like GitHub's weather
            return self._violated(turn, f"failed: {error!r}")
        if turn.described is None or answer.data is not None:
            return answer
        data = b"" if answer.body is None else json.dumps(answer.body).encode()
        problems = description().answer_problems(turn.described, answer.status, data)
        if not problems:
            return answer
        return self._violated(turn, f"answered {answer.status}: {'; '.join(problems)}")

    def _violated(self, turn: Turn, what: str) -> Answer:
        found = f"{turn.request.method} {turn.path} {what}"
        self.violations.append(found)
        return refusal(500, f"The local GitHub broke GitHub's own description: {found}")

    def _served(self, turn: Turn) -> Answer:
        version = turn.request.headers.get("X-GitHub-Api-Version", VERSIONS[0])
        if version not in VERSIONS:
            raise Refused(Reason.MALFORMED, f"{version} is no version of the API; there are {', '.join(VERSIONS)}.")
        route = self._match(turn)
        self._authenticate(turn, route)
        limited = self._limited(turn, route)
        if limited is not None:
            return limited
        with self._state.open(reading=True):
            access.check(self._state, turn.token, route.needs, _full_name(turn), turn.variables.get("org"))
        body = self._body(turn)
        with self._state.open(reading=route.method == "GET"):
            return route.handler(self._exchange(turn, body))

    def _match(self, turn: Turn) -> Route:
        key, turn.variables = self._paths.match(turn.request.method, turn.path, turn.request.args)
        turn.route = self.routes[key]
        query = tuple(turn.request.args.items(multi=True))
        turn.described = Asked(*key, described_path(key[1], turn.variables), query, turn.request.get_data())
        return turn.route

    def _authenticate(self, turn: Turn, route: Route) -> None:
        authorization = turn.request.headers.get("Authorization", "")
        if route.needs.jwt:
            turn.app = verify_jwt(self._state.apps.values(), authorization)
        else:
            turn.token = self._tokens.find(authorization, self._state.now())

    def _limited(self, turn: Turn, route: Route) -> Answer | None:
        if self._limits.over_points(turn.token, route.method):
            return refusal(403, SECONDARY, {"Retry-After": "60"})
        turn.buckets = [(name, self._limits.bucket(turn.token, name)) for name in route.budgets]
        for name, bucket in turn.buckets:
            if bucket.remaining == 0:
                turn.buckets = [(name, bucket)]
                return refusal(bucket.refusal, PRIMARY)
        for name in route.budgets:
            self._limits.charge(turn.token, name)
        turn.charged = bool(route.budgets)
        return None

    def _body(self, turn: Turn) -> Any:  # noqa: ANN401 - whatever JSON came
        data = turn.request.get_data()
        try:
            body = json.loads(data) if data else None
        except ValueError as error:
            raise Refused(Reason.MALFORMED, "Problems parsing JSON") from error
        problems = description().request_problems(turn.described) if turn.described else []
        if problems:
            found = f"{turn.request.method} {turn.path}: {'; '.join(problems)}"
            self.refused_requests.append(found)
            raise Refused(Reason.INVALID, "Invalid request.\n\n" + "\n".join(problems))
        return body

    def _exchange(self, turn: Turn, body: Any) -> Exchange:  # noqa: ANN401 - whatever JSON came
        query = turn.request.args.to_dict()
        url = f"{turn.links.api}{turn.path}"
        return Exchange(
            self._state,
            self._tokens,
            self._limits,
            turn.links,
            url,
            turn.variables,
            query,
            body,
            turn.token,
            turn.app,
            turn.request.headers.get("Accept", ""),
            turn.request.headers.get("X-GitHub-Api-Version", VERSIONS[0]),
            self.sender,
        )

    def _written(self, turn: Turn, answer: Answer) -> Response:
        data = answer.content
        headers = self._headers(turn) | answer.headers
        if turn.request.method == "GET" and answer.status == HTTPStatus.OK:
            headers["ETag"] = f'W/"{hashlib.sha256(data).hexdigest()}"'
            if headers["ETag"] in turn.request.headers.get("If-None-Match", ""):
                return self._unchanged(turn, headers)
        if data:
            headers["Content-Type"] = answer.content_type or f"{JSON_TYPE}; charset=utf-8"
        response = Response(data, status=answer.status, headers=headers)
        if not data:
            del response.headers["Content-Type"]
        return response

    def _unchanged(self, turn: Turn, headers: dict[str, str]) -> Response:
        for _, bucket in turn.buckets:
            self._limits.refund(bucket)
        turn.charged = False
        return Response(status=HTTPStatus.NOT_MODIFIED, headers=headers | self._headers(turn))

    def _headers(self, turn: Turn) -> dict[str, str]:
        headers = {
            "X-GitHub-Media-Type": "github.v3; format=json",
            "X-GitHub-Request-Id": secrets.token_hex(10).upper(),
            "X-GitHub-Api-Version-Selected": turn.request.headers.get("X-GitHub-Api-Version", VERSIONS[0]),
        }
        if turn.route is not None and turn.route.needs.any_of:
            headers["X-Accepted-GitHub-Permissions"] = turn.route.needs.accepted
        if turn.token is not None and turn.token.kind == "classic":
            headers["X-OAuth-Scopes"] = ", ".join(sorted(turn.token.scopes))
        resource, bucket = (turn.buckets or [("core", self._limits.bucket(turn.token, "core"))])[0]
        return headers | {
            "X-RateLimit-Limit": str(bucket.limit),
            "X-RateLimit-Remaining": str(bucket.remaining),
            "X-RateLimit-Used": str(bucket.used),
            "X-RateLimit-Reset": str(int(bucket.reset.timestamp())),
            "X-RateLimit-Resource": resource,
        }


def _scripted(fault: Fault) -> Answer:
    status = fault.status or 500
    return refusal(status, fault.message or HTTPStatus(status).phrase, fault.headers)


def _full_name(turn: Turn) -> str | None:
    if "repo" not in turn.variables:
        return None
    return f"{turn.variables['owner']}/{turn.variables['repo']}"
