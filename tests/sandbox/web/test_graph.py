"""The picture of a run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runnerkit.sandbox.github.web.graph import GAP, WIDTH, Graph, graph_of
from runnerkit.sandbox.github.web.views.rows import job_row

if TYPE_CHECKING:
    from runnerkit.sandbox.github import GitHubWorld

REPO = "acme/train"


def draw(world: GitHubWorld, *jobs: tuple[str, str, list[str]]) -> Graph | None:
    """Draw jobs given by key, name and needs."""
    told = [{"key": key, "name": name, "labels": ["gpu"], "needs": needs} for key, name, needs in jobs]
    run = world.add_run(REPO, told)
    return graph_of([job_row(world.state, job, run) for job in world.jobs(run)])


def test_columns(world: GitHubWorld) -> None:
    """A job stands right of all it needs; a need that another implies draws no line; legs share a box."""
    drawn = draw(
        world, ("a", "a", []), ("b", "b (1)", ["a"]), ("b", "b (2)", ["a"]), ("c", "c", ["a", "b"]), ("d", "d", [])
    )
    assert drawn is not None
    assert {node.key: node.x // (WIDTH + GAP) for node in drawn.nodes} == {"a": 0, "b": 1, "c": 2, "d": 0}
    assert len(drawn.edges) == 2
    boxes = [(node.x, node.y, node.y + node.height) for node in drawn.nodes]
    assert not [1 for x, top, _ in boxes for x2, top2, end2 in boxes if x == x2 and top2 < top < end2], "none overlap"


def test_needs_by_name(world: GitHubWorld) -> None:
    """Runs without a workflow file name what they need by the jobs' names; a circle draws nothing endless."""
    drawn = draw(world, ("", "first", []), ("", "second", ["first", "gone"]))
    assert drawn is not None
    assert len(drawn.edges) == 1
    circle = draw(world, ("a", "a", ["b"]), ("b", "b", ["a"]))
    assert circle is not None
    assert len(circle.nodes) == 2


def test_one_job(world: GitHubWorld) -> None:
    """A single job needs no picture."""
    assert draw(world, ("a", "a", [])) is None
