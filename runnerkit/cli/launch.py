"""``launch``: machines for a label, on request."""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from runnerkit.cli import completing
from runnerkit.cli.common import (
    PARTLY,
    AsJson,
    ConfigPath,
    DryRun,
    aside,
    configuration,
    echo,
    ending_well,
    narrator,
    print_json,
    repositories,
    tell,
)
from runnerkit.cli.taking_back import ENDED, taken_back, within_workflow
from runnerkit.errors import ConfigError, LabelError, RunnerkitError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from runnerkit.config import Config
    from runnerkit.model import Attempt
    from runnerkit.slots import LaunchRequest, Slot

# GitHub's numbers have 64 bits; what is longer would be part of no name.
LONGEST_NUMBER = 19
Key = Annotated[str | None, typer.Option(help="As in the label.", rich_help_panel="Label keys")]
Gpu, Arch, Spot, Retry = (
    typer.Option(help="As in the label.", rich_help_panel="Label keys", autocompletion=completing.key(name))
    for name in ("gpu", "arch", "spot", "retry")
)


def launch(
    *,
    runs_on: Annotated[str | None, typer.Option("--runs-on", help="The whole label, as in the workflow.")] = None,
    repo: Annotated[str | None, typer.Option("--repo", "-r", help="Repository as OWNER/NAME.")] = None,
    count: Annotated[int, typer.Option("--count", "-n", min=1, max=256, help="How many machines.")] = 1,
    wait: Annotated[bool, typer.Option("--wait", help="Wait until every runner is online.")] = False,
    scope: Annotated[str | None, typer.Option(help="The label's SCOPE; the workflow run's id by default.")] = None,
    spec: Key = None,
    gpu: Annotated[str | None, Gpu] = None,
    type_: Annotated[str | None, typer.Option("--type", help="As in the label.")] = None,
    family: Key = None,
    cpu: Key = None,
    ram: Key = None,
    arch: Annotated[str | None, Arch] = None,
    image: Key = None,
    profile: Key = None,
    spot: Annotated[str | None, Spot] = None,
    region: Key = None,
    zone: Key = None,
    disk: Key = None,
    idle: Key = None,
    life: Key = None,
    retry: Annotated[str | None, Retry] = None,
    price: Key = None,
    skip_if_nothing_to_do: Annotated[
        bool,
        typer.Option("--skip-if-nothing-to-do", help="Launch only if `runnerkit dvc check` here says there is work."),
    ] = False,
    dry_run: DryRun = False,
    config: ConfigPath = None,
    as_json: AsJson = False,
) -> None:
    """Launch machines whose runners carry a label, or adopt those that exist for it already.

    The same workflow run, attempt and label name the same machines, so a repeated launch starts nothing twice.
    """
    keys = {
        "spec": spec, "gpu": gpu, "type": type_, "family": family, "cpu": cpu, "ram": ram, "arch": arch, "image": image,
        "profile": profile, "spot": spot, "region": region, "zone": zone, "disk": disk, "idle": idle, "life": life,
        "retry": retry, "price": price,
    }  # fmt: skip
    with ending_well(as_json=as_json, interrupted=ENDED if within_workflow(os.environ) else ""):
        settings = configuration(config)
        label = _label(runs_on, scope, {key: value for key, value in keys.items() if value is not None}, os.environ)
        if skip_if_nothing_to_do and not _work(label, as_json=as_json):
            return
        # Inside a workflow its own repository is meant, whichever others the configuration serves.
        own = repo or os.environ.get("GITHUB_REPOSITORY")
        (served,) = repositories(settings, [own] if own else settings.github.repositories[:1])
        if served.endswith("/*"):
            raise ConfigError(f"{served} are several repositories", hint="say which one: --repo OWNER/NAME")
        request = _request(settings, label, served, count)
        if dry_run:
            _preview(settings, label, request, as_json=as_json)
            return
        _launch(settings, label, request, wait=wait, as_json=as_json)


def _work(label: str, *, as_json: bool) -> bool:
    """Whether the pipeline here has work; nobody at AWS or GitHub is asked."""
    from runnerkit.cli import actions, dvc

    told = dvc.answer()
    actions.write_values({"work": str(told.work).lower()}, os.environ)
    if not told.work:
        actions.write_outputs(label, [], os.environ)
        if as_json:
            print_json({"label": label, "machines": [], "work": False, "reason": told.words()})
        else:
            echo(f"no machine is launched: {told.words()}")
    return told.work


def _label(runs_on: str | None, scope: str | None, keys: Mapping[str, str], environment: Mapping[str, str]) -> str:
    """The label in its one canonical spelling, from the whole text or from single keys."""
    from runnerkit import labels

    if runs_on is not None:
        if keys or scope:
            raise typer.BadParameter("give either --runs-on or single keys, not both")
        labels.parse(runs_on)
        return runs_on
    # A workflow may put a branch's name here: it is one value, and says nothing about other keys.
    for name, value in {"scope": scope or "", **keys}.items():
        if "/" in value:
            raise LabelError(
                f"--{name} {value!a}: a value holds no '/', which would begin another key",
                key=name,
                hint="give each key by its own option, or the whole label by --runs-on",
            )
    scope = scope or environment.get("GITHUB_RUN_ID")
    head = f"{labels.WORD}={scope}" if scope else labels.WORD
    return labels.format_label(labels.parse("/".join((head, *(f"{key}={value}" for key, value in keys.items())))))


