"""EC2's wire format, both ways, driven by the service description that botocore ships."""

from __future__ import annotations

import json
from base64 import b64encode
from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING, Any
from xml.sax.saxutils import escape

from botocore.session import get_session

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from botocore.model import OperationModel, ServiceModel, Shape

    from runnerkit.sandbox.ec2.errors import AwsError

NAMESPACE = "http://ec2.amazonaws.com/doc/2016-11-15/"
Value = Any
"""Whatever type a shape of botocore says that a value has, and the shapes themselves, which are untyped."""
REQUEST_ID = "59dbff89-35bd-4eac-99ed-be587ed81825"


@cache
def service() -> ServiceModel:
    """EC2's description."""
    return get_session().get_service_model("ec2")


@cache
def operation(action: str) -> OperationModel | None:
    """One action's description; None when EC2 has no such action."""
    return service().operation_model(action) if action in service().operation_names else None


def parse(action: str, form: Iterable[tuple[str, str]]) -> dict[str, Any]:
    """A request's form fields as nested values under botocore's names; empty for an action EC2 does not have."""
    described = operation(action)
    if described is None or described.input_shape is None:
        return {}
    value = _read(described.input_shape, _nest(form))
    return value if isinstance(value, dict) else {}


def _nest(form: Iterable[tuple[str, str]]) -> dict[str, Any]:
    tree: dict[str, Any] = {}
    for name, value in form:
        *path, last = name.split(".")
        node = tree
        for part in path:
            child = node.setdefault(part, {})
            if not isinstance(child, dict):
                break
            node = child
        else:
            node[last] = value
    return tree


def _read(shape: Value, node: Value) -> Value:
    if shape.type_name == "structure" and isinstance(node, dict):
        names = {member: _field(child, member) for member, child in shape.members.items()}
        return {m: _read(shape.members[m], node[name]) for m, name in names.items() if name in node}
    if shape.type_name == "list" and isinstance(node, dict):
        return [_read(shape.member, node[key]) for key in sorted(node, key=_position)]
    return _scalar(shape.type_name, node)


def _position(key: str) -> int:
    return int(key) if key.isdigit() else 0


def _field(shape: Shape, member: str) -> str:
    named = shape.serialization.get("queryName")
    if named:
        return str(named)
    name = str(shape.serialization.get("name", member))
    return name[0].upper() + name[1:]


def _scalar(kind: str, text: Value) -> Value:
    if not isinstance(text, str):
        return text
    if kind == "boolean":
        return text.lower() == "true"
    if kind in {"integer", "long"}:
        return int(text)
    if kind in {"double", "float"}:
        return float(text)
    if kind == "timestamp":
        return datetime.fromisoformat(text).astimezone(UTC)
    return text


def render(action: str, result: Mapping[str, Any]) -> bytes:
    """A result under botocore's names as the XML that EC2 would send. Members that are None are left out."""
    described = operation(action)
    shape = described.output_shape if described else None
    parts = [f'<{action}Response xmlns="{NAMESPACE}"><requestId>{REQUEST_ID}</requestId>']
    if shape is not None:
        _write_members(parts, shape, result)
    parts.append(f"</{action}Response>")
    return "".join(parts).encode()


def _write_members(parts: list[str], shape: Value, value: Mapping[str, Any]) -> None:
    for member, child in shape.members.items():
        if value.get(member) is not None:
            _write(parts, str(child.serialization.get("name", member)), child, value[member])


def _write(parts: list[str], tag: str, shape: Value, value: Value) -> None:
    parts.append(f"<{tag}>")
    if shape.type_name == "structure":
        _write_members(parts, shape, value)
    elif shape.type_name == "list":
        item = str(shape.member.serialization.get("name", "item"))
        for element in value:
            _write(parts, item, shape.member, element)
    else:
        parts.append(escape(_text(value)))
    parts.append(f"</{tag}>")


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, bytes):
        return b64encode(value).decode()
    if isinstance(value, datetime):
        return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{value.microsecond // 1000:03d}Z"
    return str(value)


def render_error(error: AwsError, protocol: str) -> tuple[bytes, str]:
    """An error's body and content type in the ``ec2``, ``json``, ``query`` or ``rest-xml`` protocol."""
    if protocol == "json":
        body = json.dumps({"__type": error.code, "message": error.message})
        return body.encode(), "application/x-amz-json-1.1"
    core = f"<Code>{escape(error.code)}</Code><Message>{escape(error.message)}</Message>"
    request = f"<RequestId>{REQUEST_ID}</RequestId>"
    forms = {
        "ec2": f"<Response><Errors><Error>{core}</Error></Errors><RequestID>{REQUEST_ID}</RequestID></Response>",
        "query": f"<ErrorResponse><Error><Type>Sender</Type>{core}</Error>{request}</ErrorResponse>",
        "rest-xml": f"<Error>{core}{request}</Error>",
    }
    return f'<?xml version="1.0" encoding="UTF-8"?>{forms[protocol]}'.encode(), "text/xml"
