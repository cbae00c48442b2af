"""The gate: what metrics must be so that a change may go on. Pure: values come in, nothing is read here."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, fields, replace
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from runnerkit.errors import ConfigError, GateFailed
from runnerkit.job.values import Directions, number, one_line, plain, shown

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from runnerkit.job.values import Change

ROUNDING = 1e-9  # what a difference of two floats may be off, as a share of the larger
UP, DOWN = "up", "down"


@dataclass(frozen=True, slots=True)
class Regression:
    """How much worse than the base is allowed: an amount, or a share of the base's value in percent."""

    amount: float
    percent: bool = False

    @classmethod
    def of(cls, said: object) -> Regression:
        """Read ``0.01`` or ``"2%"``.

        Raises:
            ValueError: It is neither, or negative.
        """
        text = said.strip() if isinstance(said, str) else ""
        amount = float(text.removesuffix("%")) if text else number(said)
        if amount is None or not math.isfinite(amount) or amount < 0:
            raise ValueError("it must be a number that is not negative, or such a percentage as in '2%'")
        return cls(amount, text.endswith("%"))

    def of_base(self, base: float) -> float:
        """The amount, for a value of the base."""
        return abs(base) * self.amount / 100 if self.percent else self.amount

    def __str__(self) -> str:
        return f"{self.amount:g}%" if self.percent else f"{self.amount:g}"


@dataclass(frozen=True, slots=True)
class Rule:
    """What one metric must be.

    Args:
        metric: Its name, as in the report; ``FILE:NAME`` means that of one file, ``*`` any letters.
        min: The least that it may be.
        max: The most.
        max_regression: How much worse than the base it may be.
        direction: ``up`` (more is better) or ``down``; empty: what its name says.
        new: Whether it may be missing at the base although ``max_regression`` is set.
    """

    metric: str
    min: float | None = None
    max: float | None = None
    max_regression: Regression | None = None
    direction: str = ""
    new: bool = True

    @classmethod
    def of(cls, metric: str, said: object, where: str = "") -> Rule:
        """Read a table of a gate file.

        Raises:
            ConfigError: A key or a value is none that a rule has.
        """
        if not isinstance(said, dict):
            raise ConfigError(f"{where}the rule of {metric!r} is not a table", hint="write for example { min = 0.9 }")
        known = {each.name for each in fields(cls)} - {"metric"}
        if unknown := set(said) - known:
            raise ConfigError(
                f"{where}the rule of {metric!r} has the unknown key {min(unknown)!r}",
                hint=f"what a rule may say: {', '.join(sorted(known))}",
            )
        try:
            return _checked(cls(metric, **{key: _READ[key](value) for key, value in said.items()}))
        except ValueError as error:
            raise ConfigError(f"{where}the rule of {metric!r} cannot be used: {error}") from error

    def takes(self, change: Change) -> bool:
        """Whether it speaks of a metric."""
        return any(fnmatchcase(name, self.metric) for name in (change.name, f"{change.file}:{change.name}"))

    def __str__(self) -> str:
        worse = f"at most {self.max_regression} worse" if self.max_regression is not None else ""
        low = f"≥ {shown(self.min)}" if self.min is not None else ""
        high = f"≤ {shown(self.max)}" if self.max is not None else ""
        return ", ".join(filter(None, (low, high, worse))) or "a number"


def _checked(rule: Rule) -> Rule:
    if rule.min is not None and rule.max is not None and rule.min > rule.max:
        raise ValueError(f"nothing is at least {rule.min:g} and at most {rule.max:g}")
    if rule.direction and rule.max_regression is None:
        raise ValueError("a direction says something only together with max_regression")
    return rule


def _finite(said: object) -> float:
    value = number(float(said) if isinstance(said, str) else said)
    if value is None or not math.isfinite(value):
        raise ValueError(f"{said!r} is not a number")
    return value


def _way(said: object) -> str:
    if said not in {UP, DOWN}:
        raise ValueError(f"the direction {said!r} is neither 'up' nor 'down'")
    return str(said)


def _flag(said: object) -> bool:
    if not isinstance(said, bool):
        raise ValueError(f"new = {said!r} is neither true nor false")  # noqa: TRY004 - all that is wrong with a value
    return said


