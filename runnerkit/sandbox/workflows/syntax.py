"""The tree of an expression, and how it is written down again."""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runnerkit.sandbox.workflows.values import Value

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")


@dataclass(frozen=True)
class Literal:
    """A value that is known, an array or an object too."""

    value: Value


@dataclass(frozen=True)
class Name:
    """A context, such as ``github``."""

    name: str
    position: int = 0


@dataclass(frozen=True)
class Index:
    """``target[key]``, or ``target.key`` when the key is a literal."""

    target: Node
    key: Node


@dataclass(frozen=True)
class Star:
    """``target.*``."""

    target: Node


@dataclass(frozen=True)
class Call:
    """A function with its arguments; ``name`` is in lower case."""

    name: str
    arguments: tuple[Node, ...]
    position: int = 0


@dataclass(frozen=True)
class Not:
    """``!operand``."""

    operand: Node


@dataclass(frozen=True)
class Binary:
    """Two operands and what stands between them."""

    operator: str
    left: Node
    right: Node


Node: TypeAlias = Literal | Name | Index | Star | Call | Not | Binary

# How functions are spelt; GitHub reads them in any case, other evaluators may not.
SPELLING = {each.lower(): each for each in ("startsWith", "endsWith", "toJSON", "fromJSON", "hashFiles")}


def children(node: Node) -> tuple[Node, ...]:
    """Give the nodes directly below."""
    if isinstance(node, Index):
        return (node.target, node.key)
    if isinstance(node, Star):
        return (node.target,)
    if isinstance(node, Call):
        return node.arguments
    if isinstance(node, Not):
        return (node.operand,)
    return (node.left, node.right) if isinstance(node, Binary) else ()


def walk(node: Node) -> Iterator[Node]:
    """Give the node and everything below it."""
    yield node
    for each in children(node):
        yield from walk(each)


def written(node: Node) -> str:  # noqa: PLR0911 - one for each kind of node
    """Write a tree as an expression that reads as the same tree."""
    if isinstance(node, Literal):
        return _literal(node.value)
    if isinstance(node, Name):
        return node.name
    if isinstance(node, Index):
        return _operand(node.target) + _key(node.key)
    if isinstance(node, Star):
        return f"{_operand(node.target)}.*"
    if isinstance(node, Call):
        return f"{SPELLING.get(node.name, node.name)}({', '.join(map(written, node.arguments))})"
    if isinstance(node, Not):
        return f"!{_operand(node.operand)}"
    return f"{_operand(node.left)} {node.operator} {_operand(node.right)}"


def _operand(node: Node) -> str:
    return f"({written(node)})" if isinstance(node, (Binary, Not)) else written(node)


def _key(key: Node) -> str:
    if isinstance(key, Literal) and isinstance(key.value, str) and _NAME.fullmatch(key.value):
        return f".{key.value}"
    return f"[{written(key)}]"


def _literal(value: Value) -> str:
    if isinstance(value, str):
        return quoted(value)
    if isinstance(value, (list, dict)):
        return f"fromJSON({quoted(json.dumps(value, ensure_ascii=False))})"
    if isinstance(value, float) and math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    return json.dumps(value)


def quoted(word: str) -> str:
    """Write a string literal."""
    return "'" + word.replace("'", "''") + "'"
