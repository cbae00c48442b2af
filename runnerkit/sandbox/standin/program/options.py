"""A container's ``options``: the flags of ``docker create`` that are understood, as Docker's API wants them. Pure."""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING, Any

from .workflow import Refused

if TYPE_CHECKING:
    from collections.abc import Callable

UNITS = {"": 1, "b": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30}
NEVER = {
    "--network": "GitHub's runner does not support it, as the container belongs to the job's own network",
    "--net": "GitHub's runner does not support it, as the container belongs to the job's own network",
    "--entrypoint": "GitHub's runner does not support it, as it keeps the container up with an entry point of its own",
}
SHORT = {
    "-u": "--user",
    "-e": "--env",
    "-v": "--volume",
    "-m": "--memory",
    "-h": "--hostname",
    "-l": "--label",
    "-w": "--workdir",
    "-t": "--tty",
    "-i": "--interactive",
}
FLAGS = {
    "--privileged": ("HostConfig", "Privileged"),
    "--init": ("HostConfig", "Init"),
    "--read-only": ("HostConfig", "ReadonlyRootfs"),
    "--rm": ("HostConfig", "AutoRemove"),
    "--tty": ("", "Tty"),
    "--interactive": ("", "OpenStdin"),
}


def _size(text: str) -> int:
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([bkmg]?)b?", text.lower())
    if found is None:
        raise ValueError(text)
    return int(float(found[1]) * UNITS[found[2]])


def _ulimit(text: str) -> dict[str, Any]:
    name, _, values = text.partition("=")
    soft, _, hard = values.partition(":")
    return {"Name": name, "Soft": int(soft), "Hard": int(hard or soft)}


def _device(text: str) -> dict[str, str]:
    # A name such as nvidia.com/gpu=all is one of the container device interface, and is given as it is.
    outside, _, rest = text.partition(":")
    inside, _, rights = rest.partition(":")
    return {"PathOnHost": outside, "PathInContainer": inside or outside, "CgroupPermissions": rights or "rwm"}


# The place in the request, whether it is a list, and how the value is read.
VALUES: dict[str, tuple[str, str, bool, Callable[[str], Any]]] = {
    "--user": ("", "User", False, str),
    "--hostname": ("", "Hostname", False, str),
    "--workdir": ("", "WorkingDir", False, str),
    "--env": ("", "Env", True, str),
    "--volume": ("HostConfig", "Binds", True, str),
    "--shm-size": ("HostConfig", "ShmSize", False, _size),
    "--memory": ("HostConfig", "Memory", False, _size),
    "--memory-swap": ("HostConfig", "MemorySwap", False, _size),
    "--cpus": ("HostConfig", "NanoCpus", False, lambda text: int(float(text) * 1e9)),
    "--cpuset-cpus": ("HostConfig", "CpusetCpus", False, str),
    "--cpu-shares": ("HostConfig", "CpuShares", False, int),
    "--pids-limit": ("HostConfig", "PidsLimit", False, int),
    "--ipc": ("HostConfig", "IpcMode", False, str),
    "--pid": ("HostConfig", "PidMode", False, str),
    "--userns": ("HostConfig", "UsernsMode", False, str),
    "--runtime": ("HostConfig", "Runtime", False, str),
    "--cap-add": ("HostConfig", "CapAdd", True, str),
    "--cap-drop": ("HostConfig", "CapDrop", True, str),
    "--security-opt": ("HostConfig", "SecurityOpt", True, str),
    "--group-add": ("HostConfig", "GroupAdd", True, str),
    "--add-host": ("HostConfig", "ExtraHosts", True, str),
    "--dns": ("HostConfig", "Dns", True, str),
    "--ulimit": ("HostConfig", "Ulimits", True, _ulimit),
    "--device": ("HostConfig", "Devices", True, _device),
}
MAPPED = {"--label": ("", "Labels", "="), "--tmpfs": ("HostConfig", "Tmpfs", ":")}


def read(text: str, *, podman: bool = False) -> dict[str, Any]:
    """Read options into a request to create a container.

    Args:
        text: As the workflow has it, such as ``--gpus all --user 1001``.
        podman: Whether podman is asked, which knows GPUs by another name than Docker.

    Raises:
        Refused: an option that is not understood, not supported, or has no proper value.
    """
    request: dict[str, Any] = {"HostConfig": {}}
    try:
        words = iter(shlex.split(text))
    except ValueError as error:
        raise Refused(f"The container's options cannot be read: {error}: {text}") from error
    for word in words:
        name, equals, value = word.partition("=")
        name = SHORT.get(name, name)
        if name in FLAGS:
            _put(request, *FLAGS[name], value=value != "false")
            continue
        _known(name)
        given = value if equals else next(words, None)
        if not given:
            raise Refused(f"The container's option {name} has no value.")
        _take(request, name, given, podman=podman)
    return request


def asks_for_gpus(text: str) -> bool:
    """Tell whether options ask for GPUs, by Docker's flag or as devices."""
    return re.search(r"(^|\s)--gpus\b|--device[= ]\S*nvidia|--runtime[= ]nvidia", text) is not None


def _known(name: str) -> None:
    if name in NEVER:
        raise Refused(f"The container's option {name} cannot be used: {NEVER[name]}.")
    if name != "--gpus" and name not in VALUES and name not in MAPPED:
        known = ", ".join(sorted([*FLAGS, *VALUES, *MAPPED, "--gpus"]))
        raise Refused(f"The container's option {name} is not understood by the stand-in runner; it knows {known}.")


def _take(request: dict[str, Any], name: str, given: str, *, podman: bool) -> None:
    try:
        if name == "--gpus":
            _gpus(request["HostConfig"], given, podman=podman)
        elif name in MAPPED:
            where, key, separator = MAPPED[name]
            left, _, right = given.partition(separator)
            _place(request, where).setdefault(key, {})[left] = right
        else:
            where, key, several, reader = VALUES[name]
            if several:
                _place(request, where).setdefault(key, []).append(reader(given))
            else:
                _put(request, where, key, value=reader(given))
    except ValueError as error:
        raise Refused(f"The container's option {name} has a value that cannot be read: {given}") from error


def _gpus(host: dict[str, Any], given: str, *, podman: bool) -> None:
    """Docker's flag: ``all``, a number, or ``device=0,1``. podman has no such request, but knows GPUs as devices."""
    bare = given.strip('"')
    named = bare.removeprefix("device=").split(",") if bare.startswith("device=") else []
    count = -1 if named or bare == "all" else int(bare)
    if podman:
        names = named or (["all"] if count < 0 else [str(number) for number in range(count)])
        host.setdefault("Devices", []).extend(_device(f"nvidia.com/gpu={each}") for each in names)
        return
    which: dict[str, Any] = {"DeviceIDs": named} if named else {"Count": count}
    host.setdefault("DeviceRequests", []).append({**which, "Capabilities": [["gpu"]]})


def _place(request: dict[str, Any], where: str) -> dict[str, Any]:
    found: dict[str, Any] = request[where] if where else request
    return found


def _put(request: dict[str, Any], where: str, key: str, *, value: object) -> None:
    _place(request, where)[key] = value
