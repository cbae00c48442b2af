"""A machine's network seen from the sandbox: sockets that live in it, and relays between it and this computer's own."""

from __future__ import annotations

import ctypes
import os
import socket
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, TypeVar

from runnerkit.sandbox.machines.nspawn.relay import Relay, listening

if TYPE_CHECKING:
    from collections.abc import Callable

CLONE_NEWNET = 0x40000000
LOOPBACK = "127.0.0.1"
CONNECT_WITHIN = 10.0
T = TypeVar("T")

libc = ctypes.CDLL(None, use_errno=True)


class Network:
    """The network namespace of a process; sockets made here stay in it, whoever uses them.

    Raises:
        OSError: The process is gone.
    """

    def __init__(self, pid: int) -> None:
        self._namespace = os.open(f"/proc/{pid}/ns/net", os.O_RDONLY)
        self._closing: list[socket.socket] = []
        self._relays: list[Relay] = []

    def listen(self, address: str, port: int) -> socket.socket:
        """A listening socket inside."""
        made = self._inside(lambda: listening(address, port))
        self._closing.append(made)
        return made

    def connect(self, port: int) -> socket.socket:
        """A connection to the machine's own loopback address."""
        return self._inside(lambda: socket.create_connection((LOOPBACK, port), CONNECT_WITHIN))

    def reach(self, port: int) -> None:
        """Let the machine reach a port of this computer's loopback address at its own."""
        inside = self._inside(lambda: listening(LOOPBACK, port))
        self._relays.append(Relay(inside, lambda _: socket.create_connection((LOOPBACK, port), CONNECT_WITHIN)))

    def offer(self, address: str, port: int, target: int, allowed: Callable[[str], bool]) -> None:
        """Let this computer reach a port of the machine at an address of its own, while that is allowed.

        Raises:
            OSError: The address is taken.
        """
        outside = listening(address, port)

        def connect(peer: str) -> socket.socket:
            if not allowed(peer):
                raise ConnectionRefusedError(f"no rule of the security group lets {peer} in")
            return self.connect(target)

        self._relays.append(Relay(outside, connect))

    def close(self) -> None:
        """Close what listens, and end what is relayed: a server may take its time to see that the machine is gone."""
        for relay in self._relays:
            relay.close()
        for each in self._closing:
            # Wakes the thread that waits for a connection.
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()
        self._closing.clear()
        self._relays.clear()
        if self._namespace >= 0:
            os.close(self._namespace)
            self._namespace = -1

    def _inside(self, make: Callable[[], T]) -> T:
        """Do something in there, by a thread that ends afterwards: the namespace is a thread's, and it cannot leave."""
        made: list[T] = []
        failed: list[OSError] = []

        def work() -> None:
            try:
                _enter(self._namespace)
                made.append(make())
            except OSError as error:
                failed.append(error)

        thread = threading.Thread(target=work, name="inside-a-network", daemon=True)
        thread.start()
        thread.join()
        if failed:
            raise failed[0]
        return made[0]


def _enter(namespace: int) -> None:
    if libc.setns(namespace, CLONE_NEWNET):
        number = ctypes.get_errno()
        raise OSError(number, f"setns: {os.strerror(number)}")
