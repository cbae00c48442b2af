"""The control object over HTTP, for scripts in other processes: ``POST /_runnerkit/ec2/<method>`` with JSON arguments.

Also ``GET /_runnerkit/ec2/calls``, ``permissions`` (what was asked for, by access key, and by runnerkit's own clients),
``roles`` (ARNs), ``instances``, ``instances/<id>`` and ``holds/<number>``; a hold made over HTTP is ended by
``POST .../release`` or ``.../drop`` with its number. Batch's scripts are below ``batch/``.
"""

from __future__ import annotations

import json
from dataclasses import asdict, is_dataclass
from typing import TYPE_CHECKING, Any

from runnerkit.sandbox.ec2 import principals
from runnerkit.sandbox.ec2.errors import AwsError
from runnerkit.sandbox.ec2.model import Answer

if TYPE_CHECKING:
    from wsgiref.types import WSGIEnvironment

    from runnerkit.sandbox.ec2.faults import Hold
    from runnerkit.sandbox.ec2.world import SandboxEc2

PREFIX = "/_runnerkit/ec2/"
SCRIPTS = {
    "advance",
    "bake",
    "capacity",
    "console",
    "credentials",
    "delay",
    "enforce",
    "fail_launch",
    "interrupt",
    "lag",
    "limits",
    "lose_answer",
    "power_off",
    "quota",
    "rebalance",
    "refuse",
    "reset",
    "settle",
    "spot_price",
    "spot_role",
    "throttle",
    "times",
    "user",
}
BATCH_SCRIPTS = {
    f"batch/{name}" for name in ("hold", "image", "invalid", "left", "lose_host", "release", "times", "unpullable")
}


class Control:
    """Answers the requests below ``/_runnerkit/ec2/``."""

    def __init__(self, world: SandboxEc2) -> None:
        self._world = world
        self._holds: list[Hold] = []

    def answer(self, environ: WSGIEnvironment) -> Answer:
        """Answer one request; errors say what is wrong in JSON."""
        path = str(environ["PATH_INFO"]).removeprefix(PREFIX).strip("/")
        try:
            if environ["REQUEST_METHOD"] == "GET":
                return _json(self._look(path))
            body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
            return _json({"result": self._act(path, json.loads(body or b"{}"))})
        except LookupError:
            return _json({"error": f"There is nothing at {path!r}."}, 404)
        except (AwsError, TypeError, ValueError) as error:
            return _json({"error": str(error)}, 400)

    def _look(self, path: str) -> object:
        kind, _, name = path.partition("/")
        if kind == "calls":
            return list(self._world.calls)
        if kind == "permissions":
            return self._permissions()
        if kind == "roles":
            return principals.roles(self._world.account)
        if path == "batch/jobs":
            return self._world.batch.jobs()
        if kind == "instances":
            return self._world.instance(name) if name else self._world.instances()
        if kind == "holds" and name.isdigit():
            return {"reached": self._holds[int(name)].reached.is_set()}
        raise LookupError(path)

    def _permissions(self) -> dict[str, object]:
        calls = self._world.calls
        keys = sorted({call.access_key for call in calls if call.access_key})
        by_key = {key: sorted(calls.permissions(key)) for key in keys}
        return {"runnerkit": sorted(calls.permissions(ours=True)), "access_keys": by_key}

    def _act(self, path: str, arguments: dict[str, Any]) -> object:
        if path == "hold":
            self._holds.append(self._world.hold(**arguments))
            return len(self._holds) - 1
        if path in {"release", "drop"}:
            hold = self._holds[int(arguments["hold"])]
            (hold.release if path == "release" else hold.drop)()
            return None
        if path in BATCH_SCRIPTS:
            return getattr(self._world.batch, path.removeprefix("batch/"))(**arguments)
        if path not in SCRIPTS:
            raise LookupError(path)
        return getattr(self._world, path)(**arguments)


def _json(value: object, status: int = 200) -> Answer:
    body = json.dumps(value, default=_plain).encode()
    return Answer(body, status, (("Content-Type", "application/json"),))


def _plain(value: object) -> object:
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    return str(value)
