"""The port :class:`runnerkit.baking.ports.Shell` over SSH, with paramiko.

One key is offered, and one host answers: the one whose keys the machine printed on its console. Agents, known_hosts and
keys of the person who bakes are left out of it.
"""

from __future__ import annotations

import io
import logging
import socket
import threading
from contextlib import suppress
from typing import TYPE_CHECKING

import paramiko
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from runnerkit.baking.errors import ConnectionLost, HostKeyMismatch
from runnerkit.baking.ports import Outcome
from runnerkit.names import Secret

if TYPE_CHECKING:
    from collections.abc import Sequence

CONNECT_SECONDS = 15
KEEPALIVE_SECONDS = 10
USER = "root"
_BLOCK = 65_536
# paramiko's own tale of every fault; what matters of it is in our errors.
logging.getLogger("paramiko").addHandler(logging.NullHandler())
_FAULTS = (paramiko.SSHException, OSError, EOFError)


def new_key() -> tuple[Secret, str]:
    """A new ed25519 key: the private half, and the public half as one line."""
    key = Ed25519PrivateKey.generate()
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption()
    )
    public = key.public_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
    return Secret(private.decode("ascii")), f"{public.decode('ascii')} runnerkit-bake"


def connect(
    address: str, port: int, key: Secret, host_keys: Sequence[tuple[str, str]], *, user: str = USER
) -> SshShell:
    """Connect once; see :class:`runnerkit.baking.ports.Connects`.

    Raises:
        HostKeyMismatch: What answers has none of the keys.
        ConnectionLost: Nobody answers, or the key is not accepted (yet).
    """
    client = paramiko.SSHClient()
    client.set_missing_host_key_policy(paramiko.RejectPolicy())
    entry = address if port == paramiko.config.SSH_PORT else f"[{address}]:{port}"
    for kind, text in host_keys:
        known = paramiko.hostkeys.HostKeyEntry.from_line(f"{entry} {kind} {text}")
        if known is not None and known.key is not None:
            client.get_host_keys().add(entry, kind, known.key)
    try:
        client.connect(
            address,
            port,
            username=user,
            pkey=paramiko.Ed25519Key.from_private_key(io.StringIO(key.reveal())),
            allow_agent=False,
            look_for_keys=False,
            timeout=CONNECT_SECONDS,
            banner_timeout=CONNECT_SECONDS,
            auth_timeout=CONNECT_SECONDS,
        )
    except paramiko.BadHostKeyException as wrong:
        client.close()
        raise HostKeyMismatch(
            f"{address} port {port} shows the host key {wrong.key.fingerprint}, which the builder did not print on its"
            " console: another machine answers there, or somebody sits between; nothing was sent to it",
            hint="bake from another network; if it happens again, tell whoever runs the network",
        ) from wrong
    except _FAULTS as fault:
        client.close()
        raise ConnectionLost(f"no SSH connection to {address} port {port}: {_told(fault)}") from fault
    transport = client.get_transport()
    if transport is not None:
        transport.set_keepalive(KEEPALIVE_SECONDS)
    return SshShell(client, address)


class SshShell:
    """One connection; each command has a channel of its own."""

    def __init__(self, client: paramiko.SSHClient, address: str) -> None:
        self._client = client
        self._address = address

    def run(self, command: str, *, stdin: bytes = b"", timeout: float = 60.0) -> Outcome:
        """Run a command of sh and wait for it.

        Raises:
            ConnectionLost: Whether it ran, and to which end, is unknown.
        """
        try:
            transport = self._client.get_transport()
            if transport is None or not transport.is_active():
                raise ConnectionLost(f"the SSH connection to {self._address} is gone")
            channel = transport.open_session(timeout=CONNECT_SECONDS)
            with channel:
                channel.set_combine_stderr(combine=True)
                channel.exec_command(command)
                return _talked(channel, stdin, timeout)
        except _FAULTS as fault:
            self.close()
            raise ConnectionLost(f"the SSH connection to {self._address} broke: {_told(fault)}") from fault

    def close(self) -> None:
        """End the connection."""
        self._client.close()


def _talked(channel: paramiko.Channel, stdin: bytes, timeout: float) -> Outcome:
    """Both directions at once: a command that talks while it listens must not stop us both."""
    channel.settimeout(timeout)
    sender = threading.Thread(target=_send, args=(channel, stdin), daemon=True)
    sender.start()
    said = bytearray()
    while block := channel.recv(_BLOCK):
        said += block
    # recv_exit_status() alone would wait for ever for a peer that is gone.
    if not channel.status_event.wait(timeout):
        raise TimeoutError
    status = channel.recv_exit_status()
    if status < 0:
        raise EOFError("closed before the command ended")
    return Outcome(status, bytes(said))


def _send(channel: paramiko.Channel, stdin: bytes) -> None:
    # A command that does not read to the end is no fault of the connection; its exit code tells.
    with suppress(*_FAULTS):
        channel.sendall(stdin)
        channel.shutdown_write()


def _told(fault: BaseException) -> str:
    if isinstance(fault, socket.timeout | TimeoutError) and not str(fault):
        return "no answer in time"
    errors = getattr(fault, "errors", None)  # paramiko's NoValidConnectionsError
    if isinstance(errors, dict) and errors:
        return str(next(iter(errors.values())))
    return str(fault) or type(fault).__name__
