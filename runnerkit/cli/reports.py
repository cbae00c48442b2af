"""What ``report`` is wired from: the project, GitHub, a place for pictures."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from runnerkit.cli.summaries import append_to_summary
from runnerkit.config import load
from runnerkit.drawing import HINT, can_draw, drawn
from runnerkit.errors import ConfigError, ForgeDenied
from runnerkit.github import GitHubReports
from runnerkit.job import placing
from runnerkit.job.document import CHECK_LIMIT, SUMMARY_LIMIT
from runnerkit.job.gatefile import Rules, known_source
from runnerkit.job.illustrating import illustrate, link
from runnerkit.job.place import Place
from runnerkit.job.placing import Placed
from runnerkit.job.publishing import Published, conclusion, publish
from runnerkit.job.reporting import Report
from runnerkit.job.sticky import writer
from runnerkit.job.values import Directions
from runnerkit.job.versions import declared, ground
from runnerkit.job.watching import Watch, watched
from runnerkit.stores import opened, remote_store
from runnerkit.stores.signing import in_own_region
from runnerkit.system import SystemClock

if TYPE_CHECKING:
    from runnerkit.job.pictures import Picture
    from runnerkit.job.stores import Store

Put = Callable[[Sequence["Picture"]], Placed]


@dataclass(frozen=True, slots=True)
class Asked:
    """The options of the command line."""

    base: str
    key: str
    pr: int | None
    repo: str
    up: tuple[str, ...]
    down: tuple[str, ...]
    gate: str
    gate_from: str
    images: str
    store: str
    texts: tuple[Path, ...]
    links: tuple[str, ...]
    check: str
    author: str
    config: Path | None


class Desk:
    """Gathers a report and publishes it.

    Raises:
        ConfigError: An option cannot be used.
    """

    def __init__(self, asked: Asked, environ: Mapping[str, str], start: Path) -> None:
        if asked.images not in placing.PLACES:
            raise ConfigError(f"--images {asked.images} is unknown", hint=f"give {', '.join(placing.PLACES)}")
        self._asked, self._environ = asked, environ
        self._rules = Rules(asked.gate, known_source(asked.gate_from))
        self._links = dict(map(link, asked.links))
        self._place = Place.of(environ)
        self._project = ground(start)
        self._number = asked.pr or self._place.number
        self._repo = asked.repo or self._place.repo

    def gather(self, *, place_images: bool = True) -> Report:
        """The report, with its pictures where they are asked for."""
        asked = self._asked
        directions = Directions(asked.up, asked.down)
        found = Report.gather(
            self._project, self._place, key=asked.key, base=asked.base, directions=directions, rules=self._rules
        )
        found.links |= self._links
        wanted = place_images and asked.images != "none"
        if wanted and not can_draw():
            found.problems.append(f"plots stay text, because what draws them is not installed: {HINT}")
        put = self._put(found.key) if wanted else None
        illustrate(
            found, self._project, draw=drawn if can_draw() else None, put=put, texts=asked.texts, base=asked.base
        )
        return found

    def _put(self, key: str) -> Put:
        place = self._place
        if self._asked.images == "branch":
            return partial(placing.in_branch, place=place, key=key, environ=self._environ)
        if self._asked.images == "s3":
            return partial(placing.in_store, store=self._store(), place=place, key=key)
        return partial(placing.in_folder, folder=self._project.work / "report", place=place)

    def _store(self) -> Store:
        if self._asked.store:
            return in_own_region(opened(self._asked.store))[0]
        settings = self._project.settings(self._environ)
        return in_own_region(remote_store(settings.remote_url, settings.remote_options))[0]

    def publish(self, found: Report) -> Published | None:
        """Write it on the pull request, as a check where that is asked for, and into the step summary."""
        try:
            if self._asked.check:
                self._check(found)
            return self._comment(found) if self._number else None
        finally:
            append_to_summary(found.body, SUMMARY_LIMIT)

    def _comment(self, found: Report) -> Published:
        reports, token = self._reports()
        try:
            return publish(found, reports, self._repo, self._number or 0, writer(self._asked.author, token))
        finally:
            reports.close()

    def _check(self, found: Report) -> None:
        reports, _ = self._reports()
        try:
            text = found.body(CHECK_LIMIT)
            reports.check(self._repo, self._place.sha, self._asked.check, conclusion(found), found.title, text)
        except ForgeDenied as error:
            found.problems.append(f"this token may not write the check {self._asked.check!r}: {error.message}")
        finally:
            reports.close()

    def _reports(self) -> tuple[GitHubReports, str]:
        # Not from the checkout, which is the pull request's: no file of it may say where the token goes.
        config = load(self._environ, Path("/"), self._asked.config)[0]
        if not self._repo:
            raise ConfigError("the repository is not known", hint="give --repo OWNER/NAME, or set GITHUB_REPOSITORY")
        token = config.github.token.get_secret_value() if config.github.token else ""
        return GitHubReports(config.github, clock=SystemClock(), repos=(self._repo,)), token

    def follow(self, say: Callable[[str], object]) -> str:
        """Keep the comment up to date while the pipeline runs; returns why that ended.

        Raises:
            ConfigError: There is no pull request to write on.
        """
        if not self._number:
            raise ConfigError("there is no pull request to write a live report on", hint="give --pr NUMBER")
        named = declared(self._project)
        files = watched(self._project.here, [*named.metrics, *(plot.file for plot in named.plots)])
        gather = partial(self.gather, place_images=False)
        return Watch(self._project.work, files, gather, self._comment, say, time.time, time.sleep).follow()

    def where(self, done: Published | None) -> str:
        """Where the report has come to be, as a line for the log."""
        if done is None:
            return "::notice::runnerkit: this run belongs to no pull request; the report is in the step summary"
        if done.what == "denied":
            return f"::notice::runnerkit: this token may not comment; the report is in the step summary ({done.why})"
        if done.what == "older":
            return f"::notice::runnerkit: the report on #{self._number} was left as it is: {done.why}"
        return f"report {done.what}: {done.url}"
