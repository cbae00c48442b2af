"""The commands ``systemctl`` and ``systemd-run``, as far as the agent, the units and the user data use them."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from .unitfile import BadUnit, Unit, UnitMissing

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .manager import Manager

NOT_FOUND = 5
INACTIVE = 3
SINCE = "ActiveEnterTimestampMonotonic"
PROPERTIES = {"ActiveState", "Result", "Job", "NeedDaemonReload", SINCE}


class UnknownCommand(Exception):
    """Something that this machine cannot do."""


class Commands:
    """Answers commands: exit code and output."""

    def __init__(self, manager: Manager) -> None:
        self._manager = manager

    async def answer(self, argv: Sequence[str]) -> tuple[int, str]:
        """Do what a command says.

        Raises:
            UnknownCommand: It is none of those known here.
            BadUnit: It makes or needs a unit that cannot be understood.
        """
        name, options, words = _split(argv)
        try:
            if name == "systemd-run":
                return await self._run(options, words)
            if name == "systemctl" and words:
                return await self._systemctl(words[0], words[1:], options)
        except UnitMissing as error:
            return NOT_FOUND, f"{error}\n"
        raise UnknownCommand(f"this machine knows no command {' '.join(argv)!r}")

    async def _systemctl(self, verb: str, names: Sequence[str], options: Sequence[str]) -> tuple[int, str]:
        known = {"start": self._start, "stop": self._stop, "restart": self._restart}
        if verb in known and names and set(options) <= {"--no-block", "--quiet"}:
            units = [unit for name in names for unit in self._units(name)]
            return await known[verb](units, wait="--no-block" not in options)
        if verb in {"poweroff", "reboot"} and not names and set(options) <= {"--force", "--no-block"}:
            outcome = "off" if verb == "poweroff" else "reboot"
            self._manager.power_off(force="--force" in options, outcome=outcome)
            return 0, ""
        if verb == "daemon-reload" and not names and not options:
            self._manager.reload()
            return 0, ""
        if verb == "show" and len(names) == 1:
            return 0, self._show(_full(names[0]), options)
        if verb == "is-active" and len(names) == 1 and set(options) <= {"--quiet"}:
            state = self._manager.find(_full(names[0])).state
            return 0 if state == "active" else INACTIVE, f"{state}\n" if not options else ""
        raise UnknownCommand(f"this machine knows no command {' '.join(['systemctl', *options, verb, *names])!r}")

    def _units(self, name: str) -> list[str]:
        """The units meant: a pattern stands for those that are loaded."""
        if any(mark in name for mark in "*?["):
            return self._manager.matching(name)
        return [_full(name)]

    async def _start(self, names: Sequence[str], *, wait: bool) -> tuple[int, str]:
        if not wait:
            for name in names:
                self._manager.find(name)
                self._manager.begin(name)
            return 0, ""
        failed = [name for name, well in zip(names, await self._all(names), strict=True) if not well]
        return (1, f"Job for {' '.join(failed)} failed.\n") if failed else (0, "")

    async def _all(self, names: Sequence[str]) -> list[bool]:
        return await asyncio.gather(*map(self._manager.start, names))

    async def _stop(self, names: Sequence[str], *, wait: bool) -> tuple[int, str]:
        stopping = asyncio.gather(*map(self._manager.stop, names))
        if wait:
            await stopping
        return 0, ""

    async def _restart(self, names: Sequence[str], *, wait: bool) -> tuple[int, str]:
        from .manager import BUILT_IN

        names = [name for name in names if name not in BUILT_IN]
        await self._stop(names, wait=True)
        return await self._start(names, wait=wait)

    def _show(self, name: str, options: Sequence[str]) -> str:
        """Properties, as ``NAME=value`` lines; a unit without a job shows none."""
        found = self._manager.find(name)
        properties = {"ActiveState": found.state, "Result": getattr(found, "result", "success")}
        properties |= {"NeedDaemonReload": "no", SINCE: str(int(found.active_since * 1e6))}
        if self._manager.job(name):
            properties["Job"] = str(self._manager.job(name))
        asked = [option.removeprefix("--property=") for option in options]
        if set(asked) - PROPERTIES:
            raise UnknownCommand(f"systemctl show cannot tell {', '.join(asked)} here, only {', '.join(PROPERTIES)}")
        return "".join(f"{key}={properties[key]}\n" for key in asked if key in properties)

    async def _run(self, options: Sequence[str], words: Sequence[str]) -> tuple[int, str]:
        """``systemd-run``: a timer and its service, made of options."""
        name, timer, service = "", [], [("Service", "ExecStart", _quoted(words)), ("Service", "Type", "oneshot")]
        for option in options:
            key, _, value = option.partition("=")
            if key == "--unit":
                name = value
            elif key == "--on-active":
                timer.append(("Timer", "OnActiveSec", value))
            elif key in {"--timer-property", "--property"}:
                (timer if key == "--timer-property" else service).append(("", *value.partition("=")[::2]))
            elif option not in {"--quiet", "--no-block"} and key != "--description":
                raise UnknownCommand(f"systemd-run knows no {option} here")
        if not name or not timer or not words:
            raise UnknownCommand("systemd-run needs --unit, --on-active and a command here")
        self._manager.add(_unit(f"{name}.service", "Service", service))
        self._manager.add(_unit(f"{name}.timer", "Timer", timer))
        await self._manager.start(f"{name}.timer")
        return 0, ""


def _split(argv: Sequence[str]) -> tuple[str, list[str], list[str]]:
    """Name, options and words; behind the first word of ``systemd-run`` everything is the command's."""
    rest = list(argv[1:])
    if argv and argv[0] == "systemd-run":
        first = next((at for at, word in enumerate(rest) if not word.startswith("-")), len(rest))
        return argv[0], rest[:first], rest[first:]
    options = [word for word in rest if word.startswith("-")]
    return argv[0] if argv else "", options, [word for word in rest if not word.startswith("-")]


def _full(name: str) -> str:
    return name if "." in name else f"{name}.service"


def _quoted(words: Sequence[str]) -> str:
    if any(set(word) & set("%$'\"\\") for word in words):
        raise BadUnit(f"systemd-run: {' '.join(words)!r} would need quoting")
    return " ".join(f"'{word}'" for word in words)


def _unit(name: str, own: str, settings: Sequence[tuple[str, str, str]]) -> Unit:
    unit = Unit(name)
    for section, key, value in settings:
        unit.set(section or ("Unit" if key == "DefaultDependencies" else own), key, value, f"systemd-run of {name}")
    return unit
