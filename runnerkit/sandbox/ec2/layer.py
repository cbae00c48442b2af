"""The WSGI layer in front of moto: it records calls, lets scripts interfere, and answers what moto gets wrong."""

from __future__ import annotations

import io
import logging
import re
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from runnerkit.sandbox.batch import wire as batch_wire
from runnerkit.sandbox.ec2 import account, backend, budgets, identities, network, policies, recording, sessions, wire
from runnerkit.sandbox.ec2.actions import ACTIONS, DRY_AFTER_CHECKS
from runnerkit.sandbox.ec2.calls import Call
from runnerkit.sandbox.ec2.errors import AwsError
from runnerkit.sandbox.ec2.model import Answer, Ask
from runnerkit.sandbox.ec2.permits import REST, Permit, Web, permit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

    from runnerkit.sandbox.ec2.core import Core
    from runnerkit.sandbox.ec2.model import Params

logger = logging.getLogger(__name__)
CREDENTIAL = re.compile(r"Credential=([^/,\s]+)/\d+/([^/]+)/([^/]+)/aws4_request")
BATCH = "batch"
AGENT = "HTTP_USER_AGENT"
NARROWING = ("Filters", "MaxResults", "InstanceIds")


@dataclass(frozen=True, slots=True)
class Request:
    """What an AWS request says about itself before anybody looks into it."""

    service: str
    action: str
    protocol: str
    region: str
    access_key: str
    body: bytes = field(repr=False)
    web: Web
    agent: str

    def params(self) -> Params:
        """EC2's and Batch's parameters; nothing for other services."""
        if self.service == BATCH:
            return batch_wire.parsed(self.action, self.body)
        return wire.parse(self.action, parse_qsl(self.body.decode(), keep_blank_values=True)) if self.is_ec2 else {}

    @property
    def is_ec2(self) -> bool:
        """Whether it is for EC2."""
        return self.service == "ec2"


