"""The picture of a run: its jobs in columns, joined by what they need."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from runnerkit.sandbox.github.web.looks import Look
from runnerkit.sandbox.github.web.views.rows import JobRow

WIDTH, GAP, ROW, TITLE, PADDING, SPACE = 236, 60, 32, 26, 7, 18


@dataclass(frozen=True, slots=True)
class Node:
    """A job, or all legs of a matrix, where the picture has it."""

    key: str
    jobs: tuple[JobRow, ...]
    looks: tuple[Look, ...]
    x: int
    y: int

    @property
    def titled(self) -> bool:
        """Whether the key stands above its legs."""
        return len(self.jobs) > 1

    @property
    def height(self) -> int:
        """How tall its box is."""
        return len(self.jobs) * ROW + (TITLE if self.titled else 0) + 2 * PADDING

    @property
    def first(self) -> int:
        """Where its first job's line begins."""
        return self.y + PADDING + (TITLE if self.titled else 0)


@dataclass(frozen=True, slots=True)
class Graph:
    """The picture; an edge is the path of a line."""

    width: int
    height: int
    nodes: tuple[Node, ...]
    edges: tuple[str, ...]


def graph_of(rows: Sequence[JobRow]) -> Graph | None:
    """Draw the jobs of a run; a single one needs no picture."""
    if len(rows) < 2:  # noqa: PLR2004 - one job
        return None
    legs: dict[str, list[JobRow]] = {}
    for row in rows:
        legs.setdefault(row.key, []).append(row)
    needs = _needs(legs)
    nodes = _placed(legs, needs)
    edges = tuple(_edge(nodes[before], nodes[key]) for key in legs for before in _direct(key, needs))
    width = max(node.x for node in nodes.values()) + WIDTH
    return Graph(width, max(node.y + node.height for node in nodes.values()), tuple(nodes.values()), edges)


def _needs(legs: Mapping[str, list[JobRow]]) -> dict[str, set[str]]:
    """Say by keys what jobs need; runs without a workflow file say it by names."""
    keys = {row.name: key for key, rows in legs.items() for row in rows} | {key: key for key in legs}
    return {key: {keys[need] for row in rows for need in row.needs if need in keys} for key, rows in legs.items()}


def _before(key: str, needs: Mapping[str, set[str]]) -> set[str]:
    found: set[str] = set()
    fresh = set(needs[key])
    while fresh:
        found |= fresh
        fresh = {more for each in fresh for more in needs[each]} - found
    return found - {key}


def _direct(key: str, needs: Mapping[str, set[str]]) -> list[str]:
    """Leave out what another need implies, as ``a`` in ``a -> b -> c, a -> c``."""
    implied = {each for need in needs[key] for each in _before(need, needs)}
    return sorted(needs[key] - implied - {key})


def _column(key: str, needs: Mapping[str, set[str]], path: tuple[str, ...] = ()) -> int:
    return max((1 + _column(each, needs, (*path, key)) for each in needs[key] if each not in (*path, key)), default=0)


def _placed(legs: Mapping[str, list[JobRow]], needs: Mapping[str, set[str]]) -> dict[str, Node]:
    nodes, ends = {}, dict[int, int]()
    for key, rows in legs.items():
        column = _column(key, needs)
        y = ends.get(column, 0)
        node = Node(key, tuple(rows), tuple(row.look for row in rows), column * (WIDTH + GAP), y)
        nodes[key], ends[column] = node, y + node.height + SPACE
    return nodes


def _edge(before: Node, after: Node) -> str:
    # Boxes stand at the top of their columns: lines join the first lines, so that a straight story is a straight line.
    x1, y1 = before.x + WIDTH, before.first + ROW // 2
    x2, y2 = after.x, after.first + ROW // 2
    bend = (x2 - x1) // 2
    return f"M{x1} {y1} C{x1 + bend} {y1} {x2 - bend} {y2} {x2} {y2}"
