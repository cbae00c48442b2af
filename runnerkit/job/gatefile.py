"""Where a gate is declared, and what it is held against: one file, read alike by the gate and by the report."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from runnerkit.errors import ConfigError
from runnerkit.job.gating import Gate, Judgement, Rule
from runnerkit.job.values import compared
from runnerkit.job.versions import Base, Versions, declared

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from runnerkit.job.pipeline import Project
    from runnerkit.job.place import Place
    from runnerkit.job.values import Change, Directions

FILE = "gate.toml"
AUTO, BASE, CHECKOUT = "auto", "base", "checkout"


def known_source(source: str) -> str:
    """The source, if it is one of the three.

    Raises:
        ConfigError: It is not.
    """
    if source not in {AUTO, BASE, CHECKOUT}:
        raise ConfigError(f"a gate cannot be read from {source!r}", hint=f"give {AUTO}, {BASE} or {CHECKOUT}")
    return source


def parsed_gate(text: str, name: str) -> Gate:
    """The gate that a file declares.

    Args:
        text: TOML with one table for each metric below ``metrics``.
        name: The file, for messages.

    Raises:
        ConfigError: It is no such file.
    """
    try:
        said = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{name} is no TOML: {error}") from error
    if unknown := set(said) - {"metrics"}:
        raise ConfigError(f"{name} has the unknown table {min(unknown)!r}", hint="rules stand below [metrics]")
    rules = said.get("metrics")
    if not isinstance(rules, dict) or not rules:
        raise ConfigError(f"{name} declares no metric", hint="write for example [metrics.accuracy] and min = 0.9")
    return Gate(tuple(Rule.of(metric, each, f"{name}: ") for metric, each in _named(rules)), name)


def _named(rules: Mapping[str, Any], at: str = "") -> Iterator[tuple[str, Any]]:
    """``[metrics.test.accuracy]`` is a table in a table, and means the metric ``test.accuracy``."""
    for name, said in rules.items():
        whole = f"{at}.{name}" if at else name
        inner = {key: each for key, each in said.items() if isinstance(each, dict)} if isinstance(said, dict) else {}
        yield from _named(inner, whole)
        if not inner or len(inner) < len(said):
            yield whole, {key: each for key, each in said.items() if key not in inner} if inner else said


@dataclass(frozen=True, slots=True)
class Rules:
    """Where the rules come from.

    Args:
        file: The gate file's path from the project's folder.
        source: ``checkout``; ``base``, where no change of the pull request reaches it; ``auto``: on a pull request the
            base's file if it has one, else the checkout's.
        more: Rules of the command line.
    """

    file: str = FILE
    source: str = AUTO
    more: tuple[Rule, ...] = ()

    def read(self, project: Project, base: Base, *, pull_request: bool) -> tuple[Gate, tuple[str, ...]]:
        """The gate, and what a reader should know of where it is from; without any rules an empty one.

        Raises:
            ConfigError: A file is broken, or the one that was asked for is not there.
        """
        if not base.rev and (self.source == BASE or (self.source == AUTO and pull_request)):
            # What a pull request brings along must not be what judges it, just because the base could not be fetched.
            raise ConfigError(
                f"the base could not be read, and {self.file} is read there",
                hint="name the base with --base, or take the checkout's file with `--from checkout`",
            )
        here, there = _text(project.here / self.file), base.read(self.file)
        from_base = self.source == BASE or (self.source == AUTO and pull_request and there is not None)
        text = there if from_base else here
        if text is None and (self.source == BASE or self.file != FILE):
            raise ConfigError(
                f"there is no {self.file} {'at the base' if from_base else f'in {project.here}'}",
                hint="name another with --file, or give rules with --min, --max, --max-regression",
            )
        gate = parsed_gate(text, f"{self.file} of the base" if from_base else self.file) if text else Gate()
        notes = (f"{self.file} differs from the base's; what counts is the base's",) if here != there else ()
        source = gate.source if not self.more else ", ".join(filter(None, (gate.source, "the command line")))
        return replace(gate.with_rules(self.more), source=source), notes if from_base else ()


def _text(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} cannot be read: {error}") from error


def judged(
    project: Project,
    place: Place,
    rules: Rules,
    *,
    base: str = "",
    files: Sequence[str] = (),
    directions: Directions | None = None,
) -> Judgement:
    """Read gate and metrics, now and at the base, and hold the one against the other.

    Args:
        project: The project.
        place: The job; says what GitHub compares with.
        rules: Where the rules are.
        base: What to compare with instead.
        files: The metrics files; by default those of ``dvc.yaml``.
        directions: Which way metrics get better, where a rule does not say.

    Raises:
        ConfigError: No rule is declared anywhere, or a file is broken.
    """
    before = Base.find(project, place, base)
    gate, notes = rules.read(project, before, pull_request=place.number is not None)
    if not gate.rules:
        raise ConfigError(
            f"no gate is declared: there is no {rules.file} in {project.here}",
            hint="write one, or give rules with --min, --max, --max-regression",
        )
    named = declared(project)
    versions = Versions.read(files or named.metrics, project.here, before)
    changes: list[Change] = compared(versions.old, versions.new)
    found = gate.judge(changes, base=before.rev and (base or place.base), directions=directions)
    return replace(found, notes=(*notes, *versions.problems, *(named.problems if not files else ())))
