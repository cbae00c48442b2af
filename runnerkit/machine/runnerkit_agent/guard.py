"""The loop that watches over the machine while the listener runs."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from contextlib import suppress
from itertools import islice
from typing import TYPE_CHECKING, Any

from .machine import (
    POWEROFF_UNIT,
    Owner,
    Paths,
    listener,
    run,
    say,
    stamp,
    there,
    when,
    write_json,
)
from .rules import END, INTERRUPT, WAIT, BootFailed, Rules, Step, View, decide

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from .imds import Imds, Notice

PASSING = ("silent_since", "completed_at")
LASTING = ("notice_at", "interrupted_at")
MOST_HOOKS = 50


class Guard:
    """One guard of one machine.

    What must survive its own restart is in files. It is remembered as well: the job can fill the disk they are on.
    """

    def __init__(self, paths: Paths, rules: Rules, environ: Mapping[str, str], imds: Imds) -> None:
        self._paths = paths
        self._rules = rules
        self._environ = environ
        self._imds = imds
        self._known: dict[str, Any] = {}
        self._complaints: dict[str, str] = {}
        self._hooks: list[subprocess.Popen[bytes]] = []

    def watch(self, sleep: Callable[[float], None] = time.sleep) -> None:
        """Watch until the machine is told to end."""
        while self.look_after().kind != END:
            sleep(self._rules.poll)

    def look_after(self) -> Step:
        """One round, whatever goes wrong in it: the deadlines must be kept by the next one."""
        try:
            self._alive()
            step = self.tick()
        except Exception as error:  # noqa: BLE001 - a guard that gave up here would forget what it knows
            self._complain("guard", f"the guard is in trouble: {error!r}")
            return Step(WAIT)
        self._complaints.pop("guard", None)
        return step

    def tick(self) -> Step:
        """Look once, and do what follows."""
        self._hooks = [hook for hook in self._hooks if hook.poll() is None]
        self._ask_aws()
        view, pid = look(self._paths)
        step = decide(self._remember(view), self._rules)
        if step.kind == INTERRUPT:
            self._interrupt(pid, step.reason)
        elif step.kind == END:
            power_off(step.reason)
        return step

    def _remember(self, view: View) -> View:
        """Since when things are as they are: what lasts stays known, what passes is forgotten when it is over."""
        for name in PASSING:
            if getattr(view, name) is None:
                self._known.pop(name, None)
        for name in PASSING + LASTING:
            if getattr(view, name) is not None:
                self._known.setdefault(name, getattr(view, name))
        return view._replace(**self._known)

    def _alive(self) -> None:
        """Tell systemd's watchdog that we are."""
        address = self._environ.get("NOTIFY_SOCKET")
        if address:
            # Without a watchdog there is still the rest of the round.
            with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
                notify.sendto(b"WATCHDOG=1", address.replace("@", "\0", 1) if address[0] == "@" else address)

    def _complain(self, about: str, text: str) -> None:
        """Say something once, until it is another thing."""
        if self._complaints.get(about) != text:
            say(text)
        self._complaints[about] = text

    def _ask_aws(self) -> None:
        try:
            if "notice_at" not in self._known and not self._paths.notice.exists():
                self._on_notice(self._imds.notice(time.time()))
            if "rebalance" not in self._complaints and not self._paths.rebalance.exists():
                self._on_rebalance(self._imds.rebalance(time.time()))
        except OSError as error:
            self._complain("imds", f"the metadata service does not answer: {error}")
        else:
            self._complaints.pop("imds", None)

    def _on_notice(self, notice: Notice | None) -> None:
        if notice is None:
            return
        say(f"AWS takes the machine ({notice.action}) in {notice.left:.0f} s")
        seen, now = time.time(), time.monotonic()
        self._known["notice_at"] = now + notice.left
        told = {"action": notice.action, "time": _iso(notice.at), "seen_at": seen, "monotonic": now + notice.left}
        # By this machine's clock, for those who compare with it.
        at = seen + notice.left
        self._tell("interruption", {**told, "at": at, "listener_stops_at": at - self._rules.interrupt_before})

    def _on_rebalance(self, at: float | None) -> None:
        if at is not None:
            self._complain("rebalance", "AWS recommends to move this work elsewhere")
            self._tell("rebalance", {"at": at, "time": _iso(at), "seen_at": time.time()})

    def _tell(self, kind: str, told: dict[str, Any]) -> None:
        """Write the news where the job can read it, and start the hooks: as the job's user, for it may write them."""
        file = self._paths.notice if kind == "interruption" else self._paths.rebalance
        try:
            write_json(file, told)
            owner = Owner.find(self._environ)
            with os.scandir(self._paths.notice_hooks) as entries:
                hooks = sorted(entry.path for entry in islice(entries, MOST_HOOKS))
            for hook in hooks:
                if owner and os.path.isfile(hook) and os.access(hook, os.X_OK):  # noqa: PTH113 - it raises nothing
                    self._start_hook([hook, kind, str(file)], owner)
        except OSError as error:
            say(f"the job cannot be told of the {kind}: {error}")

    def _start_hook(self, argv: list[str], owner: Owner) -> None:
        if os.geteuid() == 0:
            # The job may have put it on a file system of its own that never answers: another process waits for that.
            # Nor does it inherit the guard's place before everybody else when memory is short.
            lower = [f"--reuid={owner.uid}", f"--regid={owner.gid}", "--init-groups"]
            argv = ["choom", "-n", "0", "--", "setpriv", *lower, "--", *argv]
        environ = {"PATH": os.defpath, "HOME": owner.home, "USER": owner.name}
        try:
            self._hooks.append(
                subprocess.Popen(argv, stdin=subprocess.DEVNULL, cwd="/", env=environ, start_new_session=True)
            )
        except OSError as error:
            say(f"{argv[-3]} cannot be run: {error}")

    def _interrupt(self, pid: int, reason: str) -> None:
        say(f"stopping the listener: {reason}")
        self._known["interrupted_at"] = time.monotonic()
        try:
            stamp(self._paths.interrupted, reason=reason)
        except OSError as error:
            say(f"this cannot be noted: {error}")
        if pid:
            os.kill(pid, signal.SIGINT)


def look(paths: Paths) -> tuple[View, int]:
    """The machine as it is now, and the id of the listener's process if that runs."""
    now = time.monotonic()
    begun = when(paths.begun)
    started = there(paths.started)
    process, pid = listener(paths, busy=not started)
    view = View(
        now=now,
        begun=now if begun is None else begun,
        listener=process,
        job_started=started,
        completed_at=now if there(paths.completed) else None,
        silent_since=None if pid or process is None else now,
        notice_at=when(paths.notice, "monotonic"),
        interrupted_at=when(paths.interrupted),
    )
    return view, pid


def power_off(reason: str) -> None:
    """End the machine, harder each time; AWS terminates an instance that powers itself off."""
    say(f"powering off: {reason}")
    try:
        run(["systemctl", "start", "--no-block", POWEROFF_UNIT])
    except BootFailed as error:
        say(f"{error}; powering off at once")
        run(["systemctl", "poweroff", "--force", "--force"])


def _iso(epoch: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(epoch))
