"""A machine's serial console, without what systemd-nspawn itself says on it."""

from __future__ import annotations

NOT_THE_MACHINE = b"Attempted to remove disk file system under"


class Console:
    """Passes text on as it comes, a prompt without a newline too; only what may become nspawn's own line waits."""

    def __init__(self) -> None:
        self._line = b""
        self._within_a_line = False

    def hear(self, data: bytes) -> bytes:
        """More text; what of it, and of what waited, is the machine's."""
        *lines, rest = (self._line + data).split(b"\n")
        said = bytearray()
        for line in lines:
            if self._within_a_line or not line.startswith(NOT_THE_MACHINE):
                said += line + b"\n"
            self._within_a_line = False
        self._line = rest
        if rest and (self._within_a_line or not _may_be_nspawn(rest)):
            self._within_a_line, self._line = True, b""
            said += rest
        return bytes(said)

    def close(self) -> bytes:
        """What still waited, as no more will come, and the end of the line."""
        line, self._line = self._line, b""
        if line.startswith(NOT_THE_MACHINE) or not (line or self._within_a_line):
            return b""
        self._within_a_line = False
        return line + b"\n"


def _may_be_nspawn(line: bytes) -> bool:
    return line.startswith(NOT_THE_MACHINE) or NOT_THE_MACHINE.startswith(line)
