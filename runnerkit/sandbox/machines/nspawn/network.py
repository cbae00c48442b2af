"""A machine's network seen from the sandbox: sockets that live in it, and relays between it and this computer's own."""

from __future__ import annotations

import ctypes
import os
import socket
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

CLONE_NEWNET = 0x40000000
LOOPBACK = "127.0.0.1"
BACKLOG = 64
BLOCK = 65_536
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
        inside = self.listen(LOOPBACK, port)
        relay(inside, lambda _: socket.create_connection((LOOPBACK, port), CONNECT_WITHIN))

    def offer(self, address: str, port: int, target: int, allowed: Callable[[str], bool]) -> None:
        """Let this computer reach a port of the machine at an address of its own, while that is allowed.

        Raises:
            OSError: The address is taken.
        """
        outside = listening(address, port)
        self._closing.append(outside)

        def connect(peer: str) -> socket.socket:
            if not allowed(peer):
                raise ConnectionRefusedError(f"no rule of the security group lets {peer} in")
            return self.connect(target)

        relay(outside, connect)

    def close(self) -> None:
        """Close what listens; connections end with the machine."""
        for each in self._closing:
            # Wakes the thread that waits for a connection.
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()
        self._closing.clear()
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


def listening(address: str, port: int) -> socket.socket:
    """A listening socket."""
    made = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind((address, port))
        made.listen(BACKLOG)
    except OSError:
        made.close()
        raise
    return made


def relay(listener: socket.socket, connect: Callable[[str], socket.socket]) -> None:
    """Pass every connection on to what ``connect`` gives for the caller's address, until the listener is closed."""
    threading.Thread(target=_accept, args=(listener, connect), name="relay", daemon=True).start()


def _accept(listener: socket.socket, connect: Callable[[str], socket.socket]) -> None:
    while True:
        try:
            near, peer = listener.accept()
        except OSError:
            return
        threading.Thread(target=_join, args=(near, peer[0], connect), name="relayed", daemon=True).start()


def _join(near: socket.socket, peer: str, connect: Callable[[str], socket.socket]) -> None:
    with near:
        try:
            far = connect(peer)
        except OSError:
            # A reset, as from a port where nobody listens.
            with suppress(OSError):
                near.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            return
        with far:
            far.settimeout(None)
            back = threading.Thread(target=_pump, args=(far, near), name="relayed-back", daemon=True)
            back.start()
            _pump(near, far)
            back.join()


def _pump(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(BLOCK):
            sink.sendall(data)
    with suppress(OSError):
        sink.shutdown(socket.SHUT_WR)
