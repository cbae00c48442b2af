"""Batch's wire format, checked by the service description that botocore ships: what AWS refuses is refused here."""

from __future__ import annotations

import json
from functools import cache
from typing import TYPE_CHECKING, Any

from botocore.session import get_session
from botocore.validate import ParamValidator

from runnerkit.sandbox.ec2.errors import AwsError
from runnerkit.sandbox.ec2.model import Answer

if TYPE_CHECKING:
    from botocore.model import ServiceModel

    from runnerkit.sandbox.ec2.model import Params

JSON = (("Content-Type", "application/json"),)
# AWS takes these in any case, other than its description says.
ANY_CASE = frozenset({"RetryAction"})
Shape = Any
"""A shape of botocore's; they are untyped."""


@cache
def service() -> ServiceModel:
    """Batch's description."""
    return get_session().get_service_model("batch")


@cache
def _routes() -> dict[tuple[str, str], str]:
    found = {}
    for name in service().operation_names:
        http = service().operation_model(name).http
        found[http["method"], http["requestUri"]] = str(name)
    return found


def operation(method: str, path: str) -> str:
    """The name of the operation that a request asks for, or the request itself when Batch has none."""
    return _routes().get((method, path)) or f"{method} {path}"


def refused(message: str) -> AwsError:
    """Batch's one code for everything that is the caller's fault."""
    return AwsError("ClientException", message)


def parsed(action: str, body: bytes) -> Params:
    """The arguments of a request.

    Raises:
        AwsError: They are not what AWS's description says.
    """
    if action not in service().operation_names:
        raise AwsError("UnknownOperationException", f"Batch has no {action}.", 404)
    try:
        said = json.loads(body or b"{}")
    except ValueError:
        raise refused("The body is no JSON.") from None
    shape: Shape = service().operation_model(action).input_shape
    report = ParamValidator().validate(said, shape)
    if report.has_errors():
        raise refused(f"Error executing request, Exception : {report.generate_report()}")
    _check_words(shape, said, "")
    return dict(said)


def _check_words(shape: Shape, value: object, where: str) -> None:
    """The closed lists of words, which botocore itself leaves to the service."""
    if shape.type_name == "structure" and isinstance(value, dict):
        for name, part in value.items():
            _check_words(shape.members[name], part, f"{where}.{name}")
    elif shape.type_name == "list" and isinstance(value, list):
        for part in value:
            _check_words(shape.member, part, where)
    elif shape.type_name == "string" and (known := getattr(shape, "enum", None)):
        word = str(value).upper() if shape.name in ANY_CASE else value
        if word not in known:
            raise refused(f"Error executing request, Exception : {value!r} at {where[1:]} is not one of {known}")


def rendered(result: Params) -> Answer:
    """A result as Batch sends it."""
    return Answer(json.dumps(result).encode(), 200, JSON)
