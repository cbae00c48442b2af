"""Plots as pictures: drawn on this machine alone, and placed where nobody else sees them."""

from __future__ import annotations

import json
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest

from runnerkit.drawing import drawn
from runnerkit.errors import ConfigError
from runnerkit.job import pictures
from runnerkit.job.illustrating import illustrate, link
from runnerkit.job.pictures import Gallery, Picture, gathered
from runnerkit.job.pipeline import Project
from runnerkit.job.place import Place
from runnerkit.job.placing import Placed, in_branch, in_folder, in_store
from runnerkit.job.versions import Base, Plot
from runnerkit.sandbox.github import GitHubWorld
from runnerkit.stores import opened
from tests.job.drafts import REPO, report
from tests.job.workshop import Workshop, git

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

PNG = b"\x89PNG\r\n\x1a\n"
PLOTS = (
    Plot("loss.csv", "epoch", "loss", title="Loss <by> epoch"),
    Plot("cm.csv", "actual", "predicted", "confusion"),
    Plot("importance.json", "weight", "name", "bar_horizontal_sorted"),
    Plot("points.tsv", "x", "y", "scatter"),
    Plot("own.csv", "x", "y", "mine"),
    Plot("broken.csv", "x", "y", "bad"),
    Plot("empty.csv"),
    Plot("images"),
)
OWN = {"data": {"values": "<DVC_METRIC_DATA>"}, "mark": "line", "title": "<DVC_METRIC_TITLE>", "params": []} | {
    "encoding": {"x": {"field": "<DVC_METRIC_X>"}, "y": {"field": "<DVC_METRIC_Y>"}, "color": "<DVC_METRIC_COLOR>"}
}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Plots of every kind, committed; the curve has changed since."""
    files = {
        "loss.csv": "epoch,loss\n" + "".join(f"{n},{1 / (n + 1)}\n" for n in range(1000)),
        "cm.csv": "actual,predicted\ncat,cat\ncat,dog\ndog,dog\n",
        "importance.json": json.dumps([{"name": "size", "weight": 0.7}, {"name": "age", "weight": 0.3}]),
        "points.tsv": "x\ty\n1\t2\n2\t3\n",
        "own.csv": "x,y\n1,2\n2,4\n",
        "broken.csv": "x,y\n1,2\n",
        "empty.csv": "",
        "images/a.svg": "<svg xmlns='http://www.w3.org/2000/svg'/>",
        "images/notes.txt": "no image",
        "README.md": "![a](images/a.svg) ![far](https://example.com/b.png) ![up](../../etc/b.png)\n",
        ".dvc/plots/mine.json": json.dumps(OWN),
        ".dvc/plots/bad.json": "{",
    }
    here = Workshop(tmp_path_factory.mktemp("plots")).origin(files=files)
    (here / "loss.csv").write_text(files["loss.csv"].replace("0,1.0", "0,2.0"), encoding="utf-8")
    return Project(here, here)


@pytest.fixture(scope="module")
def gallery(project: Project) -> Gallery:
    return gathered(project, PLOTS, Base(project, git(project.here, "rev-parse", "HEAD")), drawn, "main")


def by_name(gallery: Gallery) -> dict[str, Picture]:
    return {each.name: each for each in gallery.pictures}


class TestDrawing:
    """Vega-Lite to PNG and SVG."""

    def test_makes_a_picture_of_every_plot_that_has_data(self, gallery: Gallery) -> None:
        """Curves, confusion matrices, bars, points, the project's own template; images are taken as they are."""
        found = by_name(gallery)
        assert list(found) == ["loss.png", "cm.png", "importance.png", "points.png", "own.png", "images-a.svg"]
        assert all(each.content.startswith(PNG) and b"<svg" in each.vector for each in gallery.pictures[:-1])
        assert found["images-a.svg"].content_type == "image/svg+xml"

    def test_shows_the_base_beside_what_is_now(self, gallery: Gallery) -> None:
        """As the legend tells; titles are text, whatever they hold."""
        words = re.findall(r">([^<>]+)</text>", by_name(gallery)["loss.png"].vector.decode())
        assert {"main", "now", "Loss &lt;by&gt; epoch", "epoch", "loss"} <= set(words)

    def test_that_fails_is_told_and_stops_nothing(self, gallery: Gallery) -> None:
        """One broken template costs one picture."""
        (problem,) = gallery.problems
        assert problem.startswith("broken.csv could not be drawn: ")

    def test_fetches_nothing_from_anywhere(self) -> None:
        """Neither data nor images: a template is a pull request's, and this machine may reach more than its author."""
        asked: list[str] = []
        with listening(asked) as url:
            for spec in (
                {"data": {"url": f"{url}/data.json"}, "mark": "point"},
                {"data": {"values": [{"u": f"{url}/i.png"}]}, "mark": "image", "encoding": {"url": {"field": "u"}}},
                {"layer": [{"mark": {"type": "image", "url": f"{url}/j.png"}}], "data": {"values": [{}]}},
            ):
                with pytest.raises(ValueError, match=r"not allowed|nothing is fetched"):
                    drawn(spec)
        assert asked == []


class listening:  # noqa: N801 - used as a function is
    """A server that notes who asks."""

    def __init__(self, asked: list[str]) -> None:
        class Notes(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                asked.append(self.path)
                self.send_error(404)

            def log_message(self, *_: Any) -> None:  # noqa: ANN401 - whatever it would log
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Notes)

    def __enter__(self) -> str:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return f"http://127.0.0.1:{self._server.server_port}"

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()


