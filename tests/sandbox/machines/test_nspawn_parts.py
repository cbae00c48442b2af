"""The parts of nspawn machines that need neither root nor Linux's namespaces."""

from __future__ import annotations

import os
import socket
import threading
from contextlib import closing
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runnerkit.sandbox.machines.nspawn import images, leftovers
from runnerkit.sandbox.machines.nspawn.addresses import LAST, Addresses
from runnerkit.sandbox.machines.nspawn.console import NOT_THE_MACHINE, Console
from runnerkit.sandbox.machines.nspawn.relay import Relay, listening
from tests.sandbox.machines.yard import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LOOPBACK = "127.0.0.1"
LINES = st.lists(st.sampled_from([b"", b"login: ", b"A", b"Attempted to", NOT_THE_MACHINE + b" /", b"\xff"]))


# --- the console --------------------------------------------------------------------------------------------------


def test_a_prompt_is_shown_before_its_line_ends() -> None:
    """What waits for somebody has no newline."""
    console = Console()
    assert console.hear(b"boot\nlogin: ") == b"boot\nlogin: "
    assert console.hear(b"root\n") == b"root\n"


@given(LINES, st.lists(st.integers(0, 120)))
def test_only_nspawn_s_own_lines_are_left_out_however_the_text_is_cut(lines: list[bytes], cuts: list[int]) -> None:
    """All other text comes out as it went in."""
    text = b"".join(line + b"\n" for line in lines)
    console, said = Console(), b""
    edges = sorted({0, len(text), *(cut for cut in cuts if cut < len(text))})
    for start, end in pairwise(edges):
        said += console.hear(text[start:end])
    assert said + console.close() == b"".join(line + b"\n" for line in lines if NOT_THE_MACHINE not in line)


def test_the_last_line_is_ended_when_the_machine_does_not() -> None:
    """Also one that could have become nspawn's, and one that was shown already."""
    for text, rest in ((b"Attempted", b"Attempted\n"), (b"panic", b"\n"), (NOT_THE_MACHINE, b""), (b"", b"")):
        console = Console()
        console.hear(text)
        assert console.close() == rest


# --- relays -------------------------------------------------------------------------------------------------------


@pytest.fixture
def echo() -> Iterator[int]:
    """A port that sends back what it gets, to the end of it."""

    def serve() -> None:
        while True:
            try:
                near, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=answer, args=(near,), daemon=True).start()

    def answer(near: socket.socket) -> None:
        with near:
            while data := near.recv(65_536):
                near.sendall(data)

    listener = listening(LOOPBACK, 0)
    threading.Thread(target=serve, daemon=True).start()
    yield listener.getsockname()[1]
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()


def _relay(target: int) -> tuple[Relay, int]:
    listener = listening(LOOPBACK, 0)
    port = listener.getsockname()[1]
    return Relay(listener, lambda _: socket.create_connection((LOOPBACK, target), 5)), port


def _relayed() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name.startswith("relay")]


def test_much_goes_both_ways_at_once_and_the_end_is_passed_on(echo: int) -> None:
    """Nothing stands still where both sides write more than fits between them, and no byte is lost."""
    relay, port = _relay(echo)
    sent, got = os.urandom(1 << 20) * 16, bytearray()
    with closing(relay), socket.create_connection((LOOPBACK, port), 5) as near:
        near.settimeout(60)

        def write() -> None:
            near.sendall(sent)
            near.shutdown(socket.SHUT_WR)

        writer = threading.Thread(target=write, daemon=True)
        writer.start()
        while data := near.recv(65_536):
            got += data
        writer.join(30)
    assert bytes(got) == sent


def test_closing_a_relay_ends_the_connections_and_their_threads(echo: int) -> None:
    """A server that keeps its side open (a long poll) does not keep threads and sockets of a machine that is gone."""
    before = set(_relayed())
    relay, port = _relay(echo)
    with socket.create_connection((LOOPBACK, port), 5) as near:
        near.sendall(b"x")
        assert near.recv(1) == b"x"
        relay.close()
        near.settimeout(20)
        assert near.recv(1) == b""
    eventually(lambda: not set(_relayed()) - before, "the end of the relay's threads")


