"""The loop that watches over the machine while the listener runs."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from typing import TYPE_CHECKING, Any

from .machine import (
    POWEROFF_UNIT,
    Owner,
    Paths,
    listener,
    read_json,
    run,
    say,
    stamp,
    when,
    write_json,
)
from .rules import END, INTERRUPT, BootFailed, Rules, Step, View, decide

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from .imds import Imds, Notice


class Guard:
    """One guard of one machine. What must survive its own restart is in files, the rest is seen anew."""

    def __init__(self, paths: Paths, rules: Rules, environ: Mapping[str, str], imds: Imds) -> None:
        self._paths = paths
        self._rules = rules
        self._environ = environ
        self._imds = imds
        self._silent_since: float | None = None
        self._completed_at: float | None = None
        self._mute = False
        self._hooks: list[subprocess.Popen[bytes]] = []

    def watch(self, sleep: Callable[[float], None] = time.sleep) -> None:
        """Watch until the machine is told to end."""
        while self.tick().kind != END:
            sleep(self._rules.poll)

    def tick(self) -> Step:
        """Look once, and do what follows."""
        self._hooks = [hook for hook in self._hooks if hook.poll() is None]
        self._ask_aws()
        view, pid = look(self._paths, self._silent_since, self._completed_at)
        self._silent_since = view.silent_since
        self._completed_at = view.completed_at
        step = decide(view, self._rules)
        if step.kind == INTERRUPT:
            self._interrupt(pid, step.reason)
        elif step.kind == END:
            power_off(step.reason)
        return step

    def _ask_aws(self) -> None:
        try:
            if not self._paths.notice.exists():
                self._on_notice(self._imds.notice(time.time()))
            if not self._paths.rebalance.exists():
                self._on_rebalance(self._imds.rebalance(time.time()))
        except OSError as error:
            if not self._mute:
                say(f"the metadata service does not answer: {error}")
            self._mute = True
        else:
            self._mute = False

    def _on_notice(self, notice: Notice | None) -> None:
        if notice is None:
            return
        say(f"AWS takes the machine ({notice.action}) in {notice.at - time.time():.0f} s")
        told = {"action": notice.action, "at": notice.at, "time": _iso(notice.at), "seen_at": time.time()}
        self._tell("interruption", told)

    def _on_rebalance(self, at: float | None) -> None:
        if at is None:
            return
        say("AWS recommends to move this work elsewhere")
        self._tell("rebalance", {"at": at, "time": _iso(at), "seen_at": time.time()})

    def _tell(self, kind: str, told: dict[str, Any]) -> None:
        """Write the news where the job can read it, and start the hooks: as the job's user, for it may write them."""
        file = self._paths.notice if kind == "interruption" else self._paths.rebalance
        write_json(file, told)
        owner = Owner.find(self._environ)
        if owner is None or not self._paths.notice_hooks.is_dir():
            return
        for hook in sorted(self._paths.notice_hooks.iterdir()):
            if hook.is_file() and os.access(hook, os.X_OK):
                self._start_hook([str(hook), kind, str(file)], owner)

    def _start_hook(self, argv: list[str], owner: Owner) -> None:
        lower: dict[str, Any] = {}
        if os.geteuid() == 0:
            groups = os.getgrouplist(owner.name, owner.gid)
            lower = {"user": owner.uid, "group": owner.gid, "extra_groups": groups}
        try:
            self._hooks.append(
                subprocess.Popen(
                    argv,
                    stdin=subprocess.DEVNULL,
                    cwd="/",
                    env={"PATH": os.defpath, "HOME": owner.home, "USER": owner.name},
                    start_new_session=True,
                    **lower,
                )
            )
        except OSError as error:
            say(f"{argv[0]} cannot be run: {error}")

    def _interrupt(self, pid: int, reason: str) -> None:
        say(f"stopping the listener: {reason}")
        stamp(self._paths.interrupted, reason=reason)
        if pid:
            os.kill(pid, signal.SIGINT)


def look(paths: Paths, silent_since: float | None = None, completed_at: float | None = None) -> tuple[View, int]:
    """The machine as it is now, and the id of the listener's process if that runs."""
    now = time.monotonic()
    process, pid = listener(paths)
    notice = read_json(paths.notice)
    begun = when(paths.begun)
    view = View(
        now=now,
        wall=time.time(),
        begun=now if begun is None else begun,
        listener=process,
        job_started=paths.started.exists(),
        completed_at=(completed_at or now) if paths.completed.exists() else None,
        silent_since=None if pid or process is None else (silent_since or now),
        notice_at=None if notice is None else float(notice["at"]),
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
