"""From the words of an expression to its tree."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from runnerkit.sandbox.workflows.errors import ExpressionError
from runnerkit.sandbox.workflows.lexer import Word, words
from runnerkit.sandbox.workflows.syntax import Binary, Call, Index, Literal, Name, Node, Not, Star, children
from runnerkit.sandbox.workflows.values import number, whole

if TYPE_CHECKING:
    from collections.abc import Callable

MOST_CHARACTERS = 21_000
MOST_DEPTH = 50
# A chain such as a && b && c counts as one level for GitHub; here it is a tree that leans to the left.
_CHAIN = 3
_CONSTANTS = {"null": None, "true": True, "false": False, "NaN": float("nan"), "Infinity": float("inf")}
# From the operators that bind least to those that bind most.
_LEVELS = (("||",), ("&&",), ("==", "!="), ("<", "<=", ">", ">="))


@lru_cache(maxsize=4096)
def parse(source: str) -> Node:
    """Read an expression, without the ``${{ }}`` around it.

    Raises:
        ExpressionError: it is none.
    """
    if len(source) > MOST_CHARACTERS:
        raise ExpressionError(f"the expression has {len(source)} characters; GitHub reads at most {MOST_CHARACTERS}")
    node = _Parser(source).whole()
    if _depth(node) > MOST_DEPTH * _CHAIN:
        raise ExpressionError("the expression is a chain of too many operators; split it")
    return node


def _depth(node: Node) -> int:
    depth, level = 0, [node]
    while level:
        depth, level = depth + 1, [below for each in level for below in children(each)]
    return depth


class _Parser:
    def __init__(self, source: str) -> None:
        self._words = list(words(source))
        self._at = 0
        self._depth = 0

    @property
    def _next(self) -> Word:
        return self._words[self._at]

    def _take(self, *signs: str) -> Word | None:
        word = self._next
        if word.kind != "sign" or word.text not in signs:
            return None
        self._at += 1
        return word

    def _expect(self, sign: str) -> None:
        if self._take(sign) is None:
            raise ExpressionError(f"{sign!r} is missing before {_told(self._next)}", self._next.position)

    def whole(self) -> Node:
        if self._next.kind == "end":
            raise ExpressionError("the expression is empty")
        node = self._level(0)
        if self._next.kind != "end":
            raise ExpressionError(f"{_told(self._next)} is not expected here", self._next.position)
        return node

    def _level(self, level: int) -> Node:
        if level == len(_LEVELS):
            return self._unary()
        node = self._level(level + 1)
        while word := self._take(*_LEVELS[level]):
            node = Binary(word.text, node, self._level(level + 1))
        return node

    def _nested(self, read: Callable[[], Node]) -> Node:
        self._depth += 1
        if self._depth > MOST_DEPTH:
            raise ExpressionError(f"the expression is nested more than {MOST_DEPTH} deep", self._next.position)
        node = read()
        self._depth -= 1
        return node

    def _unary(self) -> Node:
        if self._take("!"):
            return Not(self._nested(self._unary))
        return self._postfix(self._primary())

    def _postfix(self, node: Node) -> Node:
        while word := self._take(".", "["):
            if word.text == "[":
                node = Star(node) if self._take("*") else Index(node, self._nested(lambda: self._level(0)))
                self._expect("]")
            elif self._take("*"):
                node = Star(node)
            else:
                node = Index(node, Literal(self._property().text))
        return node

    def _property(self) -> Word:
        word = self._next
        if word.kind != "name":
            raise ExpressionError(f"a name must follow the dot, not {_told(word)}", word.position)
        self._at += 1
        return word

    def _primary(self) -> Node:
        if self._take("("):
            node = self._nested(lambda: self._level(0))
            self._expect(")")
            return node
        word = self._next
        if word.kind in {"end", "sign"}:
            raise ExpressionError(f"a value is missing before {_told(word)}", word.position)
        self._at += 1
        if word.kind == "string":
            return Literal(word.text[1:-1].replace("''", "'"))
        if word.kind == "number":
            return Literal(whole(number(_unsigned(word.text))))
        return self._named(word)

    def _named(self, word: Word) -> Node:
        if self._take("("):
            return Call(word.text.lower(), self._arguments(), word.position)
        if word.text in _CONSTANTS:
            return Literal(_CONSTANTS[word.text])
        return Name(word.text.lower(), word.position)

    def _arguments(self) -> tuple[Node, ...]:
        found: list[Node] = []
        while not self._take(")"):
            if found:
                self._expect(",")
            found.append(self._nested(lambda: self._level(0)))
        return tuple(found)


def _unsigned(word: str) -> str:
    return word.removeprefix("+")


def _told(word: Word) -> str:
    return "the end" if word.kind == "end" else repr(word.text)
