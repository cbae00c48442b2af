"""Evaluation of a tree whose every context and function is known."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from runnerkit.sandbox.workflows.errors import ExpressionError, nearest
from runnerkit.sandbox.workflows.functions import PURE
from runnerkit.sandbox.workflows.syntax import Binary, Call, Index, Literal, Name, Node, Not, Star
from runnerkit.sandbox.workflows.values import Value, equal, greater, item, spread, truth

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


@dataclass(frozen=True)
class Scope:
    """What an expression may refer to: contexts by name, and functions beyond the pure ones (``success`` ...)."""

    contexts: Mapping[str, Value] = field(default_factory=dict)
    functions: Mapping[str, Callable[..., Value]] = field(default_factory=dict)


def evaluate_node(node: Node, scope: Scope) -> Value:  # noqa: PLR0911 - one for each kind of node
    """Evaluate a tree.

    Raises:
        ExpressionError: an unknown context or function, or a function that cannot use its arguments.
    """
    match node:
        case Literal(value):
            return value
        case Name(name, position):
            return _context(name, position, scope)
        case Index(target, key):
            return item(evaluate_node(target, scope), evaluate_node(key, scope))
        case Star(target):
            return spread(evaluate_node(target, scope))
        case Not(operand):
            return not truth(evaluate_node(operand, scope))
        case Call():
            return _call(node, scope)
        case Binary():
            return _binary(node, scope)


def _context(name: str, position: int, scope: Scope) -> Value:
    if name not in scope.contexts:
        raise ExpressionError(f"{name} is not known here{nearest(name, scope.contexts)}", position)
    return scope.contexts[name]


def _call(node: Call, scope: Scope) -> Value:
    function = PURE.get(node.name) or scope.functions.get(node.name)
    if function is None:
        known = {*PURE, *scope.functions}
        raise ExpressionError(f"there is no function {node.name}(){nearest(node.name, known)}", node.position)
    return function(*(evaluate_node(each, scope) for each in node.arguments))


def _binary(node: Binary, scope: Scope) -> Value:
    left = evaluate_node(node.left, scope)
    if node.operator in {"&&", "||"}:
        return left if truth(left) == (node.operator == "||") else evaluate_node(node.right, scope)
    return compare(node.operator, left, evaluate_node(node.right, scope))


def compare(operator: str, left: Value, right: Value) -> bool:
    """Apply a comparison operator."""
    if operator in {"==", "!="}:
        return equal(left, right) == (operator == "==")
    if operator == ">":
        return greater(left, right)
    if operator == "<":
        return greater(right, left)
    return equal(left, right) or (greater(left, right) if operator == ">=" else greater(right, left))
