"""``doctor``: is everything there that a job needs, and what to do next."""

from __future__ import annotations

import os
import sys
import textwrap
from pathlib import Path
from shutil import get_terminal_size
from typing import TYPE_CHECKING, Annotated, Any

import typer

from runnerkit.cli.common import AsJson, ConfigPath, Repo, echo, ending_well, print_json

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from runnerkit.doctor.checking import Check
    from runnerkit.doctor.examining import Examination
    from runnerkit.doctor.words import Finding

STOPPED = "interrupted; nothing was changed"
NARROWEST, WIDEST = 60, 100
LEVEL, CHECK = 9, 23
Only = Annotated[
    list[str] | None,
    typer.Option("--only", metavar="GROUP|CHECK", help="These alone, with commas or given several times."),
]
Strict = Annotated[bool, typer.Option("--strict", help="End with 15 for warnings, and for what is unknown, too.")]
Listed = Annotated[bool, typer.Option("--list", help="Name all checks and what they ask; look at nothing.")]
Within = Annotated[float, typer.Option("--within", min=0.1, max=600, help="Seconds for all that is looked at.")]


def doctor(
    repo: Repo = None,
    only: Only = None,
    strict: Strict = False,
    list_: Listed = False,
    within: Within = 60.0,
    config: ConfigPath = None,
    as_json: AsJson = False,
) -> None:
    """Look at AWS, GitHub and this computer, and say what to do next. Changes nothing.

    Works with half of the credentials missing: what could not be looked at is "unknown", with the reason.
    """
    from runnerkit.doctor.registry import chosen

    with ending_well(as_json=as_json, interrupted=STOPPED):
        checks = chosen(only or ())
        if list_:
            _tell_checks(checks, as_json=as_json)
            return
        found = _examined(checks, repo, config, within)
    if as_json:
        print_json(found.as_dict(strict=strict))
    else:
        for line in lines(found, min(max(get_terminal_size().columns, NARROWEST), WIDEST)):
            echo(line)
    raise typer.Exit(found.exit_code(strict=strict))


def _examined(checks: Sequence[Check], repo: list[str] | None, config: Path | None, within: float) -> Examination:
    from runnerkit.doctor import looking

    said = looking.written(os.environ, Path.cwd(), config)
    with_progress = sys.stderr is not None and sys.stderr.isatty()
    heard = _progress if with_progress else _silence
    heard("", 0)
    try:
        return looking.doctor(checks, said, repos=repo or (), folder=Path.cwd(), within=within, heard=heard)
    finally:
        if with_progress:
            sys.stderr.write("\r\x1b[K")


def _progress(name: str, left: int) -> None:
    told = f"{name.replace('_', ' ')} seen; {left} to go" if name else "looking at AWS, GitHub and this computer"
    sys.stderr.write(f"\r\x1b[K{told} ...")
    sys.stderr.flush()


def _silence(_name: str, _left: int) -> None:
    pass


def _tell_checks(checks: Sequence[Check], *, as_json: bool) -> None:
    if as_json:
        print_json([_as_dict(check) for check in checks])
        return
    for check in checks:
        echo(f"{check.name:<{CHECK}} {check.asks}")


def _as_dict(check: Check) -> dict[str, Any]:
    levels = ["ok", "unknown", *map(str, check.levels)]
    return {"check": check.name, "group": str(check.group), "asks": check.asks, "levels": levels, "todo": check.todo}


def lines(found: Examination, width: int) -> Iterator[str]:
    """The table for people: group by group, the worst first in each, and what to do below what was found."""
    from runnerkit.doctor.words import TITLES

    for group, title in TITLES.items():
        mine = [finding for finding in found.findings if finding.group is group]
        if not mine:
            continue
        yield title
        for finding in sorted(mine, key=lambda finding: -finding.level.rank):
            yield from _row(finding, width)
        yield ""
    yield ", ".join(_counted(level, number) for level, number in found.counts().items())


def _counted(level: str, number: int) -> str:
    """``2 failures``; ok and unknown have no plural."""
    return f"{number} {level}" + ("s" if number > 1 and level in {"failure", "warning", "note"} else "")


def _row(finding: Finding, width: int) -> Iterator[str]:
    said = finding.remark
    level = str(finding.level)
    head = f"  {level.upper() if level == 'failure' else level:<{LEVEL}}{finding.check:<{CHECK}} "
    yield from _wrapped(head, said.found, width)
    for word, text in (("why", said.why), ("next", said.next)):
        if text:
            yield from _wrapped(f"  {'':<{LEVEL}}{word + ':':<6}", text, width)


def _wrapped(head: str, text: str, width: int) -> list[str]:
    indent = " " * min(len(head), LEVEL + 4)
    return textwrap.wrap(
        text,
        width,
        initial_indent=head,
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,
    )
