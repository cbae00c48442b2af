"""Text with ``${{ }}`` in it."""

from __future__ import annotations

from dataclasses import dataclass

from runnerkit.sandbox.workflows.errors import ExpressionError
from runnerkit.sandbox.workflows.evaluator import Scope, evaluate_node
from runnerkit.sandbox.workflows.functions import STATUS
from runnerkit.sandbox.workflows.parser import parse
from runnerkit.sandbox.workflows.syntax import Binary, Call, Literal, Node, walk
from runnerkit.sandbox.workflows.values import Value, text

OPEN, CLOSE = "${{", "}}"


@dataclass(frozen=True)
class Part:
    """An expression inside a text and the place of its first character there."""

    source: str
    position: int

    def parsed(self) -> Node:
        """Read the expression.

        Raises:
            ExpressionError: it is none; the position counts from the beginning of the text.
        """
        try:
            return parse(self.source)
        except ExpressionError as error:
            raise ExpressionError(str(error), self.position + error.position) from error


def split(template: str) -> list[str | Part]:
    """Split a text into literal parts and expressions.

    Raises:
        ExpressionError: an expression that is not closed.
    """
    parts: list[str | Part] = []
    done = 0
    while (start := template.find(OPEN, done)) >= 0:
        if start > done:
            parts.append(template[done:start])
        end = _end(template, start + len(OPEN))
        parts.append(Part(template[start + len(OPEN) : end], start + len(OPEN)))
        done = end + len(CLOSE)
    return [*parts, template[done:]] if done < len(template) else parts


def _end(template: str, start: int) -> int:
    inside = False
    for place in range(start, len(template)):
        if template[place] == "'":
            inside = not inside
        elif not inside and template.startswith(CLOSE, place):
            return place
    raise ExpressionError("the expression is not closed; '}}' is missing", start)


def has_expression(value: object) -> bool:
    """Tell whether a value is a text with ``${{`` in it."""
    return isinstance(value, str) and OPEN in value


def is_expression(value: object) -> bool:
    """Tell whether a value is one expression and nothing else, so that it may stand for a value of any kind."""
    if not has_expression(value):
        return False
    parts = split(str(value))
    return len(parts) == 1 and isinstance(parts[0], Part)


def node_of(template: str) -> Node:
    """Read a text as one tree: an expression alone as itself, anything else as a call of ``format``."""
    parts = split(template)
    if len(parts) == 1 and isinstance(parts[0], Part):
        return parts[0].parsed()
    pattern, values = "", list[Node]()
    for part in parts:
        if isinstance(part, Part):
            pattern += f"{{{len(values)}}}"
            values.append(part.parsed())
        else:
            pattern += part.replace("{", "{{").replace("}", "}}")
    return Call("format", (Literal(pattern), *values)) if values else Literal(template)


def condition_of(condition: Value) -> Node:
    """Read an ``if``, in which ``${{ }}`` may be left out; ``success()`` is understood where no status is named."""
    node = bare_condition(condition)
    return node if names_status(node) else Binary("&&", Call("success", ()), node)


def bare_condition(condition: Value) -> Node:
    """Read an ``if`` as it is written."""
    if not isinstance(condition, str):
        return Literal(condition)
    if not condition.strip():
        return Literal(value=True)
    return node_of(condition) if has_expression(condition) else parse(condition)


def names_status(node: Node) -> bool:
    """Tell whether a condition calls ``success``, ``failure``, ``cancelled`` or ``always``."""
    return any(isinstance(each, Call) and each.name in STATUS for each in walk(node))


def evaluate(template: Value, scope: Scope) -> Value:
    """Evaluate every expression in a tree of values; an expression alone keeps its kind, others become text.

    Raises:
        ExpressionError: one cannot be evaluated.
    """
    if isinstance(template, str):
        return evaluate_node(node_of(template), scope) if has_expression(template) else template
    if isinstance(template, list):
        return [evaluate(each, scope) for each in template]
    if isinstance(template, dict):
        return {text(evaluate(key, scope)): evaluate(each, scope) for key, each in template.items()}
    return template