_READ: Mapping[str, Any] = {
    "min": _finite, "max": _finite, "max_regression": Regression.of, "direction": _way, "new": _flag,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Verdict:
    """What came of a rule for one metric; ``why`` tells what is wrong, or what could not be asked."""

    metric: str
    rule: Rule
    holds: bool
    why: str = ""
    old: Any = None
    new: Any = None
    file: str = ""

    def as_dict(self) -> dict[str, Any]:
        """The verdict for programs."""
        row = {"metric": self.metric, "file": self.file, "rule": str(self.rule), "holds": self.holds, "why": self.why}
        return {**row, "old": plain(self.old), "new": plain(self.new)}


@dataclass(frozen=True, slots=True)
class Gate:
    """All rules.

    Args:
        rules: One for each metric.
        source: Where they are from, in words; empty when there are none.
    """

    rules: tuple[Rule, ...] = ()
    source: str = ""

    def with_rules(self, more: Iterable[Rule]) -> Gate:
        """These rules and others: what both say of a metric is taken from the others."""
        found = {rule.metric: rule for rule in self.rules}
        for rule in more:
            said = {each.name: getattr(rule, each.name) for each in fields(rule) if each.name != "metric"}
            news = {name: value for name, value in said.items() if value not in {None, ""} and value is not True}
            try:
                found[rule.metric] = _checked(replace(found.get(rule.metric, Rule(rule.metric)), **news))
            except ValueError as error:
                raise ConfigError(f"the rule of {rule.metric!r} cannot be used: {error}") from error
        return Gate(tuple(found.values()), self.source)

    def judge(self, metrics: Sequence[Change], *, base: str, directions: Directions | None = None) -> Judgement:
        """Hold every metric against its rule.

        Args:
            metrics: Each one now and at the base.
            base: What they are compared with; empty when nothing could be read there, and then no
                ``max_regression`` holds.
            directions: Which way metrics get better, where a rule does not say.
        """
        ways = directions or Directions()
        found = []
        for rule in self.rules:
            changes = [each for each in metrics if rule.takes(each)]
            found += [_judged(rule, each, base, ways) for each in changes]
            if not changes:
                found.append(Verdict(rule.metric, rule, holds=False, why="no metric of that name exists"))
        return Judgement(tuple(found), self.source, base)


@dataclass(frozen=True, slots=True)
class Judgement:
    """What came of a gate."""

    verdicts: tuple[Verdict, ...] = ()
    source: str = ""
    base: str = ""
    notes: tuple[str, ...] = field(default=())

    @property
    def failed(self) -> tuple[Verdict, ...]:
        """The verdicts that do not hold."""
        return tuple(each for each in self.verdicts if not each.holds)

    @property
    def holds(self) -> bool:
        """Whether all of them do."""
        return not self.failed

    def of(self, change: Change) -> Verdict | None:
        """The verdict on a metric: one that does not hold, if there are several."""
        found = [each for each in self.verdicts if (each.file, each.metric) == (change.file, change.name)]
        return min(found, key=lambda each: each.holds) if found else None

    def sentence(self) -> str:
        """The gate in one line."""
        if self.holds:
            return f"the gate holds: {_count(self.verdicts)} checked"
        told = "; ".join(f"{one_line(each.metric)}: {each.why}" for each in self.failed)
        return f"the gate does not hold, {len(self.failed)} of {_count(self.verdicts)}: {told}"

    def enforce(self) -> None:
        """Refuse when it does not hold.

        Raises:
            GateFailed: At least one rule does not hold; the message tells of every one.
        """
        if not self.holds:
            hint = f"the rules are from {self.source}" if self.source else ""
            raise GateFailed(self.sentence(), hint=hint)

    def as_dict(self) -> dict[str, Any]:
        """The judgement for programs."""
        told = {"holds": self.holds, "source": self.source, "base": self.base, "notes": list(self.notes)}
        return {**told, "verdicts": [each.as_dict() for each in self.verdicts]}


def _count(verdicts: Sequence[Verdict]) -> str:
    return f"{len(verdicts)} metric{'' if len(verdicts) == 1 else 's'}"


def _judged(rule: Rule, change: Change, base: str, ways: Directions) -> Verdict:
    value = number(change.new)
    faults, note = _faults(rule, value), ""
    if value is None:
        faults = ["it is missing" if change.new is None else f"{shown(change.new)[:40]!r} is not a number"]
    elif math.isfinite(value) and rule.max_regression is not None:
        worse, note = _regressed(rule, change, base, ways)
        faults += [worse] if worse else []
    why = " and ".join(faults) or note
    return Verdict(change.name, rule, not faults, why, change.old, change.new, change.file)


def _faults(rule: Rule, value: float | None) -> list[str]:
    if value is None or not math.isfinite(value):
        return ["it is not a finite number"]
    low = rule.min is not None and value < rule.min
    high = rule.max is not None and value > rule.max
    told = [f"{shown(value)} is less than {shown(rule.min)}"] if low else []
    return told + ([f"{shown(value)} is more than {shown(rule.max)}"] if high else [])


def _regressed(rule: Rule, change: Change, base: str, ways: Directions) -> tuple[str, str]:
    """What is wrong by the base, and what could not be asked."""
    old, new, allowed = number(change.old), number(change.new), rule.max_regression
    if not base:
        return "nothing could be read at the base, so how much worse it is cannot be told", ""
    if old is None or not math.isfinite(old):
        told = "the base has no such number" if old is None else "at the base it is not a finite number"
        return (told, "") if not rule.new else ("", f"{told}, so only the bounds count")
    way = {UP: 1, DOWN: -1}.get(rule.direction) or ways.of(change.name)
    if not way:
        return f"whether more or less of {change.name} is better cannot be told by its name: give a direction", ""
    worse = (old - (new or 0.0)) * way
    bound = allowed.of_base(old) if allowed else 0.0
    if worse <= bound + ROUNDING * max(abs(old), abs(new or 0.0)):
        return "", ""
    return f"{shown(new)} is worse than {shown(old)} at the base by {shown(worse)}, allowed is {allowed}", ""
