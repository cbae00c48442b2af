"""Write the reference pages of ``docs/`` that the code knows best: commands, configuration, events, metrics and so on.

Usage: ``python scripts/write_reference.py [--check]``. With ``--check`` nothing is written, and the exit code is 1 when
a page is not what the code says.
"""

import inspect
import json
import sys
import types
from collections.abc import Iterator, Sequence
from dataclasses import fields
from datetime import UTC, datetime
from functools import partial
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin

import typer.main
from draw_phases import DOCS, page, prose, publish, table
from pydantic import BaseModel, SecretStr
from reference_words import ENVIRONMENT, EXAMPLE_PLACE, INTRODUCTIONS, MEANINGS, USES
from typer.testing import CliRunner

from runnerkit import config, errors, events
from runnerkit.baking import errors as baking_errors
from runnerkit.cli.commands import app
from runnerkit.doctor.registry import CHECKS
from runnerkit.doctor.words import TITLES, Group, Level
from runnerkit.errors import EXIT_CODES, RunnerkitError
from runnerkit.labels.keys import KEYS
from runnerkit.model import Breadth, Market, Refusal
from runnerkit.permissions import BESIDE, DEPENDENT, Statement, Use, policy, statements
from runnerkit.settings import AmiSettings, AwsSettings, GitHubSettings, ImageSource, JournalSettings, ServeSettings
from runnerkit.web.measures import COUNTER, MEASURES, Measure
from runnerkit.wishes import Bounds, Policy

written = partial(page, script="write_reference.py")
Kind = TypeVar("Kind")
# In which order readers meet the modules of the two packages of words.
READING = ("words", "cloud", "forge", "job", "launches", "machines", "jobs", "service", "baking")

# --- exit codes and errors --------------------------------------------------------------------------------------------


def exit_codes_page() -> str:
    """The text of ``docs/exit-codes.md``."""
    tree = list(_tree(RunnerkitError))
    names = {number: [cls.__name__ for cls, _ in tree if cls.exit_code == number] for number in EXIT_CODES}
    refusal = Refusal(
        "InsufficientInstanceCapacity",
        Breadth.POOL,
        "g4dn.xlarge",
        "eu-west-1",
        "eu-west-1a",
        Market.SPOT,
        datetime(2026, 1, 1, tzinfo=UTC),
    )
    example = errors.NoCapacity(
        "every offering for rk-17291-1 was refused", refusals=[refusal], hint="wait some minutes, or widen the wish"
    )
    return written(
        "Exit codes and errors",
        INTRODUCTIONS["exit codes"],
        table(
            ("exit code", "means", "errors"),
            ((str(number), means, _codes(names[number])) for number, means in EXIT_CODES.items()),
        ),
        INTRODUCTIONS["errors"],
        table(("error", "code", "may succeed later", "exit code", "means"), (_row(cls, deep) for cls, deep in tree)),
        INTRODUCTIONS["error as JSON"],
        _json({"error": example.as_dict()}),
    )


def _tree(cls: type[RunnerkitError], deep: int = 0) -> Iterator[tuple[type[RunnerkitError], int]]:
    """The errors of the public tree, each below the one it is a kind of, in the order of the modules."""
    yield cls, deep
    for below in (*_as_read(errors, RunnerkitError), *vars(baking_errors).values()):
        if inspect.isclass(below) and issubclass(below, RunnerkitError) and below.__bases__ == (cls,):
            yield from _tree(below, deep + 1)


def _row(cls: type[RunnerkitError], deep: int) -> tuple[str, ...]:
    indented = f"{'&ensp;' * 2 * deep}`{cls.__name__}`"
    means = prose(cls.__doc__).split("\n\n")[0].replace("\n", " ")
    return indented, f"`{cls.code}`", "yes" if cls.retryable else "no", str(cls.exit_code), means


def _codes(words: list[str]) -> str:
    return " ".join(f"`{word}`" for word in words)


def _json(value: Any) -> str:  # noqa: ANN401 - whatever JSON can say
    return f"```json\n{json.dumps(value, indent=2)}\n```"


# --- doctor ----------------------------------------------------------------------------------------------------------


def doctor_page() -> str:
    """The text of ``docs/doctor.md``."""
    return written("Doctor", INTRODUCTIONS["doctor"], *(part for group in Group for part in _group(group)))


