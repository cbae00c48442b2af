"""The server: waitress on threads of its own, with bounds for slow visitors and an end that answers who was let in."""

from __future__ import annotations

import logging
import socket
import threading
import time
from contextlib import suppress
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from waitress import wasyncore
from waitress.server import create_server

from runnerkit.errors import ConfigError
from runnerkit.web.receiver import LARGEST_BODY

if TYPE_CHECKING:
    from wsgiref.types import WSGIApplication

CONNECTIONS = 500
# With more than half of them taken, who says nothing for this long goes: a webhook is said all at once.
SILENT = 1.0
BACKLOG = 1024
LARGEST_HEADERS = 65_536
# GitHub hangs up after 10 s; whoever needs longer to say what he wants is not GitHub.
REQUEST_WITHIN = 20.0
IDLE_WITHIN = 60
LOOK_EVERY = 1.0
ANSWER_WITHIN = 5.0
FORWARDED = frozenset({"x-forwarded-for", "x-forwarded-proto", "x-forwarded-host", "x-forwarded-port"})

# It warns of every request that waits for a worker for a moment: in a burst, of most.
logging.getLogger("waitress").setLevel(logging.ERROR)


class Server:
    """Listens from the moment it is made, answers once it is started. Only one use.

    Args:
        site: The application.
        bind: An IP address of this machine.
        port: 0 takes any that is free.
        workers: Threads that answer.
        trusted_proxy: The address whose ``X-Forwarded-*`` headers are believed.

    Raises:
        ConfigError: Address or port cannot be had.
    """

    def __init__(
        self, site: WSGIApplication, *, bind: str, port: int, workers: int = 4, trusted_proxy: str | None = None
    ) -> None:
        self._socket = _listening(bind, port)
        self.port = int(self._socket.getsockname()[1])
        self.address = f"http://{f'[{bind}]' if ':' in bind else bind}:{self.port}"
        proxy: dict[str, Any] = (
            {"trusted_proxy": trusted_proxy, "trusted_proxy_headers": FORWARDED} if trusted_proxy else {}
        )
        # Headers of proxies that are not trusted stay: who may see the page depends on there being any.
        self._server: Any = create_server(
            site,
            sockets=[self._socket],
            threads=workers,
            ident="",
            connection_limit=CONNECTIONS,
            backlog=BACKLOG,
            max_request_body_size=LARGEST_BODY + 1,
            max_request_header_size=LARGEST_HEADERS,
            channel_timeout=IDLE_WITHIN,
            cleanup_interval=10,
            asyncore_use_poll=True,
            clear_untrusted_proxy_headers=False,
            log_socket_errors=False,
            **proxy,
        )
        self._told = False
        self._closing = threading.Event()
        self._slow: WeakKeyDictionary[Any, float] = WeakKeyDictionary()
        self._thread = threading.Thread(target=self._run, name="server", daemon=True)

    def start(self) -> None:
        """Answer, on threads."""
        self._thread.start()

    def close(self) -> None:
        """Let nobody in any more, answer those who are in, and end; bounded by some seconds."""
        if self._told:
            return
        self._told = True
        if self._thread.ident is None:
            self._end()
            return
        # On the server's own thread: it must not be gone, and its pipe somebody else's, when it is woken.
        with suppress(OSError):  # its pipe is closed: it ended by itself
            self._server.trigger.pull_trigger(self._closing.set)
        self._thread.join(ANSWER_WITHIN * 3)

    @property
    def alive(self) -> bool:
        """Whether it answers; False before the start, after the end, and when its thread failed."""
        return self._thread.is_alive()

    def _run(self) -> None:
        try:
            self._answer()
            self._let_go()
        finally:
            self._end()

    def _answer(self) -> None:
        # waitress offers no loop that can be left.
        looked_at = 0.0
        while not self._closing.is_set():
            self._turn(LOOK_EVERY)
            # Not at every turn: a burst makes many, and looking at everybody each time takes longer than answering.
            if (now := time.monotonic()) - looked_at >= LOOK_EVERY:
                looked_at = now
                self._hang_up(now)

    def _let_go(self) -> None:
        wasyncore.dispatcher.close(self._server)
        until = time.monotonic() + ANSWER_WITHIN
        while any(map(_is_answered, self._channels())) and time.monotonic() < until:
            self._turn(LOOK_EVERY / 20)

    def _turn(self, seconds: float) -> None:
        wasyncore.loop(timeout=seconds, use_poll=True, map=self._server._map, count=1)  # noqa: SLF001 - its own loop's

    def _end(self) -> None:
        self._server.task_dispatcher.shutdown(timeout=ANSWER_WITHIN)
        wasyncore.close_all(self._server._map)  # noqa: SLF001 - as above
        self._socket.close()

    def _hang_up(self, now: float) -> None:
        """End connections on which a request has been arriving for too long: a byte now and then keeps none open.

        When many are taken, those that have kept us waiting longest go too: strangers who say nothing, or say it
        slowly, must not keep a webhook out.
        """
        channels = self._channels()
        waiting = [(self._waits(each, now), each) for each in channels if not each.requests]
        waiting.sort(key=lambda pair: pair[0], reverse=True)
        spare = len(channels) - CONNECTIONS // 2
        for place, (seconds, channel) in enumerate(waiting):
            too_slow = channel.request is not None and seconds > REQUEST_WITHIN
            if too_slow or (place < spare and seconds >= SILENT):
                channel.handle_close()

    def _waits(self, channel: Any, now: float) -> float:  # noqa: ANN401 - waitress's
        """For how many seconds nothing whole has come; a request counts from the first look at it."""
        if channel.request is None:
            return time.time() - float(channel.last_activity)
        return now - self._slow.setdefault(channel.request, now)

    def _channels(self) -> list[Any]:
        return list(self._server.active_channels.values())


def _is_answered(channel: Any) -> bool:  # noqa: ANN401 - waitress's
    return bool(channel.requests or channel.total_outbufs_len)


def _listening(bind: str, port: int) -> socket.socket:
    try:
        family = socket.AF_INET6 if ip_address(bind).version == 6 else socket.AF_INET  # noqa: PLR2004 - IP's
    except ValueError:
        raise ConfigError(
            f"serve: bind: {bind!r} is not an IP address", hint="127.0.0.1 for this machine alone, 0.0.0.0 for all"
        ) from None
    listening = socket.socket(family, socket.SOCK_STREAM)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((bind, port))
        # waitress listens once more, with its own backlog; here a port that another program listens on is found.
        listening.listen(BACKLOG)
        listening.setblocking(False)  # noqa: FBT003 - the socket's own interface
    except OSError as error:
        with suppress(OSError):
            listening.close()
        raise ConfigError(
            f"cannot listen on {bind} port {port}: {error.strerror}",
            hint="give another --port or --bind, or end the program that has it (`ss -ltnp` shows it)",
        ) from None
    return listening