class TestLimits:
    """A pipeline may write thousands of images, and large ones."""

    def test_of_size_and_number_are_told(self, tmp_path: Path) -> None:
        """What is left out is named with the reason."""
        (tmp_path / "big.png").write_bytes(b"x" * (pictures.LARGEST + 1))
        for number in range(pictures.MOST + 1):
            (tmp_path / f"{number}.png").write_bytes(PNG)
        project = Project(tmp_path, tmp_path)
        found = gathered(project, (Plot("big.png"), Plot(".")), Base(project, ""), None)
        assert len(found.pictures) == pictures.MOST
        assert found.problems[0] == "big.png is not shown: it has 5.0 MB, a picture may have 5"
        assert "at most 60 pictures" in found.problems[1]
        full = Gallery(_bytes=pictures.LARGEST_TOGETHER)
        assert not full.add("a", "a.png", ".png", PNG)
        assert "all pictures together" in full.problems[0]


PLACE = Place(REPO, run_id="77", run_attempt=2, url="https://github.example/acme/widgets/actions/runs/77")


class TestPlacing:
    """An artifact's folder, a store, a branch."""

    def test_a_folder_is_what_the_artifact_is_made_of(self, gallery: Gallery, tmp_path: Path) -> None:
        """PNG and SVG beside each other; the report names the run's artifacts."""
        placed = in_folder(gallery.pictures, tmp_path / "report", PLACE)
        assert {"loss.png", "loss.svg", "images-a.svg"} <= {each.name for each in (tmp_path / "report").iterdir()}
        assert (placed.links, placed.page) == ({}, f"{PLACE.url}#artifacts")

    def test_a_store_is_linked_by_addresses_that_last(self, gallery: Gallery, tmp_path: Path) -> None:
        """Below the run's own id; nothing is signed, so nothing ends with somebody's credentials."""
        placed = in_store(gallery.pictures, opened(str(tmp_path)), PLACE, "train/gpu")
        assert (tmp_path / "reports/77/2/train-gpu/loss.png").read_bytes().startswith(PNG)
        assert (placed.shown, "Signature" in str(placed.links)) == (False, False)

    @pytest.mark.slow
    def test_a_branch_of_the_same_repository_shows_them(self, gallery: Gallery) -> None:
        """One push for all, on a branch of its own; another report adds to it, and nothing else is asked."""
        with GitHubWorld() as world:
            world.add_repository(REPO)
            token = world.add_token("actions", {"contents": "write", "metadata": "read"})
            reader = world.add_token("actions", {"contents": "read", "metadata": "read"})
            environ = {"GITHUB_SERVER_URL": world.url, "GITHUB_TOKEN": token}
            first = in_branch(gallery.pictures[:1], PLACE, "train/gpu", environ)
            second = in_branch(gallery.pictures[1:2], PLACE, "train/cpu", environ)
            refused = in_branch(gallery.pictures[:1], PLACE, "k", environ | {"GITHUB_TOKEN": reader})
            tree = world.state.git.run(REPO, "ls-tree", "-r", "--name-only", "runnerkit-reports").decode().split()
            roots = world.state.git.run(REPO, "rev-list", "--max-parents=0", "--count", "runnerkit-reports").decode()
        paths = [f"77/2/train-{key}/{name}" for key, name in (("cpu", "cm"), ("gpu", "loss"))]
        assert tree == [f"{path}.{kind}" for path in paths for kind in ("png", "svg")]
        assert (first.shown, second.shown, roots.strip()) == (True, True, "1")
        assert re.fullmatch(rf"{world.url}/{REPO}/raw/[0-9a-f]{{40}}/77/2/train-gpu/loss.png", first.links["loss.png"])
        assert (refused.links, "contents: write" in refused.problem) == ({}, True)

    def test_a_branch_needs_a_repository(self, gallery: Gallery) -> None:
        """On a laptop there is none; that is said, and the report comes without."""
        assert "GITHUB_SERVER_URL" in in_branch(gallery.pictures, Place(), "k", {}).problem


class TestInTheReport:
    """Pictures, links, and the project's own Markdown."""

    def test_plots_are_shown_or_linked_or_told(self, project: Project) -> None:
        """Shown where the address is the picture's, and then not drawn as text again."""

        def shown(found: Sequence[Picture]) -> Placed:
            return Placed({each.name: f"https://x/{each.name}?a=1&b" for each in found}, shown=True)

        told = report()
        (project.here / "dvc.yaml").write_text("plots: [loss.csv: {x: epoch, y: loss, title: 'a \"b\"'}]")
        illustrate(told, project, draw=drawn, put=shown, texts=[project.here / "README.md"])
        body = told.body()
        assert '<img src="https://x/loss.png?a=1&amp;b" alt="a &quot;b&quot;" width="' in body
        assert "![a](https://x/images-a.svg?a=1&b) ![far](https://example.com/b.png) ![up](../../etc/b.png)" in body
        told.placed = Placed(told.placed.links)
        assert '* [a "b"](https://x/loss.png' in told.body()
        told.placed = Placed(note="the run's artifacts", page="https://x/7#artifacts")
        where = "The pictures are in [the run's artifacts](https://x/7#artifacts), under their names."
        assert f"#### Pictures\n\n{where}" in told.body()

    @pytest.mark.parametrize("said", ["report", "=https://x", "a=javascript:alert(1)", "a=https://x)<b>"])
    def test_a_link_is_a_title_and_an_address_of_the_web(self, said: str) -> None:
        """Anything else could be more than a link."""
        with pytest.raises(ConfigError, match="is no link"):
            link(said)
        assert link("HTML report=https://x/y?a=b") == ("HTML report", "https://x/y?a=b")