def _group(group: Group) -> tuple[str, str]:
    rows = ((f"`{each.name}`", each.asks, _levels(each.levels), each.todo) for each in CHECKS if each.group is group)
    return f"## {TITLES[group]}: `{group}`", table(("check", "asks", "may come to", "what to do"), rows)


def _levels(levels: Sequence[Level]) -> str:
    return ", ".join(str(level) for level in reversed(Level) if level in levels) or "ok"


# --- events -----------------------------------------------------------------------------------------------------------


def events_page() -> str:
    """The text of ``docs/events.md``."""
    online = events.RunnerOnline("rk-17291-1", 41.3).as_dict()
    return written(
        "Events",
        INTRODUCTIONS["events"],
        _json({**online, "timestamp": "2026-01-01T12:00:41.300000Z"}),
        INTRODUCTIONS["event fields"],
        table(("event", "what happened", "fields"), (_event(cls) for cls in all_events())),
    )


def all_events() -> list[type[events.Event]]:
    """Every kind of event, in the order of the modules."""
    return _as_read(events, events.Event)


def _as_read(package: types.ModuleType, base: type[Kind]) -> list[type[Kind]]:
    """What a package hands out below a class: module by module, as readers meet them, and each as it stands there."""
    classes = [each for each in vars(package).values() if inspect.isclass(each) and each is not base]
    found = [cls for cls in classes if issubclass(cls, base)]
    return sorted(found, key=lambda cls: (READING.index(cls.__module__.rpartition(".")[2]), _line(cls)))


def _line(cls: type) -> int:
    return inspect.getsourcelines(cls)[1]


def _event(cls: type[events.Event]) -> tuple[str, str, str]:
    bare = object.__new__(cls)
    told = ", ".join(f"`{field.name}` ({_WORDS.get(str(field.type), str(field.type))})" for field in fields(cls))
    return f"`{bare.name}`", prose(cls.__doc__).replace("\n", " "), told


_WORDS = {
    "str": "text",
    "int": "number",
    "float": "number",
    "float | None": "number or null",
    "RunnerkitError": "[error](exit-codes.md#errors)",
    "Refusal": "[refusal](exit-codes.md#as-json)",
}

# --- configuration ----------------------------------------------------------------------------------------------------

SECTIONS: dict[str, type[BaseModel]] = {
    "aws": AwsSettings,
    "aws.images.NAME": ImageSource,
    "github": GitHubSettings,
    "ami": AmiSettings,
    "journal": JournalSettings,
    "serve": ServeSettings,
    "policy": Policy,
    'policy.repositories."OWNER/*"': Bounds,
}


def configuration_page() -> str:
    """The text of ``docs/configuration.md``.

    Raises:
        ValueError: A key or a variable is not explained, or something is explained that does not exist.
    """
    _same("variables", set(ENVIRONMENT), config.NOT_SETTINGS)
    return written(
        "Configuration",
        INTRODUCTIONS["configuration"],
        *(part for name, model in SECTIONS.items() for part in _section(name, model)),
        INTRODUCTIONS["wishes"],
        table(("key", "value"), ((f"`{name}`", key.allowed) for name, key in KEYS.items())),
        INTRODUCTIONS["variables"],
        table(("variable", "says"), ((f"`{name}`", says) for name, says in ENVIRONMENT.items())),
    )


def _section(name: str, model: type[BaseModel]) -> Iterator[str]:
    _same(name, set(MEANINGS[name]), set(model.model_fields))
    yield f"## `[{name}]`\n\n{prose(model.__doc__)}"
    yield table(
        ("key", "type", "default", "limits", "meaning"),
        (
            (f"`{key}`", _type(field.annotation), _default(field), _limits(field.metadata), MEANINGS[name][key])
            for key, field in model.model_fields.items()
        ),
    )


def _same(what: str, explained: set[str], there: set[str]) -> None:
    if explained != there:
        raise ValueError(f"{what}: unexplained {there - explained}, explained but gone {explained - there}")


def _type(annotation: Any) -> str:  # noqa: ANN401 - annotations are anything
    if get_origin(annotation) in {Union, types.UnionType}:
        return " or ".join(_type(part) for part in get_args(annotation) if part is not type(None))
    if get_origin(annotation) is Annotated:
        return _type(get_args(annotation)[0])
    if get_origin(annotation) is Literal:
        return " or ".join(f"`{value}`" for value in get_args(annotation))
    if get_origin(annotation) is tuple:
        return f"list of {_type(get_args(annotation)[0])}s"
    if get_origin(annotation) is dict:
        below = get_args(annotation)[1]
        return "tables, see below" if issubclass(below, BaseModel) else f"table of {_type(below)}s"
    return {str: "text", int: "whole number", float: "number", bool: "true or false", SecretStr: "secret text"}[
        annotation
    ]


