"""What machines can be reached at from this computer: an address each, and one port that is the sandbox's own."""

from __future__ import annotations

import socket
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

# Of the loopback network, which is nobody's but this computer's. Its last address is no machine's.
FIRST, LAST = 1, 0xFFFE
NETWORK = (127 << 24) + (18 << 16)


class Addresses:
    """Keeps a port for as long as it is open, so that two sandboxes at once never offer the same. A context manager."""

    def __init__(self) -> None:
        self._kept = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self._given: dict[str, int] = {}
        self._last = 0
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        # Bound without SO_REUSEADDR: no other socket gets this port at this address, nor at all addresses at once.
        try:
            self._kept.bind((_address(LAST + 1), 0))
        except OSError:
            self._kept.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._kept.close()

    @property
    def port(self) -> int:
        """The port at which this sandbox offers its machines."""
        return int(self._kept.getsockname()[1])

    def address(self, name: str) -> str:
        """The address of a machine; the same until it is forgotten.

        Raises:
            LookupError: There is none left.
        """
        with self._lock:
            if name not in self._given:
                self._given[name] = self._last = self._free()
            return _address(self._given[name])

    def _free(self) -> int:
        taken = set(self._given.values())
        if len(taken) == LAST:
            raise LookupError(f"{LAST} machines have an address, and there are no more")
        number = self._last
        while (number := number % LAST + FIRST) in taken:
            pass
        return number

    def forget(self, name: str) -> None:
        """A machine is gone; its address may be another's, after all others."""
        with self._lock:
            self._given.pop(name, None)


def _address(number: int) -> str:
    return socket.inet_ntoa((NETWORK + number).to_bytes(4, "big"))