def _request(settings: Config, label: str, repo: str, count: int) -> LaunchRequest:
    from runnerkit import labels, specs
    from runnerkit.slots import LaunchRequest

    wish = labels.parse(label).spec
    spec = specs.resolve(wish, settings.named(), settings.fallback(), settings.policy.of(repo))
    return LaunchRequest(
        repo,
        (label,),
        spec,
        run_id=_number("GITHUB_RUN_ID", 0),
        run_attempt=_number("GITHUB_RUN_ATTEMPT", 1),
        count=count,
    )


def _number(name: str, default: int) -> int:
    text = os.environ.get(name, "")
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= LONGEST_NUMBER else default


def _preview(settings: Config, label: str, request: LaunchRequest, *, as_json: bool) -> None:
    from runnerkit import app
    from runnerkit.slots import names

    attempts = app.chooser(settings).choose(request.spec, request.repo)
    planned = [str(name) for name in names(request, settings.github.place(request.repo))]
    if as_json:
        print_json({"label": label, "repo": request.repo, "runners": planned, "attempts": _attempts(attempts)})
        return
    echo(f"would launch {', '.join(planned)} for {request.repo} with the label {label}")
    for number, attempt in enumerate(attempts, start=1):
        echo(f"attempt {number}: {attempt.market} in {attempt.region}")
        for offering in attempt.offerings:
            price = "price unknown" if offering.price is None else f"${offering.price:.4f}/h"
            echo(f"  {offering.type.name:<16} {offering.zone:<16} {price}")


def _attempts(attempts: Sequence[Attempt]) -> list[dict[str, Any]]:
    return [
        {
            "market": str(attempt.market),
            "region": attempt.region,
            "offerings": [{"type": o.type.name, "zone": o.zone, "price": o.price} for o in attempt.offerings],
        }
        for attempt in attempts
    ]


def _launch(settings: Config, label: str, request: LaunchRequest, *, wait: bool, as_json: bool) -> None:
    from runnerkit import app
    from runnerkit.cli import actions

    fleet = app.fleet(settings, repos=(request.repo,), events=narrator(as_json=as_json))
    started: list[Slot] = []
    with taken_back(fleet, request, settings.github.place(request.repo), started, os.environ):
        try:
            fleet.launch(request, told=started.append)
        except RunnerkitError as error:
            if not started:
                raise
            _partly(label, request, started, error, as_json=as_json)
        finally:
            # Before waiting, and also when a later machine could not be had: the workflow knows what it started.
            actions.write_outputs(label, started, os.environ)
            actions.write_summary(label, started, os.environ)
        slots = _waited(fleet, started, label, quiet=as_json) if wait else started
        recovery = _recovery(settings, request, slots, quiet=as_json)
    if as_json:
        machines = [actions.facts(slot) for slot in slots]
        print_json({"label": label, "repo": request.repo, "machines": machines, "recovery": recovery})
        return
    for slot in slots:
        echo(f"{slot.name} {slot.instance_id} {slot.type} {slot.zone} {slot.market}")


def _recovery(settings: Config, request: LaunchRequest, slots: Sequence[Slot], *, quiet: bool) -> dict[str, str]:
    """Who lets the run go on after an interruption; said once when nobody is known to. It never fails a launch."""
    from runnerkit import afterwards
    from runnerkit.rescue import NOTE, Rescuer

    # The machines run: whatever cannot be read about their future must not cost them.
    try:
        by = afterwards.rescuer(settings, request, [slot.market for slot in slots])
    except (OSError, ValueError, RunnerkitError):
        return {"by": "unknown", "note": ""}
    note = NOTE if by is Rescuer.NOBODY else ""
    if note and not quiet:
        aside(f"note: {note}")
    return {"by": str(by), "note": note}


def _partly(
    label: str, request: LaunchRequest, started: Sequence[Slot], error: RunnerkitError, *, as_json: bool
) -> NoReturn:
    """Some machines run and another could not be had: tell both."""
    from runnerkit.cli import actions

    machines = [actions.facts(slot) for slot in started]
    if as_json:
        print_json({"label": label, "repo": request.repo, "machines": machines, "error": error.as_dict()})
    else:
        for slot in started:
            echo(f"{slot.name} {slot.instance_id} {slot.type} {slot.zone} {slot.market}")
        tell(error)
    raise typer.Exit(PARTLY)


def _waited(fleet: Any, slots: Sequence[Slot], label: str, *, quiet: bool) -> Sequence[Slot]:  # noqa: ANN401 - Fleet, unimported here
    """Wait, and tell the workflow at once when a machine that never came is replaced by another."""
    from runnerkit.cli import actions

    current = {slot.name.serial % slot.request.count: slot for slot in slots}

    def told(slot: Slot) -> None:
        place = slot.name.serial % slot.request.count
        replaced, current[place] = current[place].name != slot.name, slot
        if replaced:
            actions.write_outputs(label, list(current.values()), os.environ)

    with _progress(f"waiting for {', '.join(str(slot.name) for slot in slots)} to come online", quiet=quiet):
        waited: tuple[Slot, ...] = fleet.wait(slots, told=told)
    return waited


@contextmanager
def _progress(what: str, *, quiet: bool) -> Iterator[None]:
    """Show that something is waited for: a line in a log, a moving sign on a terminal."""
    if quiet or sys.stderr is None:
        yield
    elif sys.stderr.isatty():
        from rich.console import Console

        with Console(stderr=True).status(what):
            yield
    else:
        aside(what)
        yield
