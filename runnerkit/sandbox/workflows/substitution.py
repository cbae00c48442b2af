"""Partial evaluation: what is known is written in, what only the runner knows stays an expression."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from runnerkit.sandbox.workflows.errors import ExpressionError
from runnerkit.sandbox.workflows.evaluator import Scope, compare, evaluate_node
from runnerkit.sandbox.workflows.functions import PURE
from runnerkit.sandbox.workflows.syntax import Binary, Call, Index, Literal, Name, Node, Not, Star, written
from runnerkit.sandbox.workflows.templates import (
    CLOSE,
    OPEN,
    Part,
    bare_condition,
    has_expression,
    names_status,
    node_of,
    split,
)
from runnerkit.sandbox.workflows.values import Filtered, Value, item, spread, text, truth

if TYPE_CHECKING:
    from collections.abc import Mapping

# Properties of ``github`` that come into being on the runner, or that are a secret.
OF_RUNNER = frozenset(
    (
        *("action", "action_path", "action_ref", "action_repository", "action_status"),
        *("env", "output", "path", "state", "step_summary", "token", "workspace"),
    )
)


def substitute(tree: Value, known: Mapping[str, Value]) -> Value:
    """Write the values of the ``known`` contexts into every text of a tree.

    Text in the result that came out of a value is never read as an expression again.

    Raises:
        ExpressionError: a text cannot be read.
    """
    if isinstance(tree, dict):
        return {
            _text(key, known) if isinstance(key, str) else key: substitute(each, known) for key, each in tree.items()
        }
    if isinstance(tree, list):
        return [substitute(each, known) for each in tree]
    return _text(tree, known) if has_expression(tree) else tree


def substitute_typed(tree: Value, known: Mapping[str, Value]) -> Value:
    """Like ``substitute``, but an expression that stands alone and is known keeps its kind (an object, a number)."""
    if not has_expression(tree):
        return substitute(tree, known)
    node = simplified(node_of(tree), known)
    if isinstance(node, Literal) and not isinstance(node.value, str):
        return _escaped_tree(node.value)
    return _text(tree, known)


def substitute_condition(condition: Value, known: Mapping[str, Value]) -> str:
    """Write known values into a step's ``if``; the status functions' meaning is kept."""
    before = bare_condition(condition)
    after = simplified(before, known)
    if names_status(before) and not names_status(after):
        after = Binary("&&", Call("always", ()), after)
    return f"{OPEN} {written(after)} {CLOSE}"


def _text(template: str, known: Mapping[str, Value]) -> str:
    result, plain = "", ""
    for part in split(template):
        node = simplified(part.parsed(), known) if isinstance(part, Part) else Literal(part)
        if isinstance(node, Literal):
            plain += text(node.value)
        else:
            result += f"{escaped(plain)}{OPEN} {written(node)} {CLOSE}"
            plain = ""
    # Escaped when joined: a value that ends in `$` may stand before literal braces.
    return result + escaped(plain)


def _escaped_tree(value: Value) -> Value:
    if isinstance(value, dict):
        return {escaped(key): _escaped_tree(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_escaped_tree(each) for each in value]
    return escaped(value) if isinstance(value, str) else value


def escaped(value: str) -> str:
    """Write text so that it is not read as an expression."""
    return value.replace(OPEN, f"{OPEN} '$' {CLOSE}{{{{")


def simplified(node: Node, known: Mapping[str, Value]) -> Node:  # noqa: PLR0911 - one for each kind of node
    """Evaluate what is known of a tree and leave the rest."""
    match node:
        case Name(name):
            return Literal(known[name]) if name in known else node
        case Index():
            return _index(node, known)
        case Star(target):
            inner = simplified(target, known)
            return Literal(spread(inner.value)) if isinstance(inner, Literal) else Star(inner)
        case Not(operand):
            inner = simplified(operand, known)
            return Literal(not truth(inner.value)) if isinstance(inner, Literal) else Not(inner)
        case Call():
            return _call(replace(node, arguments=tuple(simplified(each, known) for each in node.arguments)))
        case Binary():
            return _binary(node, known)
        case _:
            return node


def _index(node: Index, known: Mapping[str, Value]) -> Node:
    if _stays(node, known):
        return node
    target, key = simplified(node.target, known), simplified(node.key, known)
    if not isinstance(target, Literal):
        return Index(target, key)
    if isinstance(key, Literal):
        return Literal(item(target.value, key.value))
    if isinstance(target.value, Filtered):
        return Index(Star(Literal(list(target.value))), key)
    return Index(target, key) if isinstance(target.value, (list, dict)) else Literal(None)


def _stays(node: Index, known: Mapping[str, Value]) -> bool:
    match node:
        case Index(Name("github"), Literal(str() as key)):
            return key.lower() in OF_RUNNER and key.lower() not in known.get("github", {})
        case _:
            return False


def _call(node: Call) -> Node:
    if node.name not in PURE or not all(isinstance(each, Literal) for each in node.arguments):
        return node
    try:
        return Literal(evaluate_node(node, Scope()))
    except ExpressionError:
        return node  # it fails where it is used: in its step


def _binary(node: Binary, known: Mapping[str, Value]) -> Node:
    left = simplified(node.left, known)
    if node.operator in {"&&", "||"} and isinstance(left, Literal):
        return left if truth(left.value) == (node.operator == "||") else simplified(node.right, known)
    right = simplified(node.right, known)
    if isinstance(left, Literal) and isinstance(right, Literal):
        return Literal(compare(node.operator, left.value, right.value))
    return Binary(node.operator, left, right)
