"""What ``systemctl``, ``systemd-run`` and ``nft`` are on a process machine: they ask its supervisor over a socket."""

from __future__ import annotations

import json
import os
import socket
import sys
from pathlib import Path
from typing import Any

SOCKET = "run/init.sock"
RULES = "run/nft.rules"


def address(root: Path) -> str:
    """The socket's path, short whatever the root's is: the kernel takes a hundred bytes only."""
    folder = (root / SOCKET).parent
    # It stays open: the name is valid as long as that.
    return f"/proc/self/fd/{os.open(folder, os.O_PATH | os.O_DIRECTORY)}/{Path(SOCKET).name}"


def ask(root: Path, argv: list[str]) -> dict[str, Any]:
    """Have the supervisor carry out a command."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(address(root))
        connection.sendall(json.dumps(argv).encode() + b"\n")
        with connection.makefile("rb") as answer:
            return dict(json.loads(answer.readline()))


def main(root: Path, argv: list[str]) -> int:
    """Act as the command named first."""
    if argv[0] == "nft":
        # A wall around the metadata service would need rights of root over the whole computer: it is only noted.
        (root / RULES).write_text(sys.stdin.read(), encoding="utf-8")
        return 0
    try:
        answer = ask(root, argv)
    except (OSError, ValueError) as error:
        sys.stderr.write(f"{argv[0]}: the machine's supervisor does not answer: {error}\n")
        return 1
    (sys.stderr if answer["code"] else sys.stdout).write(answer["said"])
    return int(answer["code"])


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2:]))
