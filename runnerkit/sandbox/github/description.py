"""GitHub's OpenAPI description as a judge of requests and of our own answers."""

import hashlib
import json
import threading
from dataclasses import dataclass, field
from functools import cache, lru_cache
from http import HTTPStatus
from importlib import resources
from typing import Any

from jsonschema_path import SchemaPath
from openapi_core import Config, OpenAPI
from openapi_core.datatypes import RequestParameters
from openapi_core.exceptions import OpenAPIError
from openapi_core.validation.schemas import oas30_read_schema_validators_factory
from openapi_core.validation.schemas.exceptions import InvalidSchemaValue
from openapi_core.validation.schemas.validators import SchemaValidator
from werkzeug.datastructures import Headers, ImmutableMultiDict

JSON_TYPE = "application/json"
LONGEST_MESSAGE = 300
REMEMBERED = 2048
SMALL = 16_384
MOST_GOOD = 50_000
PLAIN_LIST = frozenset({"description", "items", "nullable", "title", "type"})


@dataclass(frozen=True, slots=True)
class Asked:
    """A request, as far as the description has a say: the values in its path are checked by the routing.

    ``template`` is the described path, ``path`` one that fits it.
    """

    method: str
    template: str
    path: str = field(compare=False)
    query: tuple[tuple[str, str], ...] = ()
    body: bytes = b""


@dataclass(slots=True)
class _Request:
    # What openapi-core wants to know of a request.
    method: str
    path: str
    parameters: RequestParameters
    body: bytes | None
    content_type: str = JSON_TYPE
    host_url: str = "http://127.0.0.1"


class Description:
    """The judge. Judgements are remembered, since pollers ask the same again and again."""

    def __init__(self) -> None:
        self.document: dict[str, Any] = json.loads(
            resources.files("runnerkit.sandbox.github").joinpath("openapi.json").read_text(encoding="utf-8")
        )
        _admit_null(self.document)
        _admit_alternatives(self.document)
        # Checking the description itself takes a minute and was done by those who publish it.
        self._judge = OpenAPI.from_dict(self.document, config=Config(spec_validator_cls=None))
        self._spec = SchemaPath.from_dict(self.document)
        self._lock = threading.Lock()
        self._request_problems = lru_cache(REMEMBERED)(self._judge_request)
        self._answer_problems = lru_cache(REMEMBERED)(self._judge_answer)
        self._validator = cache(self._make_validator)
        self._element_validator = cache(self._make_element_validator)
        self._good: set[tuple[object, ...]] = set()

    def operations(self) -> set[tuple[str, str]]:
        """List method and path of everything described."""
        paths = self.document["paths"]
        return {(method.upper(), path) for path, item in paths.items() for method in item.keys() - {"parameters"}}

    def request_problems(self, request: Asked) -> tuple[str, ...]:
        """Say what the request does wrong; nothing when it is fine."""
        with self._lock:
            judge = self._request_problems if len(request.body) <= SMALL else self._judge_request
            return judge(request)

    def answer_problems(self, request: Asked, status: int, data: bytes) -> tuple[str, ...]:
        """Say what our answer does wrong. An error GitHub does not describe must still look like its others."""
        with self._lock:
            judge = self._answer_problems if len(data) <= SMALL else self._judge_answer
            return judge(request.method, request.template, status, data)

    def _judge_request(self, request: Asked) -> tuple[str, ...]:
        parameters = RequestParameters(
            query=ImmutableMultiDict(request.query), header=Headers(), cookie=ImmutableMultiDict()
        )
        shown = _Request(request.method.lower(), request.path, parameters, request.body or None)
        return tuple(_explain(error) for error in self._judge.iter_request_errors(shown))

    def _judge_answer(self, method: str, template: str, status: int, data: bytes) -> tuple[str, ...]:
        responses = self.document["paths"][template][method.lower()]["responses"]
        if str(status) not in responses:
            return _error_shape(data) if status >= HTTPStatus.BAD_REQUEST else (f"status {status} is not described",)
        validator = self._validator(method.lower(), template, str(status))
        if validator is None and status >= HTTPStatus.BAD_REQUEST:
            # GitHub says what is wrong even where its description promises no body.
            return _error_shape(data)
        if validator is None:
            return ("a body where none is described",) if data else ()
        try:
            body = json.loads(data)
        except ValueError:
            return ("the body is not JSON",)
        if len(data) > SMALL and isinstance(body, dict):
            return self._judge_lists((method.lower(), template, str(status)), validator, body)
        return _problems(validator, body)

    def _judge_lists(
        self, place: tuple[str, str, str], validator: SchemaValidator, body: dict[str, Any]
    ) -> tuple[str, ...]:
        """Judge a long answer: what stood in its lists before, as most of what pollers get did, is good still."""
        found: list[str] = []
        for name, listed in list(body.items()):
            judge = self._element_validator(*place, name) if isinstance(listed, list) else None
            if judge is not None:
                body[name] = listed[:1]
                found += [
                    problem for each in listed[1:] for problem in self._judge_element((*place, name), judge, each)
                ]
        return (*_problems(validator, body), *found)

    def _judge_element(self, place: tuple[str, ...], judge: SchemaValidator, element: Any) -> tuple[str, ...]:  # noqa: ANN401 - any JSON
        seen = (*place, hashlib.sha256(json.dumps(element).encode()).digest())
        if seen in self._good:
            return ()
        problems = _problems(judge, element)
        if not problems:
            if len(self._good) >= MOST_GOOD:
                self._good.clear()
            self._good.add(seen)
        return problems

    def _make_element_validator(self, method: str, template: str, status: str, name: str) -> SchemaValidator | None:
        schema = self._spec / "paths" / template / method / "responses" / status / "content" / JSON_TYPE / "schema"
        if "properties" not in schema or name not in schema / "properties":
            return None
        listed = schema / "properties" / name
        # Where a list is described by more than its elements, it is judged as a whole.
        if set(listed.keys()) - PLAIN_LIST or "items" not in listed:
            return None
        return oas30_read_schema_validators_factory.create(self._spec, listed / "items")

    def _make_validator(self, method: str, template: str, status: str) -> SchemaValidator | None:
        response = self._spec / "paths" / template / method / "responses" / status
        if "content" not in response or JSON_TYPE not in response / "content":
            return None
        schema = response / "content" / JSON_TYPE / "schema"
        return oas30_read_schema_validators_factory.create(self._spec, schema)


