"""A relay: what connects to one socket is passed on to another, to both sides' ends."""

from __future__ import annotations

import logging
import socket
import struct
import threading
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

logger = logging.getLogger(__name__)
BACKLOG = 64
BLOCK = 65_536
# Out of descriptors or threads: some may be free soon.
TRY_AGAIN_AFTER = 0.1
RESET = struct.pack("ii", 1, 0)


def listening(address: str, port: int) -> socket.socket:
    """A listening socket.

    Raises:
        OSError: The address is taken, or not this computer's; the message names it.
    """
    made = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind((address, port))
        made.listen(BACKLOG)
    except OSError as error:
        made.close()
        raise OSError(error.errno, f"{address}:{port}: {error.strerror}") from error
    return made


class Relay:
    """Passes every connection on, until it is closed.

    Args:
        listener: Where connections come in; it is the relay's from now on.
        connect: Makes the other end for the address of a caller; with ``OSError`` the caller gets a reset.
    """

    def __init__(self, listener: socket.socket, connect: Callable[[str], socket.socket]) -> None:
        self._listener = listener
        self._connect = connect
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._closed = threading.Event()
        threading.Thread(target=self._accept, name="relay", daemon=True).start()

    def close(self) -> None:
        """Accept no more, and end every connection: its threads then end, too."""
        with self._lock:
            self._closed.set()
            ending = [self._listener, *self._open]
            for each in ending:
                # Wakes the thread that waits there. Who opened a connection closes it.
                with suppress(OSError):
                    each.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        while not self._closed.is_set():
            try:
                near, (peer, _) = self._listener.accept()
                threading.Thread(target=self._join, args=(near, peer), name="relayed", daemon=True).start()
            except (OSError, RuntimeError) as error:
                if not self._closed.wait(TRY_AGAIN_AFTER):
                    logger.debug("a connection was not relayed: %s", error)

    def _join(self, near: socket.socket, peer: str) -> None:
        with near:
            try:
                far = self._connect(peer)
            except OSError:
                # A reset, as from a port where nobody listens.
                with suppress(OSError):
                    near.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
                return
            with far:
                far.settimeout(None)
                if self._keep(near, far):
                    self._both_ways(near, far)
                self._drop(near, far)

    def _both_ways(self, near: socket.socket, far: socket.socket) -> None:
        back = threading.Thread(target=_pump, args=(far, near), name="relayed-back", daemon=True)
        back.start()
        _pump(near, far)
        back.join()

    def _keep(self, *ends: socket.socket) -> bool:
        """False when it was closed meanwhile."""
        with self._lock:
            self._open.update(ends)
            return not self._closed.is_set()

    def _drop(self, *ends: socket.socket) -> None:
        with self._lock:
            self._open.difference_update(ends)


def _pump(source: socket.socket, sink: socket.socket) -> None:
    """One direction. A thread for each: one for both would stand still where both sides write before they read."""
    try:
        while data := source.recv(BLOCK):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)
    except OSError:
        # Nobody may wait for an answer to what did not arrive.
        for each in (source, sink):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
