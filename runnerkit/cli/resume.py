"""``resume``: a run that AWS interrupted goes on."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Annotated, Any

import typer

from runnerkit.cli.common import AsJson, ConfigPath, DryRun, configuration, echo, ending_well, narrator, print_json
from runnerkit.cli.why import OneRepo, check_host

if TYPE_CHECKING:
    from runnerkit.config import Config
    from runnerkit.recovery import Recovery
    from runnerkit.resuming import Resumed


def resume(
    run: Annotated[str, typer.Argument(metavar="RUN|URL", help="The run's number, or its page.")],
    repo: OneRepo = None,
    dry_run: DryRun = False,
    config: ConfigPath = None,
    as_json: AsJson = False,
) -> None:
    """Run again what AWS interrupted, in a run that is over; for repositories without a controller.

    Machines that `launch` made are made anew first, for the same label. Jobs that merely failed stay as they are, and
    so does a run that was repeated `max_reruns` times. When there is nothing to do, the reason is told: exit code 0.
    """
    from runnerkit import afterwards

    with ending_well(as_json=as_json):
        settings = configuration(config)
        served, number = _meant(run, repo, settings)
        resumer = afterwards.resumer(settings, served, events=narrator(as_json=as_json))
        resumed = resumer.resume(served, number, dry_run=dry_run)
    if as_json:
        print_json(_as_dict(resumed))
    else:
        echo(_said(resumed))


def _meant(text: str, repo: str | None, settings: Config) -> tuple[str, int]:
    """The repository and the run that are meant."""
    from runnerkit.errors import ConfigError
    from runnerkit.why import questions

    question = questions.read(text, repo or "")
    check_host(question, settings)
    number = question.run or question.number
    if number is None:
        raise ConfigError(f"{text} is not a run", hint="give a run's number, or the address of its page")
    # Inside a workflow its own repository is meant, whichever others the configuration serves.
    known = question.repo or os.environ.get("GITHUB_REPOSITORY")
    served = [known] if known else [each for each in settings.github.repositories if not each.endswith("/*")]
    if len(served) != 1:
        raise ConfigError(f"whose run {number} is, is not known", hint="give --repo OWNER/NAME, or the run's page")
    return served[0], number


def _said(resumed: Resumed) -> str:
    from runnerkit.recovery import Reason
    from runnerkit.resuming import Done

    run, decision = resumed.run, resumed.decision
    if isinstance(decision, Reason):
        return f"run {run.id} of {run.repo} is left as it is: {decision.text}"
    what = f"job {decision.job.id} alone" if decision.job else "what failed"
    of = f"of run {run.id} of {run.repo}"
    words = {
        Done.REPEATED: f"{what} {of} goes on as attempt {decision.attempt}: {decision.text}",
        Done.SOMEBODY: f"run {run.id} of {run.repo} goes on already: somebody else was faster",
        Done.WOULD_REPEAT: f"would run {what} {of} again{_first(decision)}: {decision.text}",
    }
    return words[resumed.done]


def _first(decision: Recovery) -> str:
    count = sum(wanted.count for wanted in decision.machines)
    return f", after launching {count} machine{'s' if count > 1 else ''}" if count else ""


def _as_dict(resumed: Resumed) -> dict[str, Any]:
    from runnerkit.cli import actions
    from runnerkit.recovery import Recovery

    run, decision = resumed.run, resumed.decision
    found = decision if isinstance(decision, Recovery) else None
    return {
        "repo": run.repo,
        "run": run.id,
        "attempt": run.attempt,
        "done": str(resumed.done),
        "because": None if isinstance(decision, Recovery) else str(decision.because),
        "reason": decision.text,
        "interrupted": [job.id for job in found.interrupted] if found else [],
        "job": found.job.id if found and found.job else None,
        "later": [job.id for job in found.later] if found else [],
        "wanted": [{"labels": list(w.labels), "count": w.count} for w in found.machines] if found else [],
        "machines": [actions.facts(slot) for slot in resumed.slots],
    }
