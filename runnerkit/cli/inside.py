"""``logs`` and ``connect``: what a machine says, and a way onto it."""

from __future__ import annotations

import os
import select
import shutil
import signal
import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from runnerkit.cli.common import AsJson, ConfigPath, DryRun, Interrupted, configuration, echo, ending_well, print_json
from runnerkit.errors import NoSession

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runnerkit.config import Config
    from runnerkit.connecting import Check
    from runnerkit.consoles import Consoles, Piece
    from runnerkit.model import Instance

Runner = Annotated[str, typer.Argument(metavar="RUNNER", help="A runner's name, an instance id, or part of a name.")]
SIGNS = {True: "ok", False: "missing", None: "unknown"}


def logs(
    runner: Runner,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until the machine has ended.")] = False,
    raw: Annotated[bool, typer.Option("--raw", help="Leave control sequences in; secrets are masked all the same.")] = (
        False
    ),
    config: ConfigPath = None,
    as_json: AsJson = False,
) -> None:
    """Print what a machine wrote to its serial console: its boot, the agent, and why it powered off.

    No role and no agent are needed. With --follow only what is new is printed; Ctrl-C ends that, with exit code 130,
    and not the machine.
    """
    from runnerkit import app

    with ending_well(as_json=as_json):
        consoles = app.consoles(configuration(config))
        instance = consoles.find(runner)
        if follow:
            _follow(consoles, instance, raw=raw, as_json=as_json)
        else:
            _once(consoles, instance, raw=raw, as_json=as_json)


def _once(consoles: Consoles, instance: Instance, *, raw: bool, as_json: bool) -> None:
    from runnerkit.consoles import ending

    output = consoles.read(instance, raw=raw)
    if as_json:
        print_json({**_facts(instance), "output": output})
        return
    _print(output if output.endswith("\n") or not output else output + "\n")
    if not output:
        _note(nothing(instance))
    elif not instance.live:
        _note(f"{ending(instance)}; this is the last that EC2 kept")


def nothing(instance: Instance) -> str:
    """Why a console may be empty."""
    if not instance.live:
        from runnerkit.consoles import ending

        return f"EC2 has no console output of {instance.id}, and will not get any: {ending(instance)}"
    return (
        f"EC2 has no console output of {instance.id} yet ({instance.state}); it comes within seconds of the boot on"
        " types with Nitro, and after some minutes on older ones"
    )


def _follow(consoles: Consoles, instance: Instance, *, raw: bool, as_json: bool) -> None:
    from runnerkit.consoles import ending

    if not as_json:
        _note(f"following {instance.name} ({instance.id}, {instance.state}); Ctrl-C ends this, not the machine")
    try:
        for piece in consoles.follow(instance, raw=raw, listened=_listened):
            _tell(piece, as_json=as_json)
    except KeyboardInterrupt:
        # Whoever waited for the machine's end must be able to tell that this is not it.
        raise typer.Exit(Interrupted.exit_code) from None
    last = consoles.again(instance)
    if as_json:
        print_json({**_facts(last or instance), "ended": ending(last)})
    else:
        _note(ending(last))


def _tell(piece: Piece, *, as_json: bool) -> None:
    from runnerkit.consoles import LOST

    if as_json:
        print_json({"output": piece.text, "lost": piece.lost})
        return
    if piece.lost:
        _note(LOST)
    _print(piece.text)


def _listened() -> bool:
    """Whether anybody reads: a pipe that has lost its reader says so only to those who ask, or write again."""
    watch = select.poll()
    try:
        watch.register(sys.stdout.fileno(), 0)
    except (OSError, ValueError, AttributeError):  # no file behind it, as in tests
        return True
    return not any(seen & (select.POLLERR | select.POLLNVAL) for _, seen in watch.poll(0))


def _facts(instance: Instance) -> dict[str, Any]:
    return {
        "runner": instance.name,
        "instance": instance.id,
        "region": instance.region,
        "type": instance.type,
        "state": str(instance.state),
        "state_reason": instance.state_reason or None,
    }


def _print(text: str) -> None:
    # Machines write UTF-8; a terminal, or a file, that cannot take all of it gets question marks.
    encoding = sys.stdout.encoding or "utf-8"
    sys.stdout.write(text.encode(encoding, errors="replace").decode(encoding))
    sys.stdout.flush()


def _note(text: str) -> None:
    echo(f"-- {text}", err=True)


def connect(runner: Runner, dry_run: DryRun = False, config: ConfigPath = None, as_json: AsJson = False) -> None:
    """Open a shell on a machine by AWS Session Manager, or say what is missing for it.

    No port is open on a machine and no key is on it. With --dry-run, or --json, only the checks are shown. Exit code 2
    when something is missing.
    """
    from runnerkit import app, connecting
    from runnerkit.model import State

    with ending_well(as_json=as_json):
        settings = configuration(config)
        instance = app.consoles(settings).find(runner)
        running = instance.state is State.RUNNING
        access = app.sessions(settings).access(instance.region, instance.id) if running else None
        tools = connecting.Tools(shutil.which("aws") or "", shutil.which("session-manager-plugin") or "")
        found = connecting.checks(instance, access, tools)
        words = connecting.command(instance, tools, settings.aws.profile)
        lacking = connecting.missing(found)
        if as_json:
            print_json({**_facts(instance), "checks": [_check(each) for each in found], "command": words})
        else:
            _tell_checks(found)
        if lacking:
            if as_json:
                raise typer.Exit(NoSession.exit_code)
            what = "; ".join(check.what for check in lacking)
            raise NoSession(f"no session on {instance.name or instance.id}: missing is {what}", hint=lacking[0].remedy)
        if not (dry_run or as_json):
            _replace(settings, words)
        elif not as_json:
            echo(f"would run: {' '.join(words)}")


def _check(check: Check) -> dict[str, Any]:
    return {"what": check.what, "ok": check.ok, "found": check.found, "remedy": "" if check.ok else check.remedy}


def _tell_checks(found: Sequence[Check]) -> None:
    for check in found:
        echo(f"{SIGNS[check.ok]:<8} {check.what}: {check.found}", err=True)
        if check.ok is False and check.remedy:
            echo(f"{'':<8} -> {check.remedy}", err=True)


def _replace(settings: Config, words: Sequence[str]) -> None:
    """Become the AWS CLI: it owns the terminal and its signals from here on, and its exit code is ours."""
    environ = dict(os.environ)
    if settings.aws.endpoint_url:
        environ.setdefault("AWS_ENDPOINT_URL", settings.aws.endpoint_url)
    sys.stdout.flush()
    sys.stderr.flush()
    if hasattr(signal, "SIGPIPE"):
        # Python ignores it, and so would what we become.
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    try:
        os.execve(words[0], list(words), environ)  # noqa: S606 - no shell, and every word is ours or EC2's
    except OSError as error:
        raise NoSession(
            f"the AWS CLI at {words[0]} cannot be run: {error.strerror}", hint="install it anew, or mend PATH"
        ) from error
