"""From what is there to what is wished for, and back to nothing of ours: pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runnerkit.errors import ConfigError
from runnerkit.github.setup.words import EVENTS, MOST_REVIEWERS, RECORD, Record, Seen, Step, Verb, Wish, digest

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from runnerkit.github.setup.words import Environment


def steps(place: str, wish: Wish, seen: Seen) -> Sequence[Step]:
    """What has to be done at a place; what is there already and fits is kept.

    Raises:
        ConfigError: A variable has another value that nobody said to overwrite, or reviewers would be too many.
    """
    found = [*_webhook(place, wish, seen), *_variables(place, wish, seen), *_secrets(place, wish, seen)]
    if wish.environment:
        found.append(_environment(place, wish, seen))
    record = recorded(wish, seen)
    if record.is_empty or record.text() == seen.record.text():
        return found
    verb = Verb.CHANGE if RECORD in seen.variables else Verb.CREATE
    # First of all: what is made is listed even if something fails on the way.
    return [Step(verb, "record", place, RECORD, "lists what was made here, for --remove"), *found]


def _webhook(place: str, wish: Wish, seen: Seen) -> Iterator[Step]:
    if not wish.hook_url:
        return
    if not seen.hooks:
        yield Step(Verb.CREATE, "webhook", place, wish.hook_url, f"tells of {', '.join(EVENTS)}")
    for hook in seen.hooks:
        right = hook.active and hook.content_type == "json" and {*EVENTS, "*"} & {*hook.events} >= {*EVENTS}
        # GitHub shows nobody a webhook's secret; whether it is the right one is seen by the deliveries alone.
        verb = Verb.KEEP if right and not wish.replace else Verb.CHANGE
        why = "writes address, events and secret again" if right else "its events, format or state are others"
        yield Step(verb, "webhook", place, wish.hook_url, "it is there" if verb is Verb.KEEP else why)


def _variables(place: str, wish: Wish, seen: Seen) -> Iterator[Step]:
    for name, value in wish.variables.items():
        there = seen.variables.get(name)
        if there == value:
            yield Step(Verb.KEEP, "variable", place, name, value)
        elif there is None:
            yield Step(Verb.CREATE, "variable", place, name, value)
        elif wish.replace or seen.record.variables.get(name) == digest(there):
            yield Step(Verb.CHANGE, "variable", place, name, f"{value} (is {there})")
        else:
            raise ConfigError(
                f"the variable {name} of {place} is {there!r}, not {value!r}, and was not made by this command",
                hint="say --replace to overwrite it, or give the value that it has",
            )


def _secrets(place: str, wish: Wish, seen: Seen) -> Iterator[Step]:
    for name in wish.secrets:
        there = name in seen.secrets
        yield Step(Verb.CHANGE if there else Verb.CREATE, "secret", place, name, "encrypted for GitHub; never shown")


def _environment(place: str, wish: Wish, seen: Seen) -> Step:
    there = seen.environment
    lacking = [each for each in wish.reviewers if there is None or each.lower() not in there.logins]
    if len(lacking) + len(there.reviewers if there else ()) > MOST_REVIEWERS:
        raise ConfigError(
            f"the environment {wish.environment} of {place} would have more than {MOST_REVIEWERS} reviewers",
            hint="GitHub takes six; name a team in the environment's settings instead",
        )
    if there is None:
        who = f"approved by {', '.join(wish.reviewers)}" if wish.reviewers else "nobody has to approve"
        return Step(Verb.CREATE, "environment", place, wish.environment, who)
    if lacking:
        added = f"adds {', '.join(lacking)}; its other rules stay"
        return Step(Verb.CHANGE, "environment", place, wish.environment, added)
    return Step(Verb.KEEP, "environment", place, wish.environment, "its rules stay as they are")


def recorded(wish: Wish, seen: Seen) -> Record:
    """What will have been made by us afterwards: what was before, and what was not there."""
    before = seen.record
    made = {n: digest(v) for n, v in wish.variables.items() if n not in seen.variables or n in before.variables}
    secrets = {name for name in wish.secrets if name not in seen.secrets} | {*before.secrets}
    known = {**before.earlier} | ({before.environment: before.reviewers} if before.environment else {})
    ours = seen.environment is None or wish.environment in known
    environment = wish.environment if wish.environment and ours else before.environment
    # Those of earlier runs are still there: nobody is taken away.
    added = wish.reviewers if environment == wish.environment else ()
    reviewers = tuple(dict.fromkeys((*known.get(environment, ()), *added)))
    earlier = {name: who for name, who in known.items() if name != environment}
    return Record({**before.variables, **made}, tuple(sorted(secrets)), environment, reviewers, earlier)


def removal(place: str, seen: Seen, hook_url: str) -> Sequence[Step]:
    """What takes back what the record lists, and the webhooks with our address; what was changed since stays."""
    record = seen.record
    found = [Step(Verb.REMOVE, "webhook", place, hook_url) for _ in seen.hooks]
    for name, mark in record.variables.items():
        there = seen.variables.get(name)
        if there is not None:
            changed = digest(there) != mark
            why = "has another value than it was made with" if changed else ""
            found.append(Step(Verb.KEEP if changed else Verb.REMOVE, "variable", place, name, why))
    found += [Step(Verb.REMOVE, "secret", place, name) for name in record.secrets if name in seen.secrets]
    if record.environment and seen.environment is not None:
        found.append(_environment_goes(place, record.environment, record.reviewers, seen.environment))
    found += [_environment_goes(place, name, record.earlier[name], there) for name, there in seen.earlier.items()]
    if RECORD in seen.variables:
        found.append(Step(Verb.REMOVE, "record", place, RECORD))
    return found


def _environment_goes(place: str, name: str, reviewers: Iterable[str], there: Environment) -> Step:
    ours = {each.lower() for each in reviewers}
    # A team has no login, and this command never names one.
    teams = any(kind != "User" for kind, _ in there.reviewers)
    if there.rules or teams or there.logins - ours:
        why = "somebody gave it reviewers or rules of their own; delete it in the repository's settings"
        return Step(Verb.KEEP, "environment", place, name, why)
    return Step(Verb.REMOVE, "environment", place, name, "with the secrets and variables in it, if any")
