"""The supervisor of one process machine: boots it from its user data, and ends with everything it started.

Standard output is the serial console. The exit code says what became of the machine.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import sys
from base64 import b64decode
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

from . import cloudinit, kernel, lifeline, shim, unitfile
from .host import SHIMS, Host
from .manager import Manager
from .processes import Login, Processes
from .systemctl import Commands, UnknownCommand
from .unitfile import BadUnit

POWERED_OFF = 64
LONGEST_TEMPORARY = 70


async def run(spec: dict[str, Any]) -> str:
    """Boot, and boot again after a reboot, until the machine is off or lost."""
    root, first = Path(spec["root"]), bool(spec["first"])
    processes = Processes()
    while True:
        (root / "run").mkdir(exist_ok=True)
        outcome = await _boot(spec, root, processes, first=first)
        if not kernel.kill_all(partial(kernel.below, os.getpid())):
            print("init: some processes could not be killed", flush=True)  # noqa: T201 - the console
        if outcome == "lost":
            lifeline.tidy_up(Path(spec["folder"]), spec["parent"])
        if outcome != "reboot":
            return outcome
        # What real machines keep there is gone after a reboot.
        shutil.rmtree(root / "run")
        first = False


async def _boot(spec: dict[str, Any], root: Path, processes: Processes, *, first: bool) -> str:
    users = {name: Login(**login) for name, login in spec["users"].items()}
    host = Host(root, _environ(spec, root), users, Login(**spec["superuser"]), spec["python"], processes)
    manager = Manager(host)
    _watch_for_the_end(manager)
    commands = Commands(manager)
    server = await asyncio.start_unix_server(partial(_serve, commands, manager), shim.address(root))
    os.chmod(root / shim.SOCKET, 0o600)  # noqa: PTH101 - only who may end the machine may speak to it
    boot = asyncio.ensure_future(_come_up(spec, manager, commands, first=first))
    try:
        return await manager.over
    finally:
        boot.cancel()
        server.close()


def _environ(spec: dict[str, Any], root: Path) -> dict[str, str]:
    """What every process of the machine has in its environment."""
    return {
        **spec["environ"],
        "PATH": f"{root / SHIMS}:{spec['path']}",
        "RUNNERKIT_ROOT": str(root),
        "RUNNERKIT_USER": next(iter(spec["users"].values()))["name"],
        "RUNNERKIT_MACHINE": spec["marker"],
        **_temporary(root / "tmp"),
    }


def _temporary(folder: Path) -> dict[str, str]:
    """What jobs leave in a temporary folder goes with the machine; a long path would break sockets in it."""
    return {"TMPDIR": str(folder)} if len(str(folder)) <= LONGEST_TEMPORARY else {}


def _watch_for_the_end(manager: Manager) -> None:
    """When the sandbox ends nothing of the machine may stay; when we fail it must not stay up as if it worked."""

    def broken(_: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        manager.give_up(f"the supervisor failed: {context.get('exception') or context['message']}")

    lifeline.watch(lambda died: manager.power_off(force=True, outcome="lost" if died else "unplugged"))
    asyncio.get_running_loop().set_exception_handler(broken)


async def _come_up(spec: dict[str, Any], manager: Manager, commands: Commands, *, first: bool) -> None:
    try:
        await asyncio.sleep(spec["boot"] if first else 0)
        for name in unitfile.enabled(manager.host.root):
            manager.begin(name)
        document = cloudinit.read(b64decode(spec["user_data"]))
        manager.host.say("cloud-init: the user data is understood")
        await cloudinit.CloudInit(manager.host, commands).apply(document, first=first)
    except cloudinit.NotForUs as error:
        # As on a stock image: nothing in it could end the machine.
        manager.host.say(f"cloud-init: {error}")
    except (BadUnit, UnknownCommand, OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        manager.give_up(f"cloud-init: {error}")


async def _serve(
    commands: Commands, manager: Manager, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    """Answer one shim."""
    try:
        argv = json.loads(await reader.readline())
        code, said = await commands.answer(argv)
    except (UnknownCommand, BadUnit) as error:
        code, said = 1, f"{error}\n"
        manager.give_up(str(error))
    with suppress(OSError):
        writer.write(json.dumps({"code": code, "said": said}).encode() + b"\n")
        await writer.drain()
    writer.close()


def main() -> int:
    """Run the machine that standard input describes."""
    spec = lifeline.described()
    if spec is None:
        return lifeline.LOST
    # That of a machine, whatever the sandbox was started with.
    os.umask(0o022)
    outcome = asyncio.run(run(spec))
    return POWERED_OFF if outcome == "off" else lifeline.LOST


if __name__ == "__main__":
    sys.exit(main())