def test_a_target_that_refuses_is_a_reset_and_the_relay_goes_on(echo: int) -> None:
    """The caller hears of it as from a port where nobody listens; the next one is served."""
    targets = [9, echo]

    def connect(_: str) -> socket.socket:
        target = targets.pop(0)
        if target == 9:
            raise ConnectionRefusedError("not let in")
        return socket.create_connection((LOOPBACK, target), 5)

    listener = listening(LOOPBACK, 0)
    port = listener.getsockname()[1]
    with closing(Relay(listener, connect)):
        # It may come before the connection is told to be there.
        with pytest.raises(ConnectionResetError), socket.create_connection((LOOPBACK, port), 5) as near:
            near.recv(1)
        with socket.create_connection((LOOPBACK, port), 5) as near:
            near.sendall(b"x")
            assert near.recv(1) == b"x"


def test_an_address_that_is_taken_is_named() -> None:
    """The message tells where, for there are many."""
    with closing(listening(LOOPBACK, 0)) as first:
        port = first.getsockname()[1]
        with pytest.raises(OSError, match=f"{LOOPBACK}:{port}: Address already in use"):
            listening(LOOPBACK, port)


# --- addresses ----------------------------------------------------------------------------------------------------


@pytest.mark.skipif(os.uname().sysname != "Linux", reason="only Linux has all of 127.0.0.0/8")
def test_two_sandboxes_at_once_never_have_the_same_port() -> None:
    """Each keeps its own where no machine is, so nobody else gets it."""
    with Addresses() as one, Addresses() as other:
        assert one.port != other.port
        with closing(listening(one.address("i-1"), one.port)), closing(listening(other.address("i-1"), other.port)):
            assert one.address("i-1") == other.address("i-1")
        with pytest.raises(OSError, match="in use"):
            listening("127.18.255.255", one.port)


@pytest.mark.skipif(os.uname().sysname != "Linux", reason="only Linux has all of 127.0.0.0/8")
def test_a_machine_keeps_its_address_and_all_are_used_before_one_comes_again() -> None:
    """Also beyond the number of addresses there are, as long as not all are taken at once."""
    with Addresses() as given:
        kept = given.address("kept")
        seen = set()
        for number in range(LAST + 5):
            seen.add(given.address(str(number)))
            given.forget(str(number))
        assert given.address("kept") == kept == "127.18.0.1"
        assert len(seen) == LAST - 1
        assert kept not in seen


# --- disks --------------------------------------------------------------------------------------------------------


def test_a_disk_that_cannot_be_kept_is_an_error_and_no_half_of_it_stays(tmp_path: Path) -> None:
    """An image of half a disk would boot."""
    base = tmp_path / "base"
    (base / "etc/ssl/certs").mkdir(parents=True)
    (base / images.TRUSTED).write_text("")
    kept = images.Images(tmp_path, base, tmp_path / "runner", more={}, authority=b"", hosts="")
    with pytest.raises(OSError, match="No such file"):
        kept.snapshot("ami-1", tmp_path / "nowhere", ())
    assert not (tmp_path / "ami-1").exists()
    assert kept.layers("ami-1", baked=False)[-1] == base


def test_folders_of_killed_sandboxes_are_removed_and_those_in_use_stay(tmp_path: Path) -> None:
    """The lock tells them apart; without a mark one may be in the making."""
    mine, theirs, killed, fresh = (tmp_path / f"rk-x-{name}" for name in ("mine", "theirs", "killed", "fresh"))
    for folder in (mine, theirs, killed, fresh):
        folder.mkdir()
    held = leftovers.hold(theirs)
    os.close(leftovers.hold(killed))
    try:
        leftovers.remove(mine, "rk-x-")
    finally:
        os.close(held)
    assert sorted(each.name for each in tmp_path.iterdir()) == ["rk-x-fresh", "rk-x-mine", "rk-x-theirs"]
