"""``notify``: telling people what became of a run, and the same around a pipeline."""

from __future__ import annotations

import os
import re
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from runnerkit.cli.common import AsJson, echo, ending_well, print_json

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from runnerkit.announcing import Target
    from runnerkit.errors import NotTold
    from runnerkit.job.notifying import Message, Moment
    from runnerkit.job.pipeline import Project
    from runnerkit.job.result import Result

# Who is told when nobody is named, and of which moments.
TARGETS, MOMENTS = "RUNNERKIT_NOTIFY", "RUNNERKIT_NOTIFY_ON"
# How long the end of a run waits for slow receivers, in seconds: GitHub kills a cancelled job after ten.
PATIENCE = {"success": 30.0, "failed": 30.0, "interrupted": 8.0, "cancelled": 3.0}
To = Annotated[
    list[str] | None,
    typer.Option(
        "--to", metavar="TARGET", help="sns:ARN, slack:URL or webhook:URL, or a variable's name for URL; several times."
    ),
]


def notify(
    event: Annotated[
        str, typer.Argument(help="start, success, failure or interruption; by default what the run here came to.")
    ] = "",
    to: To = None,
    message: Annotated[str, typer.Option("--message", "-m", help="A text of your own.")] = "",
    title: Annotated[str, typer.Option(help="The title, and the subject of mails, instead of the usual one.")] = "",
    link: Annotated[str, typer.Option(help="The report's address; that of `runnerkit publish` by default.")] = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the message; tell nobody.")] = False,
    as_json: AsJson = False,
) -> None:
    """Tell people what became of a run: SNS, Slack, any webhook.

    Says what, where, which stages, how long, on which machine, what it cost, metrics with their gate, and links.
    Ends with 9 when somebody could not be told. Around a pipeline use the option --notify of `runnerkit dvc run`, which
    tells when it dies, too. Without --to the targets are those of RUNNERKIT_NOTIFY.
    """
    from runnerkit.announcing import targets
    from runnerkit.errors import ConfigError, NotTold

    with ending_well(as_json=as_json):
        told = targets(to or _split(os.environ.get(TARGETS, "")), os.environ)
        if not told and not dry_run:
            raise ConfigError("nobody is named who could be told", hint=f"give --to, or set {TARGETS}")
        composed = _composed(event, message, title, link)
        failures = [] if dry_run else _send(told, composed)
        if as_json:
            failed = [error.message for error in failures]
            names = [] if dry_run else [target.name for target in told]
            print_json({"message": composed.as_dict(), "to": names, "failed": failed, "dry_run": dry_run})
            if failures:
                raise typer.Exit(NotTold.exit_code)
        elif failures:
            hints = "; ".join(dict.fromkeys(error.hint for error in failures if error.hint))
            raise NotTold("\n".join(error.message for error in failures), hint=hints)
        else:
            _say(composed, told, dry_run=dry_run)


def _composed(event: str, text: str, title: str, link: str) -> Message:
    from runnerkit.errors import ConfigError
    from runnerkit.job.notifying import Moment, compose, moment_of
    from runnerkit.job.place import Place
    from runnerkit.job.result import Result

    if event and event not in set(Moment):
        raise ConfigError(f"{event!r} is nothing that happens to a run", hint=f"give one of {', '.join(Moment)}")
    project = _project()
    result = Result.read(project.work) if project else None
    moment = Moment(event) if event else Moment.MESSAGE if text else moment_of(result)
    if moment in {Moment.START, Moment.MESSAGE}:
        result = None
    return compose(
        moment, Place.of(os.environ), os.environ, result=result, project=project, text=text, title=title, report=link
    )


def _project() -> Project | None:
    from runnerkit.errors import ConfigError
    from runnerkit.job.versions import ground

    with suppress(ConfigError, OSError):
        return ground(Path.cwd())
    return None


def _send(told: Sequence[Target], message: Message) -> list[NotTold]:
    """Tell all of them, whatever becomes of one."""
    from runnerkit.errors import NotTold

    failures = []
    for target in told:
        try:
            target.send(message)
        except NotTold as error:
            failures.append(error)
    return failures


def _say(message: Message, told: Sequence[Target], *, dry_run: bool) -> None:
    from runnerkit.job.wording import body

    echo(body(message) if dry_run else f"told {', '.join(target.name for target in told)}")


def _split(text: str) -> list[str]:
    return [each for each in re.split(r"[\s,]+", text) if each]


# --- around a pipeline ------------------------------------------------------------------------------------------------


class Telling:
    """Hears what happens to a pipeline, and tells it on; it never fails, and never waits long.

    Args:
        written: The targets as people write them.
        warn: Takes a sentence on what could not be told.
    """

    def __init__(self, written: Sequence[str], warn: Callable[[str], None]) -> None:
        from runnerkit.announcing import targets
        from runnerkit.announcing.posting import Posts
        from runnerkit.errors import ConfigError

        self._warn = warn
        self._ended = False
        found: list[Target] = []
        for each in written:
            try:
                found += targets([each], os.environ)
            except ConfigError as error:
                warn("; ".join(filter(None, (error.message, error.hint))))
        wanted = _split(os.environ.get(MOMENTS, ""))
        self._wanted = set(wanted) or None
        self._posts = Posts(found, warn) if found else None

    def __call__(self, moment: str, result: Result) -> None:
        """Tell of a moment; the end of a run waits a little until it is told."""
        from runnerkit.job.notifying import Moment

        over = moment != Moment.START
        self._ended |= over
        if self._posts is None:
            return
        if self._wanted is None or moment in self._wanted:
            self._posts.post(self._composed(Moment(moment), result))
        if over:
            self._posts.close(PATIENCE.get(result.outcome, 8.0))

    def died(self, error: BaseException) -> None:
        """Tell of an end that the pipeline itself could not tell of: it did not even start."""
        from runnerkit.errors import RunnerkitError
        from runnerkit.job.result import Result

        if not self._ended:
            said = error.message if isinstance(error, RunnerkitError) else type(error).__name__
            outcome = "cancelled" if isinstance(error, KeyboardInterrupt) else "failed"
            try:
                self("failure", Result(outcome, error=said, hint=getattr(error, "hint", "")))
            except Exception as fault:  # noqa: BLE001 - whatever it is, it must not hide why the pipeline ended
                self._warn(f"failure: {fault}")

    def _composed(self, moment: Moment, result: Result) -> Message:
        from runnerkit.job.notifying import compose
        from runnerkit.job.place import Place

        return compose(moment, Place.of(os.environ), os.environ, result=result, project=_project())


@contextmanager
def telling(written: Sequence[str] | None, say: Callable[[str], None]) -> Iterator[list[Telling]]:
    """The listeners of a pipeline for these targets and those of ``RUNNERKIT_NOTIFY``; None: nobody is told."""
    named = [] if written is None else [*written, *_split(os.environ.get(TARGETS, ""))]
    if not named:
        yield []
        return
    listener = Telling(named, lambda why: say(f"::warning::runnerkit: not told: {' '.join(why.split())}"))
    try:
        yield [listener]
    except BaseException as error:
        listener.died(error)
        raise