class Layer:
    """The application that the server runs."""

    def __init__(self, core: Core, moto: WSGIApplication, control: Callable[[WSGIEnvironment], Answer]) -> None:
        self._core = core
        self._moto = moto
        self._control = control

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer one HTTP request."""
        if environ["PATH_INFO"].startswith("/_runnerkit/"):
            answer = self._control(environ)
        else:
            environ["HTTP_X_MOTO_ACCOUNT_ID"] = self._core.account
            answer = self._answer(environ, _request(environ))
        phrase = HTTPStatus(answer.status).phrase
        start_response(f"{answer.status} {phrase}", list(answer.headers))
        return [answer.body]

    def _answer(self, environ: WSGIEnvironment, request: Request) -> Answer:
        core = self._core
        now = core.clock.now()
        call = Call(request.service, request.action, now, request.region, request.access_key, {}, agent=request.agent)
        core.calls.add(call)
        try:
            call.parameters = params = request.params()
            asked = permit(request.service, request.action, params, request.body, request.web, core.account)
            call.permission, call.beside = asked.action, asked.beside
            recording.note(call)
            core.faults.before(call)
            self._admit(request, params, asked)
            answer = self._effect(environ, request, params)
        except AwsError as error:
            call.error = error.code
            body, kind = wire.render_error(error, request.protocol)
            answer = Answer(body, error.status, (("Content-Type", kind),))
        except ConnectionError:
            raise
        except Exception as error:
            logger.exception("the sandbox failed at %s", request.action)
            call.error = "InternalFailure"
            failure = AwsError("InternalFailure", f"The sandbox itself failed: {error!r}")
            body, kind = wire.render_error(failure, request.protocol)
            answer = Answer(body, failure.status, (("Content-Type", kind),))
        core.faults.after(call)
        call.status = answer.status
        return answer

    def _admit(self, request: Request, params: Params, asked: Permit) -> None:
        core = self._core
        code = core.credentials.get(request.access_key) or core.credentials.get("*")
        if code:
            raise AwsError(code)
        with core.lock:
            core.guard.check(request.service, request.protocol, request.access_key, asked)
        if request.is_ec2:
            narrowed = any(name in params for name in NARROWING)
            with core.lock:
                core.buckets.spend(request.region, request.action, narrowed=narrowed, now=core.clock.now())

    def _effect(self, environ: WSGIEnvironment, request: Request, params: Params) -> Answer:
        if request.service == "ssm":
            public = b"/aws/service/" in request.body
            with self._core.lock:
                (self._core.public_images if public else self._core.region)(request.region)
            if request.action == "PutParameter":
                network.check_parameter(request.body)
            if request.action == "DescribeInstanceInformation":
                with self._core.lock:
                    self._core.tick()
                    return sessions.describe_information(self._core, request.region, request.body)
        with self._core.lock:
            found = account.answer(self._core, request.service, request.action, request.region, request.body)
        if found is not None:
            return found
        if request.action == "AttachRolePolicy":
            policies.provide(self._core.account, request.body)
        if request.service == BATCH:
            with self._core.lock:
                self._core.tick()
                return self._core.batch.answer(request.action, request.region, params)
        if request.action == identities.ACTION:
            with self._core.lock:
                identities.check(self._core, request.body)
        if request.service == budgets.SERVICE:
            return budgets.answer(self._core, request.action, request.body, lambda: self._forward(environ, request))
        if not request.is_ec2:
            return self._forward(environ, request)
        with self._core.lock:
            self._core.tick()
            self._core.region(request.region)
            return self._ec2(environ, request, params)

    def _ec2(self, environ: WSGIEnvironment, request: Request, params: Params) -> Answer:
        handler = ACTIONS.get(request.action)
        if handler is None:
            if params.get("DryRun"):
                raise AwsError("DryRunOperation")
            return self._forward(environ, request)
        if params.get("DryRun") and request.action not in DRY_AFTER_CHECKS:
            raise AwsError("DryRunOperation")
        ask = Ask(request.action, params, request.region, request.access_key, lambda: self._forward(environ, request))
        try:
            result = handler(self._core, ask)
        except Exception as error:
            refused = backend.refusal(error)
            if refused is None:
                raise
            raise refused from error
        if isinstance(result, Answer):
            return result
        return Answer(wire.render(request.action, result))

    def _forward(self, environ: WSGIEnvironment, request: Request) -> Answer:
        if request.body:
            environ["wsgi.input"] = io.BytesIO(request.body)
        sent: list[Any] = []

        def start_response(
            status: str, headers: list[tuple[str, str]], _exc: object = None
        ) -> Callable[[bytes], object]:
            sent[:] = [int(status.split(" ", 1)[0]), tuple(headers)]
            return lambda _chunk: None

        try:
            body = b"".join(self._moto(environ, start_response))
        except NotImplementedError as error:
            message = f"{request.action or request.service} is not emulated: moto says {str(error) or 'nothing'!r}."
            raise AwsError("InvalidAction", message) from error
        return Answer(body, sent[0], sent[1])


def _request(environ: WSGIEnvironment) -> Request:
    signed = environ.get("HTTP_AUTHORIZATION", "") or environ.get("QUERY_STRING", "").replace("%2F", "/")
    found = CREDENTIAL.search(signed)
    access_key, region, service = found.groups() if found else ("", "us-east-1", "")
    action, protocol, body = _meant(environ, service)
    return Request(service, action, protocol, region, access_key, body, _web(environ), environ.get(AGENT, ""))


def _meant(environ: WSGIEnvironment, service: str) -> tuple[str, str, bytes]:
    kind, target = environ.get("CONTENT_TYPE", ""), environ.get("HTTP_X_AMZ_TARGET", "")
    if target:
        return target.rsplit(".", 1)[-1], "json", _body(environ)
    if kind.startswith("application/x-www-form-urlencoded"):
        body = _body(environ)
        action = dict(parse_qsl(body.decode())).get("Action", "")
        return action, "ec2" if service == "ec2" else "query", body
    if service == BATCH:
        return batch_wire.operation(environ["REQUEST_METHOD"], environ["PATH_INFO"]), "json", _body(environ)
    return f"{environ['REQUEST_METHOD']} {environ['PATH_INFO']}", "json" if service in REST else "rest-xml", b""


def _web(environ: WSGIEnvironment) -> Web:
    copies = "HTTP_X_AMZ_COPY_SOURCE" in environ
    return Web(environ["REQUEST_METHOD"], environ["PATH_INFO"], environ.get("QUERY_STRING", ""), copies)


def _body(environ: WSGIEnvironment) -> bytes:
    return bytes(environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0)))