def _default(field: Any) -> str:  # noqa: ANN401 - pydantic's FieldInfo
    value = field.get_default(call_default_factory=True)
    if value is None:
        return "not set"
    return f"`{json.dumps(value)}`" if value or isinstance(value, bool | int) else "empty"


def _limits(metadata: list[Any]) -> str:
    words = {"ge": "at least {}", "gt": "more than {}", "le": "at most {}", "pattern": "`{}`"}
    said = [(said, getattr(rule, name, None)) for rule in metadata for name, said in words.items()]
    return ", ".join(text.format(bound) for text, bound in said if bound is not None)


# --- permissions ------------------------------------------------------------------------------------------------------


def permissions_page() -> str:
    """The text of ``docs/iam.md``."""
    return written(
        "AWS permissions",
        INTRODUCTIONS["permissions"],
        table(("section", "needed for"), ((f"[`{use}`](#{use})", USES[use]) for use in Use)),
        *(_use(use) for use in Use),
        INTRODUCTIONS["asked for by AWS itself"],
        table(("action", "why"), ((f"`{action}`", why) for action, why in sorted(DEPENDENT.items()))),
    )


def _use(use: Use) -> str:
    beside = " and ".join(f"[`{each}`](#{each})" for each in BESIDE.get(use, ()))
    needs = f" It comes on top of {beside}." if beside else ""
    document = json.dumps(policy([use], EXAMPLE_PLACE), indent=2)
    rows = (
        (f"`{each.sid}`", " ".join(f"`{action}`" for action in each.actions), _limited(each), each.why)
        for each in statements([use], EXAMPLE_PLACE)
    )
    first = USES[use][0].upper() + USES[use][1:]
    told = table(("statement", "actions", "on", "why"), rows)
    return f"## {use}\n\n{first}.{needs}\n\n{told}\n\n```json\n{document}\n```"


def _limited(statement: Statement) -> str:
    resources = "<br>".join(f"`{each}`" for each in statement.resources)
    conditions = [
        f"{test} `{key}`: {', '.join(f'`{value}`' for value in values)}"
        for test, keys in statement.conditions.items()
        for key, values in keys.items()
    ]
    return "<br>".join((resources, *(f"if {each}" for each in conditions)))


# --- metrics ----------------------------------------------------------------------------------------------------------


def metrics_page() -> str:
    """The text of ``docs/metrics.md``."""
    return written(
        "Metrics",
        INTRODUCTIONS["metrics"],
        table(("metric", "kind", "labels", "means"), (_metric(measure) for measure in MEASURES.values())),
    )


def _metric(measure: Measure) -> tuple[str, str, str, str]:
    name = f"{measure.name}_total" if measure.kind == COUNTER else measure.name
    return f"`{name}`", measure.kind, " ".join(f"`{label}`" for label in measure.labels), measure.means


# --- commands ---------------------------------------------------------------------------------------------------------


def commands_page() -> str:
    """The text of ``docs/commands.md``: every command's own help page."""
    return written("Commands", INTRODUCTIONS["commands"], *(_command(path) for path in command_paths()))


def command_paths() -> Iterator[tuple[str, ...]]:
    """The words of every command, groups before what is in them."""
    yield from _below(typer.main.get_command(app), ())


def _below(command: object, above: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    for name, inner in getattr(command, "commands", {}).items():
        yield (*above, name)
        yield from _below(inner, (*above, name))


def _command(path: tuple[str, ...]) -> str:
    asked = CliRunner().invoke(app, [*path, "--help"], prog_name="runnerkit", env={"COLUMNS": "100"})
    return f"## runnerkit {' '.join(path)}\n\n```text\n{asked.stdout.strip()}\n```"


if __name__ == "__main__":
    pages = {
        DOCS / "commands.md": commands_page(),
        DOCS / "configuration.md": configuration_page(),
        DOCS / "doctor.md": doctor_page(),
        DOCS / "events.md": events_page(),
        DOCS / "exit-codes.md": exit_codes_page(),
        DOCS / "iam.md": permissions_page(),
        DOCS / "metrics.md": metrics_page(),
    }
    sys.exit(publish(pages, sys.argv[1:], str(__doc__).splitlines()[0]))
