"""The pictures of a report: plots that are drawn, and images that stages have written."""

from __future__ import annotations

import csv
import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from runnerkit.job.plots import rows_of
from runnerkit.job.vega import drawable
from runnerkit.job.versions import within

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from concurrent.futures import Future
    from pathlib import Path

    from runnerkit.job.pipeline import Project
    from runnerkit.job.vega import Rows, Spec
    from runnerkit.job.versions import Base, Plot

    # Draws a Vega-Lite specification, as SVG and as PNG; raises ValueError when it cannot.
    Draw = Callable[[Spec], tuple[str, bytes]]

IMAGES = {
    ".png": "image/png", ".jpg": "image/jpeg", ".jpeg": "image/jpeg",
    ".gif": "image/gif", ".webp": "image/webp", ".svg": "image/svg+xml",
}  # fmt: skip
LARGEST = 5_000_000  # of one picture, in bytes: GitHub's proxy takes no more, and a phone should not have to
LARGEST_TOGETHER = 40_000_000
MOST = 60
AT_ONCE = 3  # what draws leaves Python alone meanwhile


@dataclass(frozen=True, slots=True)
class Picture:
    """One picture.

    Args:
        title: What it shows.
        name: A file name that no other picture of the report has.
        content: PNG, SVG or what the stage wrote.
        vector: The same as SVG, where we drew it.
        file: Where it is from, from the project's folder.
    """

    title: str
    name: str
    content: bytes = field(repr=False)
    vector: bytes = field(default=b"", repr=False)
    file: str = ""

    @property
    def content_type(self) -> str:
        """As browsers need it."""
        return IMAGES.get(PurePosixPath(self.name).suffix, "application/octet-stream")

    def files(self) -> dict[str, bytes]:
        """Its files by their names."""
        drawn = {str(PurePosixPath(self.name).with_suffix(".svg")): self.vector} if self.vector else {}
        return {self.name: self.content, **drawn}


@dataclass(slots=True)
class Gallery:
    """The pictures that were made, and what was not made, and why."""

    pictures: list[Picture] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    _names: set[str] = field(default_factory=set)
    _bytes: int = 0

    def add(self, title: str, file: str, suffix: str, content: bytes, vector: bytes = b"") -> bool:
        """Add a picture under a name of its own, if there is room for it."""
        size = len(content) + len(vector)
        if len(self.pictures) >= MOST or size > LARGEST or self._bytes + size > LARGEST_TOGETHER:
            self.problems.append(f"{file} is not shown: {_too_much(size, len(self.pictures))}")
            return False
        self._bytes += size
        self.pictures.append(Picture(title, self._name(file, suffix), content, vector, file))
        return True

    def _name(self, file: str, suffix: str) -> str:
        stem = re.sub(r"[^a-z0-9]+", "-", str(PurePosixPath(file).with_suffix("")).lower()).strip("-")[-60:] or "plot"
        name, number = stem, 1
        while name in self._names:
            number += 1
            name = f"{stem}-{number}"
        self._names.add(name)
        return name + suffix


def _too_much(size: int, count: int) -> str:
    if count >= MOST:
        return f"a report has at most {MOST} pictures"
    whole = f"all pictures together have at most {LARGEST_TOGETHER // 1_000_000} MB"
    one = f"it has {size / 1e6:.1f} MB, a picture may have {LARGEST // 1_000_000}"
    return one if size > LARGEST else whole


def gathered(project: Project, plots: tuple[Plot, ...], base: Base, draw: Draw | None, name: str = "base") -> Gallery:
    """Every declared plot as a picture.

    Args:
        project: The project.
        plots: What ``dvc.yaml`` declares; a folder stands for the images in it.
        base: What the curves are compared with.
        draw: Draws a specification; None where nothing can be drawn, so that only images count.
        name: What the base is called.
    """
    found = Gallery()
    with ThreadPoolExecutor(AT_ONCE) as pool:
        begun = [
            (plot, file, _begun(pool, found, project, plot, file, base, draw, name) if draw is not None else None)
            for plot in plots
            for file in _files(project.here / plot.file)
            if within(project, file)
        ]
        for plot, file, drawing in begun:
            if file.suffix.lower() in IMAGES:
                take_image(found, file, file.relative_to(project.here).as_posix(), plot.title)
            elif drawing is not None:
                _hang(found, plot, drawing)
    return found


def take_image(found: Gallery, file: Path, inner: str, title: str = "") -> bool:
    """Add an image as it is; its size is asked before it is read."""
    size = file.stat().st_size
    if size > LARGEST:
        found.problems.append(f"{inner} is not shown: {_too_much(size, 0)}")
        return False
    return found.add(title or inner, inner, file.suffix.lower(), file.read_bytes())


def _files(path: Path) -> Iterator[Path]:
    if path.is_dir():
        yield from sorted(each for each in path.rglob("*") if each.suffix.lower() in IMAGES and each.is_file())
    elif path.is_file():
        yield path


def _begun(
    pool: ThreadPoolExecutor,
    found: Gallery,
    project: Project,
    plot: Plot,
    file: Path,
    base: Base,
    draw: Draw,
    name: str,
) -> Future[tuple[str, bytes]] | None:
    """A picture that is being drawn; None when there is nothing to draw."""
    if file.suffix.lower() in IMAGES or file.stat().st_size > LARGEST:
        return None
    try:
        now = _rows(plot, file.read_text(encoding="utf-8", errors="replace"))
        spec = drawable(plot, now, _rows(plot, base.read(plot.file) or ""), name, _template(project, plot.template))
    except (ValueError, OSError, RecursionError) as error:
        _failed(found, plot, error)
        return None
    return pool.submit(draw, spec) if spec is not None else None


def _hang(found: Gallery, plot: Plot, drawing: Future[tuple[str, bytes]]) -> None:
    try:
        vector, picture = drawing.result()
    except (ValueError, OSError, RecursionError) as error:
        _failed(found, plot, error)
    else:
        found.add(plot.title or plot.file, plot.file, ".png", picture, vector.encode())


def _failed(found: Gallery, plot: Plot, error: Exception) -> None:
    found.problems.append(f"{plot.file} could not be drawn: {' '.join(str(error).split())[:200]}")


def _rows(plot: Plot, text: str) -> Rows:
    try:
        return rows_of(plot.file, text) if text else []
    except (ValueError, csv.Error, RecursionError):
        return []


def _template(project: Project, name: str) -> str:
    """The project's own template of a name, or of a path; empty when it is one of DVC's."""
    if not name:
        return ""
    own = [project.here / name] if name.endswith(".json") and within(project, project.here / name) else []
    files = [project.root / ".dvc/plots" / f"{name}.json", *own]
    return next((file.read_text(encoding="utf-8") for file in files if file.is_file()), "")
