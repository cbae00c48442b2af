"""Checks of this computer: its clock, its programs, and the configuration in this folder."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runnerkit.doctor.checking import check
from runnerkit.doctor.words import Group, Look, Remark, failure, note, ok, unknown, warning

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runnerkit.doctor.facts_here import Skew
    from runnerkit.doctor.seen import Observed

# AWS refuses requests that are signed five minutes off, GitHub an App's token that is made in the future.
MOST, NEAR = 240.0, 30.0
SET_CLOCK = "sudo timedatectl set-ntp true"


@check(
    "computer-clock",
    Group.COMPUTER,
    "Is this computer's clock right, compared with AWS's and GitHub's?",
    reads=("aws_skew", "github_skew"),
    levels="wf",
    todo="Let the clock be set by the network: `sudo timedatectl set-ntp true`.",
)
def clock(seen: Observed) -> Iterator[Remark]:
    """The clock is right to within half a minute."""
    looks: tuple[Look[Skew], ...] = (seen.aws_skew, seen.github_skew)
    known = [look.seen for look in looks if look.seen is not None]
    if not known:
        yield unknown("neither AWS nor GitHub told the time")
        return
    skew = max(known, key=lambda each: abs(each.seconds))
    told = f"{abs(skew.seconds):.0f} s {'ahead of' if skew.seconds > 0 else 'behind'} {skew.whose}"
    if abs(skew.seconds) >= MOST:
        yield failure(f"this clock is {told}", "AWS and GitHub refuse what is signed at such a time", SET_CLOCK)
    elif abs(skew.seconds) >= NEAR:
        yield warning(f"this clock is {told}", "deadlines of machines are off by as much", SET_CLOCK)
    else:
        yield ok(f"within {NEAR:g} s of {' and '.join(each.whose for each in known)}")


@check(
    "computer-tools",
    Group.COMPUTER,
    "Which programs are here that some commands use?",
    reads=("tools",),
    levels="n",
    todo="Install what you need: git for reports and pipelines, act for the sandbox, AWS's session-manager-plugin.",
)
def tools(seen: Observed) -> Iterator[Remark]:
    """What is missing is named with what it is needed for."""
    found = [tool for tool in seen.tools.value if tool.name != "dvc"]
    for tool in found:
        if not tool.version:
            yield note(
                f"{tool.name} is not installed",
                f"needed for {tool.needed_for}",
                f"install {tool.name}, if you want that",
            )
    there = [f"{tool.name} {tool.version}" for tool in found if tool.version]
    if there:
        yield ok(", ".join(there))


@check(
    "computer-configuration",
    Group.COMPUTER,
    "Can the configuration be read, and has it no unknown keys?",
    reads=("configuration",),
    levels="nf",
    todo="Correct the key that is named; [configuration](configuration.md) lists all of them.",
)
def configuration(seen: Observed) -> Iterator[Remark]:
    """The configuration is understood."""
    told = seen.configuration.value
    if told.problem:
        for line in told.problem.splitlines():
            yield failure(
                line,
                "no other command runs; the checks here looked without this file",
                told.hint or "docs/configuration.md",
            )
    elif told.origin:
        yield ok(told.origin)
    else:
        yield note(
            "there is no runnerkit.toml here, and no [tool.runnerkit]",
            "defaults and variables are in force",
            "runnerkit init",
        )


@check(
    "computer-secrets",
    Group.COMPUTER,
    "Does a secret stand in a file that git has?",
    reads=("configuration",),
    levels="f",
    todo="Take the secret out of the file, replace it by a new one, and set the variable `RUNNERKIT_...` instead.",
)
def secrets(seen: Observed) -> Iterator[Remark]:
    """No secret is under version control."""
    exposed = seen.configuration.value.exposed
    for key, file in exposed:
        variable = "RUNNERKIT_" + key.upper().replace(".", "__")
        yield failure(
            f"{key} stands in {file}, which git has or would add",
            "everybody who can read the repository has it, and its history keeps it",
            f"make a new one, take it out of {file}, and set {variable}",
        )
    if not exposed:
        yield ok("no secret in a file that git has")


CHECKS = (clock, tools, configuration, secrets)