def _problems(validator: SchemaValidator, body: Any) -> tuple[str, ...]:  # noqa: ANN401 - any JSON
    try:
        validator.validate(body)
    except InvalidSchemaValue as error:
        return (_explain(error),)
    return ()


def _error_shape(data: bytes) -> tuple[str, ...]:
    try:
        body = json.loads(data)
    except ValueError:
        return ("an error's body is not JSON",)
    if isinstance(body, dict) and isinstance(body.get("message"), str):
        return ()
    return ("an error's body has no message",)


def _explain(error: Exception) -> str:
    causes = getattr(error.__cause__, "schema_errors", None) or getattr(error, "schema_errors", ())
    if causes:
        return "; ".join(
            f"{'.'.join(map(str, each.absolute_path)) or 'value'}: {_short(each.message)}" for each in causes
        )
    cause = error.__cause__ if isinstance(error, OpenAPIError) and error.__cause__ is not None else error
    return str(cause) or type(cause).__name__


def _short(message: str) -> str:
    # A message begins with the whole value; its end says what is wrong with it.
    return message if len(message) <= LONGEST_MESSAGE else "... " + message[-LONGEST_MESSAGE:]


def _admit_null(node: Any) -> None:  # noqa: ANN401 - any JSON
    # GitHub marks some enumerations as nullable without listing null, and answers null there all the same.
    if isinstance(node, dict):
        if node.get("nullable") is True and isinstance(node.get("enum"), list) and None not in node["enum"]:
            node["enum"].append(None)
        for each in node.values():
            _admit_null(each)
    elif isinstance(node, list):
        for each in node:
            _admit_null(each)


def _admit_alternatives(document: dict[str, Any]) -> None:
    # A list has no property to tell its kind by, and one body fits several of GitHub's schemas of errors.
    for operation in (each for item in document["paths"].values() for each in item.values() if isinstance(each, dict)):
        for status, response in operation.get("responses", {}).items():
            for content in response.get("content", {}).values():
                schema = content["schema"]
                if "array" in schema.get("discriminator", {}).get("mapping", {}):
                    del schema["discriminator"]
                if "oneOf" in schema and int(status) >= HTTPStatus.BAD_REQUEST:
                    schema["anyOf"] = schema.pop("oneOf")


@cache
def description() -> Description:
    """Give the one judge of this process."""
    return Description()
