"""EC2's metadata service (version 2), for each instance under a path of its own on 127.0.0.1.

`InstanceMetadata` alone is a WSGI application for one instance, to be mounted at the root of a machine's own network.
"""

from __future__ import annotations

import json
import re
import secrets
import threading
import time
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from werkzeug.serving import ThreadedWSGIServer, WSGIRequestHandler
from werkzeug.wrappers import Request, Response

from runnerkit.sandbox.ec2.errors import AwsError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from wsgiref.types import StartResponse, WSGIEnvironment

    from runnerkit.sandbox.ec2 import InstanceView, MachineEvent, SandboxEc2

HOST = "127.0.0.1"
LONGEST = 21_600
# The newest, or as it was at a date: which dates there are is not told apart here.
VERSION = re.compile(r"latest|20\d\d-[01]\d-[0-3]\d")
TTL = "X-aws-ec2-metadata-token-ttl-seconds"
TOKEN = "X-aws-ec2-metadata-token"  # noqa: S105 - a header's name
CREDENTIALS_LIVE = timedelta(hours=6)
Leaf = str | bytes


class InstanceMetadata:
    """The metadata service as one instance sees it.

    Args:
        ec2: Where the instance is.
        instance_id: Which one it is.
    """

    def __init__(self, ec2: SandboxEc2, instance_id: str) -> None:
        self.on = True
        self.rebalance_at: float | None = None
        self._ec2 = ec2
        self._id = instance_id
        self._tokens: dict[str, float] = {}

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request."""
        return self._answer(Request(environ))(environ, start_response)

    def _answer(self, request: Request) -> Response:
        try:
            view = self._ec2.instance(self._id)
        except AwsError:
            return _error(HTTPStatus.NOT_FOUND)
        if not self.on or view.metadata_options.get("HttpEndpoint") == "disabled":
            return _error(HTTPStatus.FORBIDDEN)
        version, _, path = request.path.lstrip("/").partition("/")
        if not VERSION.fullmatch(version):
            return _error(HTTPStatus.NOT_FOUND)
        if request.path == "/latest/api/token":
            return self._token(request)
        return self._read(request, path, view)

    def _read(self, request: Request, path: str, view: InstanceView) -> Response:
        if request.method != "GET":
            return _error(HTTPStatus.METHOD_NOT_ALLOWED)
        if not self._may_read(request, view):
            return _error(HTTPStatus.UNAUTHORIZED)
        return self._look_up(path, view)

    def _token(self, request: Request) -> Response:
        if request.method != "PUT":
            return _error(HTTPStatus.METHOD_NOT_ALLOWED)
        if "X-Forwarded-For" in request.headers:
            # It came through a proxy: somebody else's token.
            return _error(HTTPStatus.FORBIDDEN)
        asked = request.headers.get(TTL, "")
        if not asked.isdecimal() or not 1 <= int(asked) <= LONGEST:
            return _error(HTTPStatus.BAD_REQUEST)
        token = secrets.token_urlsafe(40)
        self._tokens[token] = time.monotonic() + int(asked)
        return Response(token, headers={TTL: asked}, content_type="text/plain")

    def _may_read(self, request: Request, view: InstanceView) -> bool:
        token = request.headers.get(TOKEN)
        if token is None:
            return view.metadata_options.get("HttpTokens") == "optional"
        return self._tokens.get(token, 0.0) > time.monotonic()

    def _look_up(self, path: str, view: InstanceView) -> Response:
        found: Any = self._tree(view)
        for name in path.strip("/").split("/"):
            if name and (not isinstance(found, dict) or name not in found):
                return _error(HTTPStatus.NOT_FOUND)
            found = found[name] if name else found
        if isinstance(found, dict):
            found = "\n".join(f"{name}/" if isinstance(below, dict) else name for name, below in found.items())
        return Response(found, content_type="text/plain")

    def _tree(self, view: InstanceView) -> dict[str, Any]:
        """Everything there is to tell, as folders and texts."""
        meta: dict[str, Any] = {
            "ami-id": view.image_id,
            "instance-id": view.id,
            "instance-life-cycle": view.market,
            "instance-type": view.type,
            "local-ipv4": view.private_ip,
            "placement": {"availability-zone": view.zone, "region": view.region},
            "services": {"domain": "amazonaws.com", "partition": "aws"},
        }
        if view.notice is not None:
            at = _stamp(view.notice.at)
            meta["spot"] = {"instance-action": json.dumps({"action": view.notice.action, "time": at})}
            meta["spot"] |= {"termination-time": at} if view.notice.action == "terminate" else {}
        if self.rebalance_at is not None:
            told = json.dumps({"noticeTime": _stamp(self.rebalance_at)})
            meta["events"] = {"recommendations": {"rebalance": told}}
        if view.metadata_options.get("InstanceMetadataTags") == "enabled":
            meta["tags"] = {"instance": dict(view.tags)}
        if view.profile_arn:
            meta["iam"] = self._role(view.profile_arn)
        identity = {"dynamic": {"instance-identity": {"document": _document(view, self._ec2.account)}}}
        return {"meta-data": meta, **identity, **({"user-data": view.user_data} if view.user_data else {})}

    def _role(self, profile_arn: str) -> dict[str, Any]:
        """The profile and its role, which bears the profile's name here; the keys are the sandbox's."""
        keys, now = self._ec2.environment(), time.time()
        credentials = {
            "Code": "Success",
            "LastUpdated": _stamp(now),
            "Type": "AWS-HMAC",
            "AccessKeyId": keys["AWS_ACCESS_KEY_ID"],
            "SecretAccessKey": keys["AWS_SECRET_ACCESS_KEY"],
            "Token": "sandbox",
            "Expiration": _stamp(now + CREDENTIALS_LIVE.total_seconds()),
        }
        info = {"Code": "Success", "LastUpdated": _stamp(now), "InstanceProfileArn": profile_arn}
        name = profile_arn.rpartition("/")[2]
        return {"info": json.dumps(info), "security-credentials": {name: json.dumps(credentials)}}


class Imds:
    """Serves the metadata of every instance of an EC2: that of ``i-1`` below ``url("i-1")``.

    Args:
        ec2: Whose instances ask.
    """

    def __init__(self, ec2: SandboxEc2) -> None:
        self._ec2 = ec2
        self._instances: dict[str, InstanceMetadata] = {}
        self._lock = threading.Lock()
        self._server: ThreadedWSGIServer | None = None
        self._unsubscribe: Callable[[], None] = lambda: None

    def start(self) -> None:
        """Listen on a free port."""
        self._server = ThreadedWSGIServer(HOST, 0, self, handler=QuietHandler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), name="imds", daemon=True)
        self._thread.start()
        self._unsubscribe = self._ec2.subscribe(self._hear)

    def stop(self) -> None:
        """Close the port."""
        self._unsubscribe()
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._thread.join(5)
            self._server = None

    def url(self, instance_id: str) -> str:
        """What ``AWS_EC2_METADATA_SERVICE_ENDPOINT`` is to be on an instance.

        Raises:
            RuntimeError: It was not started.
        """
        if self._server is None:
            raise RuntimeError("the metadata service is not running: call start() first")
        return f"http://{HOST}:{self._server.server_port}/{instance_id}"

    def of(self, instance_id: str) -> InstanceMetadata:
        """The service of one instance; it is the same whenever it is asked for."""
        with self._lock:
            return self._instances.setdefault(instance_id, InstanceMetadata(self._ec2, instance_id))

    def switch(self, instance_id: str, *, on: bool) -> None:
        """Let an instance's service answer, or refuse everything."""
        self.of(instance_id).on = on

    def forget(self, instance_id: str) -> None:
        """Drop what is known of an instance that is gone."""
        with self._lock:
            self._instances.pop(instance_id, None)

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request: the first folder of its path is the instance's."""
        instance_id, slash, rest = environ.get("PATH_INFO", "").lstrip("/").partition("/")
        inner = {**environ, "SCRIPT_NAME": f"/{instance_id}", "PATH_INFO": slash + rest}
        return self.of(instance_id)(inner, start_response)

    def _hear(self, event: MachineEvent) -> None:
        if event.kind == "rebalance":
            self.of(event.instance_id).rebalance_at = event.at
        elif event.kind == "terminated":
            self.forget(event.instance_id)


class QuietHandler(WSGIRequestHandler):
    """Says nothing about requests: machines ask every few seconds."""

    def log(self, type: str, message: str, *args: Any) -> None:  # noqa: A002, ANN401 - the base class names them
        """Say nothing."""


def _document(view: InstanceView, account: str) -> str:
    said: Mapping[str, str] = {
        "accountId": account,
        "availabilityZone": view.zone,
        "imageId": view.image_id,
        "instanceId": view.id,
        "instanceType": view.type,
        "pendingTime": view.launched_at.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "privateIp": view.private_ip,
        "region": view.region,
        "version": "2017-09-30",
    }
    return json.dumps(said, indent=2)


def _error(status: HTTPStatus) -> Response:
    return Response(f"{status.value} - {status.phrase}\n", status=status, content_type="text/plain")


def _stamp(epoch: float) -> str:
    return datetime.fromtimestamp(epoch, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
