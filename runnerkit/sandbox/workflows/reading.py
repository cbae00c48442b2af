"""YAML as GitHub reads it, with the line of everything."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NoReturn, TypeAlias

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from runnerkit.sandbox.workflows.errors import WorkflowInvalid
from runnerkit.sandbox.workflows.values import Value, folded, text, whole

if TYPE_CHECKING:
    from collections.abc import Iterator

Path: TypeAlias = tuple[str | int, ...]

_MOST_NODES = 50_000
_NULL = re.compile(r"~|null|Null|NULL|")
_BOOLEAN = re.compile(r"true|True|TRUE|false|False|FALSE")
_INTEGER = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_SPECIAL = {".inf": float("inf"), "-.inf": float("-inf"), "+.inf": float("inf"), ".nan": float("nan")}
_PLAIN = "plain"
_STRING = "tag:yaml.org,2002:str"
_KNOWN_TAGS = {f"tag:yaml.org,2002:{each}" for each in ("null", "bool", "int", "float")} | {_PLAIN}


class _Composer(yaml.SafeLoader):
    """Composes nodes; which plain scalar is a number or a boolean is decided here, by YAML 1.2."""

    def resolve(self, kind: type[Node], value: str | None, implicit: Any) -> str:  # noqa: ANN401 - a pair or a boolean
        if kind is ScalarNode and implicit[0]:
            return _PLAIN
        return str(super().resolve(kind, value, implicit))  # type: ignore[no-untyped-call]  # PyYAML declares no types here


@dataclass(frozen=True)
class Place:
    """Lines of a value: where it (or its key) stands, and where its text begins if that is a block of its own."""

    line: int
    text_line: int
    literal: bool = False


@dataclass
class Source:
    """A file that was read: its plain values, and the place of each by its path."""

    path: str
    value: Value = None
    places: dict[Path, Place] = field(default_factory=dict)

    def refuse(self, line: int | None, message: str) -> NoReturn:
        """Say that GitHub would not take this file."""
        raise WorkflowInvalid(self.path, line, message)


def read(path: str, content: str) -> Source:
    """Read a workflow file.

    Raises:
        WorkflowInvalid: it is no YAML, or YAML that GitHub does not take.
    """
    source = Source(path)
    try:
        node = yaml.compose(content, Loader=_Composer)
    except RecursionError:
        source.refuse(None, "lists or mappings are nested too deep")
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        told = ", ".join(each for each in (error.context, error.problem) if each)
        source.refuse(mark.line + 1 if mark else None, f"this is no YAML: {told}")
    except yaml.YAMLError as error:
        source.refuse(None, f"this is no YAML: {error}")
    if node is None:
        source.refuse(None, "the file is empty; a workflow needs `on` and `jobs`")
    source.value = _Builder(source).build(node, (), _line(node))
    return source


def _line(node: Node) -> int:
    return int(node.start_mark.line) + 1


class _Builder:
    def __init__(self, source: Source) -> None:
        self._source = source
        self._open: set[int] = set()
        self._count = 0

    def build(self, node: Node, path: Path, line: int) -> Value:
        self._count += 1
        if id(node) in self._open or self._count > _MOST_NODES:
            self._source.refuse(line, "an alias leads back to itself, or aliases multiply beyond what GitHub reads")
        block = isinstance(node, ScalarNode) and node.style in {"|", ">"}
        self._source.places[path] = Place(line, _line(node) + block, getattr(node, "style", "") == "|")
        self._open.add(id(node))
        value = self._built(node, path)
        self._open.remove(id(node))
        return value

    def _built(self, node: Node, path: Path) -> Value:
        if isinstance(node, MappingNode):
            return self._mapping(node, path)
        if isinstance(node, SequenceNode):
            return [self.build(each, (*path, place), _line(each)) for place, each in enumerate(node.value)]
        return self._scalar(node)

    def _mapping(self, node: MappingNode, path: Path) -> dict[str, Value]:
        found: dict[str, Value] = {}
        lines: dict[str, int] = {}
        for key_node, value_node in node.value:
            key, line = self._key(key_node), _line(key_node)
            if folded(key) in lines:
                self._source.refuse(line, f"{key!r} is defined already, in line {lines[folded(key)]}")
            lines[folded(key)] = line
            found[key] = self.build(value_node, (*path, key), line)
        return found

    def _key(self, node: Node) -> str:
        if not isinstance(node, ScalarNode):
            self._source.refuse(_line(node), "a key is text, not a list or a mapping")
        if node.value == "<<" and node.tag == _PLAIN:
            self._source.refuse(_line(node), "GitHub does not take merge keys (<<); write the keys out")
        return str(node.value)

    def _scalar(self, node: Node) -> Value:
        if node.tag == _STRING:
            return str(node.value)
        if node.tag not in _KNOWN_TAGS:
            self._refuse_tag(node)
        return _resolved(str(node.value))

    def _refuse_tag(self, node: Node) -> NoReturn:
        self._source.refuse(
            _line(node),
            f"GitHub does not take the tag {node.tag!r}; text that begins with ! stands in quotes or in ${{{{ }}}}",
        )


def _resolved(word: str) -> Value:
    if _NULL.fullmatch(word):
        return None
    if _BOOLEAN.fullmatch(word):
        return word.lower() == "true"
    if _INTEGER.fullmatch(word):
        return int(word, 0) if word[:2] in {"0o", "0x"} else int(word)
    if _FLOAT.fullmatch(word):
        return whole(float(word))
    return _SPECIAL.get(word.lower(), word)


@dataclass(frozen=True)
class Spot:
    """A value in a file, and how to complain about it."""

    source: Source
    path: Path = ()
    value: Value = None

    @property
    def line(self) -> int:
        """The line where the value, or its key, stands."""
        place = self.source.places.get(self.path)
        return place.line if place else (Spot(self.source, self.path[:-1]).line if self.path else 1)

    @property
    def name(self) -> str:
        """How messages call it: ``jobs.train.steps[0].run``."""
        told = "".join(f"[{each}]" if isinstance(each, int) else f".{each}" for each in self.path)
        return told.removeprefix(".") or "the workflow"

    def line_at(self, position: int) -> int:
        """Give the line of a character of this text."""
        place = self.source.places.get(self.path)
        if place is None or not place.literal:
            return self.line
        return place.text_line + str(self.value).count("\n", 0, position)

    def refuse(self, message: str, *, line: int | None = None) -> NoReturn:
        """Say that GitHub would not take this."""
        self.source.refuse(line or self.line, message)

    def get(self, key: str) -> Spot | None:
        """Give what stands under a key of this mapping, if the key is there."""
        if not isinstance(self.value, dict) or key not in self.value:
            return None
        return Spot(self.source, (*self.path, key), self.value[key])

    def entries(self) -> Iterator[tuple[str, Spot]]:
        """Give the entries of this mapping."""
        for key, value in self.value.items():
            yield key, Spot(self.source, (*self.path, key), value)

    def elements(self) -> Iterator[Spot]:
        """Give the elements of this list; something that is no list is its only one."""
        if not isinstance(self.value, list):
            yield self
            return
        for place, value in enumerate(self.value):
            yield Spot(self.source, (*self.path, place), value)

    def kind(self) -> str:
        """Name the kind of the value for a message."""
        if self.value is None:
            return "nothing"
        if isinstance(self.value, dict):
            return "a mapping"
        if isinstance(self.value, list):
            return "a list"
        return f"{text(self.value)!r}"
