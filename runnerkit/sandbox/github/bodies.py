"""Bodies of requests and answers between runners and the service."""

import json
from typing import Any

from werkzeug.wrappers import Request, Response

from runnerkit.sandbox.github.refusals import invalid


def object_of(request: Request) -> dict[str, Any]:
    """Read a JSON object.

    Raises:
        Refused: 422 when the body is none.
    """
    try:
        said = json.loads(request.get_data() or b"{}")
    except ValueError as error:
        raise invalid(f"the body is not JSON: {error}") from error
    if not isinstance(said, dict):
        raise invalid("the body is not a JSON object")
    return said


def archive(data: bytes, kind: str = "zip") -> Response:
    """Answer with an archive."""
    return Response(data, content_type=f"application/{kind}")


def shown(body: dict[str, Any], status: int) -> Response:
    """Answer with JSON."""
    return Response(json.dumps(body), status=status, content_type="application/json; charset=utf-8")
