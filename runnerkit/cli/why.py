"""``why``: where a job, a run or a machine is, what happened, and what happens next."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from runnerkit.cli.common import AsJson, ConfigPath, configuration, echo, ending_well, print_json

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from runnerkit.config import Config
    from runnerkit.why.answers import Answer
    from runnerkit.why.questions import Question

OneRepo = Annotated[str | None, typer.Option("--repo", "-r", help="Repository as OWNER/NAME, where it is not known.")]


def why(
    what: Annotated[
        str, typer.Argument(metavar="JOB|RUN|RUNNER|INSTANCE|URL", help="A number, a name, an id, or GitHub's page.")
    ],
    repo: OneRepo = None,
    config: ConfigPath = None,
    as_json: AsJson = False,
) -> None:
    """Explain why a job waits, what became of it or of a machine, and what happens next. Changes nothing.

    From GitHub, EC2, the journal, and from what a pass would do just now. What cannot be known is said.
    """
    from runnerkit import afterwards
    from runnerkit.why import questions
    from runnerkit.why.gathering import answers

    with ending_well(as_json=as_json):
        question = questions.read(what, repo or "")
        settings = configuration(config)
        check_host(question, settings)
        sources = afterwards.why_sources(settings)
        found = answers(question, sources)
    now = sources.clock.now()
    if as_json:
        print_json({"question": question.as_dict(), "answers": [answer.as_dict(now) for answer in found]})
        return
    for number, answer in enumerate(found):
        if number:
            echo("")
        for line in lines(answer, now):
            echo(line)


def check_host(question: Question, settings: Config) -> None:
    """Refuse a page of another GitHub than the one that is configured: its numbers mean something else."""
    from runnerkit.errors import ConfigError
    from runnerkit.why import questions

    here = questions.host(settings.github.api_url)
    if question.host and question.host != here:
        raise ConfigError(
            f"{question.text} is a page of {question.host}, and the configuration speaks to {here}",
            hint="set api_url under [github], or GITHUB_API_URL",
        )


def lines(answer: Answer, now: datetime) -> Iterator[str]:
    """An answer for people: the sentence, what happened when and who says so, what is next, what is not known."""
    from runnerkit.why.words import clock, relative

    yield answer.finding.text
    times = [(clock(m.at, now), relative(m.at, now), str(m.source), m.text) for m in answer.timeline]
    widths = [max((len(row[column]) for row in times), default=0) for column in range(3)]
    for at, ago, source, text in times:
        yield f"  {at:>{widths[0]}}  {ago:>{widths[1]}}  {source:<{widths[2]}}  {text}"
    for each in answer.finding.next:
        when = f" at {clock(each.at, now)} ({relative(each.at, now)})" if each.at else ""
        yield f"next: {each.text}{when}"
    for unknown in answer.unknown:
        yield f"not known: {unknown}"
