"""The computer under a process machine: a scratch root laid over it, its users, and the console."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from .unitfile import BadUnit, Command, Unit

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from .processes import Login, Process, Processes

# What belongs to the machine lies below its root; programs are the computer's own.
OWN = ("/opt/", "/etc/", "/run/", "/var/", "/home/", "/root/")
SHIMS = "usr/local/sbin"


@dataclass
class Host:
    """Runs commands of units.

    ``users`` are the logins that units may name, ``root`` the one for all others; ``python`` stands for the system's.
    """

    root: Path
    environ: Mapping[str, str]
    users: Mapping[str, Login]
    superuser: Login
    python: str
    processes: Processes = field(repr=False)

    def say(self, text: str) -> None:
        """Write a line to the console."""
        try:
            print(f"init: {text}", flush=True)  # noqa: T201 - standard output is the console
        except OSError:
            # The sandbox that would read it is gone; the machine follows in a moment.
            sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115, PTH123 - it stays open

    def place(self, path: str) -> str:
        """Where a path of the machine is on this computer."""
        return f"{self.root}{path}" if path.startswith(OWN) else path

    def run(self, unit: Unit, command: Command, more: Mapping[str, str]) -> Process:
        """Start a command of a unit.

        Raises:
            OSError: It cannot be started.
            BadUnit: It is to run as a user whom this machine does not have.
        """
        login = self._login(unit, command)
        argv = [self._program(command.argv[0]), *map(self.place, command.argv[1:])]
        environ = {**self.environ, **self._account(login), **self._file(unit), **more}
        folder = self.root / str(unit.last("WorkingDirectory", "/")).lstrip("/")
        return self.processes.start(argv, environ, login, cwd=folder, umask=unit.last("UMask", 0o022))

    def _program(self, name: str) -> str:
        return self.python if name == "/usr/bin/python3" else self.place(name)

    def _login(self, unit: Unit, command: Command) -> Login:
        name = unit.last("User")
        if name is None or command.privileged:
            return self.superuser
        if name not in self.users:
            raise BadUnit(f"{unit.name}: User={name}: this machine has only {', '.join(self.users)}")
        return self.users[name]

    def _account(self, login: Login) -> dict[str, str]:
        return {"HOME": login.home, "USER": login.name, "LOGNAME": login.name}

    def _file(self, unit: Unit) -> dict[str, str]:
        """The unit's variables, read when they are needed: the file may be gone the next time."""
        found = dict(unit.every("Environment"))
        for name in unit.every("EnvironmentFile"):
            try:
                with open(self.place(name.removeprefix("-")), encoding="utf-8") as file:  # noqa: PTH123 - a text path
                    lines = [line.strip() for line in file]
            except FileNotFoundError:
                if not name.startswith("-"):
                    raise
                continue
            pairs = (line.partition("=") for line in lines if line and line[0] not in "#;")
            found |= {key: value for key, _, value in pairs}
        return found
