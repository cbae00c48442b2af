"""Unit files: the directives that our units use, and nothing else. One that is not in the table is an error."""

from __future__ import annotations

import re
import shlex
import signal
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

SYSTEM = "etc/systemd/system"
FOREVER = float("inf")
SECONDS = {"": 1.0, "us": 1e-6, "ms": 1e-3, "s": 1.0, "sec": 1.0, "min": 60.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


class BadUnit(Exception):
    """A unit says something that this systemd does not know; real machines would warn and go on, or fail later."""


class UnitMissing(Exception):
    """There is no such unit."""


@dataclass(frozen=True)
class Command:
    """One ``Exec...=`` line: ``+`` keeps the manager's own user, ``-`` forgives failure."""

    argv: tuple[str, ...]
    privileged: bool = False
    forgiven: bool = False


@dataclass(frozen=True)
class Statuses:
    """Exit codes and signals, as in ``SuccessExitStatus=``."""

    codes: frozenset[int] = frozenset()
    signals: frozenset[int] = frozenset()


@dataclass
class Unit:
    """What a unit's file and drop-ins say, understood."""

    name: str
    settings: dict[str, list[Any]] = field(default_factory=dict)

    def last(self, key: str, default: Any = None) -> Any:  # noqa: ANN401 - each directive has a type of its own
        """The value of a directive that is set once; the last one counts."""
        return (self.settings.get(key) or [default])[-1]

    def every(self, key: str) -> list[Any]:
        """The values of a directive that may be given several times, flat."""
        values = (value if isinstance(value, list) else [value] for value in self.settings.get(key, []))
        return [each for value in values for each in value]

    def read(self, text: str, source: str) -> None:
        """Take over what a file says.

        Raises:
            BadUnit: A line, section, directive or value is not known here.
        """
        section = ""
        for number, line in enumerate(map(str.strip, text.splitlines()), 1):
            if not line or line[0] in "#;":
                continue
            if line[0] == "[" and line[-1] == "]":
                section = line[1:-1]
                continue
            key, equals, value = line.partition("=")
            if not equals or line[-1] == "\\":
                raise BadUnit(f"{source}:{number}: {line!r} is no directive that this machine understands")
            self.set(section, key.strip(), value.strip(), f"{source}:{number}")

    def set(self, section: str, key: str, value: str, source: str) -> None:
        """Take over one directive; an empty value forgets the ones before."""
        understand = TABLE.get(section, {}).get(key)
        if understand is None:
            raise BadUnit(f"{source}: this machine knows no directive {key}= in [{section}]")
        if not value:
            self.settings[key] = []
            return
        try:
            self.settings.setdefault(key, []).append(understand(value))
        except ValueError as error:
            raise BadUnit(f"{source}: {key}={value}: {error}") from error

    def check(self) -> None:
        """Refuse a service without its command.

        Raises:
            BadUnit: It has none, or more than one where only a oneshot may.
        """
        commands = len(self.settings.get("ExecStart", []))
        if self.name.endswith(".service") and (commands != 1 if self.last("Type") != "oneshot" else not commands):
            raise BadUnit(f"{self.name} has {commands} ExecStart= lines")


def load(root: Path, name: str) -> Unit:
    """Read a unit below a root, its drop-ins after it.

    Raises:
        UnitMissing: There is no file of that name.
        BadUnit: It says something unknown.
    """
    file = root / SYSTEM / name
    if "/" in name or not file.is_file():
        raise UnitMissing(f"Unit {name} not found.")
    unit = Unit(name)
    for part in [file, *sorted((root / SYSTEM / f"{name}.d").glob("*.conf"))]:
        unit.read(part.read_text(encoding="utf-8"), part.name)
    unit.check()
    return unit


def enabled(root: Path) -> list[str]:
    """The units that start with the machine."""
    return sorted({link.name for link in (root / SYSTEM).glob("*.target.wants/*")})


# --- the values -------------------------------------------------------------------------------------------------------


def seconds(text: str) -> float:
    """A span of time: ``15min``, ``1h 30s``, ``5``, ``infinity``."""
    if text == "infinity":
        return FOREVER
    parts = re.findall(r"([0-9.]+) *([a-z]*)", text)
    if not parts or "".join(a + b for a, b in parts) != text.replace(" ", "") or {b for _, b in parts} - set(SECONDS):
        raise ValueError("no span of time")
    return sum(float(number) * SECONDS[unit] for number, unit in parts)


def boolean(text: str) -> bool:
    """Yes or no."""
    if text.lower() not in {"yes", "true", "on", "1", "no", "false", "off", "0"}:
        raise ValueError("neither yes nor no")
    return text.lower() in {"yes", "true", "on", "1"}


def number_of(name: str) -> int:
    """A signal's number by its name.

    Raises:
        ValueError: There is no such signal.
    """
    try:
        return int(signal.Signals[name])
    except KeyError:
        raise ValueError(f"{name} is no signal") from None


def statuses(text: str) -> Statuses:
    """Exit codes and signals."""
    words = text.split()
    codes = frozenset(int(word) for word in words if word.isdecimal())
    return Statuses(codes, frozenset(number_of(word) for word in words if not word.isdecimal()))


def command(text: str) -> Command:
    """A command line with its prefixes; specifiers and variables would need an expansion that nobody uses here."""
    bare = text.lstrip("+-")
    if not bare or bare[0] in "@:!|" or re.search(r"[%$]", bare):
        raise ValueError("prefixes other than + and -, specifiers and variables are not known here")
    prefixes = text[: len(text) - len(bare)]
    return Command(tuple(shlex.split(bare)), "+" in prefixes, "-" in prefixes)


def one_of(*allowed: str) -> Callable[[str], str]:
    """A word of a few."""

    def check(text: str) -> str:
        if text not in allowed:
            raise ValueError(f"known here: {', '.join(allowed)}")
        return text

    return check


def assignments(text: str) -> list[tuple[str, str]]:
    """``NAME=value`` pairs, quoted where they hold blanks."""
    pairs = [word.partition("=") for word in shlex.split(text)]
    if not all(equals for _, equals, _ in pairs):
        raise ValueError("not NAME=value")
    return [(name, value) for name, _, value in pairs]


def octal(text: str) -> int:
    """A mode."""
    return int(text, 8)


def _keys(understand: Callable[[str], Any], keys: Iterable[str]) -> dict[str, Callable[[str], Any]]:
    return dict.fromkeys(keys, understand)


TABLE: dict[str, dict[str, Callable[[str], Any]]] = {
    "Unit": {
        **_keys(str, ("Description",)),
        **_keys(boolean, ("DefaultDependencies",)),
        **_keys(str.split, ("Requires", "Wants", "After", "OnSuccess", "OnFailure")),
        **_keys(seconds, ("StartLimitIntervalSec",)),
        **_keys(int, ("StartLimitBurst",)),
    },
    "Service": {
        "Type": one_of("simple", "exec", "oneshot"),
        **_keys(command, ("ExecStartPre", "ExecStart", "ExecStartPost", "ExecStopPost")),
        **_keys(str, ("User", "WorkingDirectory", "EnvironmentFile")),
        "Environment": assignments,
        "UMask": octal,
        "RemainAfterExit": boolean,
        "Restart": one_of("no", "always"),
        **_keys(statuses, ("RestartForceExitStatus", "SuccessExitStatus")),
        **_keys(seconds, ("RestartSec", "TimeoutStartSec", "TimeoutStopSec", "RuntimeMaxSec")),
        "KillMode": one_of("process", "control-group"),
        "KillSignal": number_of,
        "StandardOutput": one_of("journal", "journal+console"),
        # Understood, but what they limit is the whole computer here and not this machine: not enforced.
        **_keys(str, ("MemoryMax", "CPUWeight", "WatchdogSec")),
        **_keys(str, ("TasksMax", "OOMPolicy", "OOMScoreAdjust", "LimitNOFILE", "LimitMEMLOCK")),
    },
    "Timer": _keys(seconds, ("OnBootSec", "OnActiveSec", "AccuracySec")) | {"DefaultDependencies": boolean},
    "Install": _keys(str.split, ("WantedBy",)),
}
