"""``init``: a configuration and a workflow for the repository here, from what is found in it and few questions."""

from __future__ import annotations

import os
import sys
from dataclasses import asdict, replace
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Annotated

import typer

from runnerkit.cli.common import PARTLY, AsJson, echo, ending_well, print_json
from runnerkit.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from runnerkit.beginning.deciding import Question
    from runnerkit.beginning.words import Answers, Found, Read
    from runnerkit.beginning.writing import Done, Draft

MOST_TRIES = 3


def init(
    *,
    way: Annotated[
        str | None, typer.Option("--way", help="Who launches: launch (a job of the workflow) or controller.")
    ] = None,
    gpu: Annotated[str | None, typer.Option("--gpu", help="As in the label; 0 for none.")] = None,
    region: Annotated[str | None, typer.Option("--region", help="The AWS region to launch in.")] = None,
    environment: Annotated[
        str | None, typer.Option("--environment", help="The environment of the jobs that launch; none for none.")
    ] = None,
    repo: Annotated[
        str | None, typer.Option("--repo", "-r", help="Repository as OWNER/NAME, where git cannot say.")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Ask nothing: take what was found, else the usual.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Overwrite files that are there.")] = False,
    offline: Annotated[bool, typer.Option("--offline", help="Do not ask GitHub about the repository.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the files; write nothing.")] = False,
    as_json: AsJson = False,
) -> None:
    """Write runnerkit.toml and a workflow for the repository here, from what is found in it.

    On a terminal it asks what it could not find. A file that is there already is shown as a difference and left, unless
    you say yes, or --force: exit code 9 then. Secrets are neither read nor written.
    """
    given = {"way": way, "gpu": gpu, "region": region, "environment": environment}
    said = {key: value for key, value in given.items() if value is not None}
    asking = not (yes or as_json) and sys.stdin.isatty() and sys.stdout.isatty()
    with ending_well(as_json=as_json, interrupted="interrupted; what was written so far stays"):
        from runnerkit.beginning import deciding, reading, writing

        read = reading.checkout(Path.cwd())
        known = _found(read, repo or "", offline=offline)
        if not as_json:
            _tell(known)
        deciding.decide(known, said)  # what was given is checked before anything is asked
        if asking:
            said = _ask(known, said)
        answers = deciding.decide(known, said)
        drafts = writing.drafts(known, answers)
        done = writing.put(read.top, drafts, overwrite=_overwriter(force=force, asking=asking), dry_run=dry_run)
        # A file that was kept away, so that it hides no settings, is not there to be pushed.
        files = [each.path for each in done if each.state != "kept" or (read.top / each.path).exists()]
        steps = tuple(_next(known, answers, files, read.top))
    if as_json:
        found = {"found": known.as_dict(), "answers": asdict(answers)}
        told = [each.as_dict() | {"text": draft.text} for each, draft in zip(done, drafts, strict=True)]
        print_json({**found, "files": told, "next": list(steps), "dry_run": dry_run})
    else:
        _show(done, drafts, steps, dry_run=dry_run)
    if any(each.state == "kept" for each in done):
        raise typer.Exit(PARTLY)


def _found(read: Read, repo: str, *, offline: bool) -> Found:
    from runnerkit.beginning import finding, hub, reading

    around = reading.surroundings(os.environ)
    known = finding.found(read, around, repo)
    if offline:
        return known
    told, why = hub.look(known.address, os.environ)
    known = finding.found(read, around, repo, told)
    return replace(known, notes=(*known.notes, why)) if why else known


def _ask(known: Found, said: Mapping[str, str]) -> dict[str, str]:
    """The answers of a person; what is asked next may depend on them."""
    from runnerkit.beginning import deciding

    answers = dict(said)
    while questions := deciding.questions(known, answers):
        answers[questions[0].key] = _answer(questions[0], known, answers)
    return answers


def _answer(question: Question, known: Found, answers: Mapping[str, str]) -> str:
    """One answer; one that cannot be used is asked for again."""
    from runnerkit.beginning import deciding

    for left in reversed(range(MOST_TRIES)):
        text: str = typer.prompt(question.text, default=question.default, show_default=bool(question.default))
        try:
            deciding.decide(known, {**answers, question.key: text})
        except ConfigError as error:
            if not left:
                raise
            echo(f"{error.message}: {error.hint}")
            continue
        return text
    return question.default


class _overwriter:  # noqa: N801 - used as a function
    """Whether a file that is there may be overwritten: --force says so, or a person who has seen the difference."""

    def __init__(self, *, force: bool, asking: bool) -> None:
        self._force, self._asking = force, asking

    def __call__(self, draft: Draft, difference: str) -> bool:
        if self._force or not self._asking:
            return self._force
        echo(f"\n{difference}\n")
        why = f"[tool.runnerkit] of {draft.hides} would not be read any more" if draft.hides else "there already"
        return typer.confirm(f"{draft.path}: {why}. Write it?", default=False)


def _tell(known: Found) -> None:
    for title, text in _findings(known):
        echo(f"{title:<12}{text}")
    for note in known.notes:
        echo(f"note: {note}")


def _findings(known: Found) -> Iterator[tuple[str, str]]:
    from_ = f" (remote {known.address.remote})" if known.address.remote else ""
    kind = {"Organization": ", an organisation's", "User": ", a person's"}.get(known.hub.owner_kind, "")
    yield "repository", f"{known.address.repo} on {known.address.host}{kind}{from_}"
    yield "folder", f"{known.prefix or '.'}, default branch {known.branch}"
    if known.pipeline is not None:
        place = f"s3://{known.pipeline.bucket}" if known.pipeline.bucket else known.pipeline.kind or "no remote"
        yield "pipeline", f"DVC, {len(known.pipeline.stages)} stages, {place}"
    else:
        yield "pipeline", "none"
    library = f"; computes on a GPU: {known.packages.gpu_library}" if known.packages.gpu_library else ""
    yield "packages", f"{', '.join(known.packages.files) or 'none listed'}, Python {known.packages.python}{library}"
    yield "region", f"{known.region} (from {known.region_from})" if known.region else "not known"
    yield "AWS", f"credentials by {known.aws}" if known.aws else "no credentials here"
    yield "GitHub", f"signed in by {known.github}" if known.github else "no token here"
    if known.users:
        yield "workflows", f"runnerkit is used in {', '.join(known.users)}"


def _show(done: Sequence[Done], drafts: Sequence[Draft], steps: Sequence[str], *, dry_run: bool) -> None:
    echo("")
    for each, draft in zip(done, drafts, strict=True):
        state = f"would be {'written' if each.state == 'new' else each.state}" if dry_run else str(each.state)
        echo(f"{'unchanged' if each.state == 'unchanged' else state:<18} {each.path}")
        if each.state == "kept":
            echo(f"{each.difference}\n{each.path} was left as it is: {each.why}; --force overwrites it")
        elif dry_run and each.state == "new":
            echo(draft.text)
        elif dry_run:
            echo(each.difference)
    echo("\nnext:")
    for number, step in enumerate(steps, 1):
        echo(f"  {number}. {step}")


def _next(known: Found, answers: Answers, files: Sequence[str], top: Path) -> Iterator[str]:
    """What is left to do, in this order: lines to be copied."""
    from runnerkit.beginning import following

    if not known.aws:
        yield "sign in to AWS, so that these commands can see your account: aws sso login, or AWS_PROFILE"
    if not known.github:
        yield "sign in to GitHub: a token in GH_TOKEN; `runnerkit setup github` says what it must be able to do"
    folder = top / known.prefix
    if folder != Path.cwd():
        yield f"cd {quote(str(folder))}"
    yield following.setup_aws(known, answers)
    yield following.setup_github(answers, following.requirement())
    yield "runnerkit doctor"
    yield following.pushing(known, files, top)
    if answers.way == "controller":
        yield "start a controller: runnerkit serve, or examples/cron-once.yml without a server"
    yield following.first_run(known)
