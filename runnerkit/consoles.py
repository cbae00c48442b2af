"""A machine's serial console for people: found by name, followed without repeating, shown without doing harm.

EC2 keeps the last 64 KB of what a machine wrote. Machines on Nitro show what is there at this moment; for others EC2
posts it some minutes after the start and the end. Source: EC2's user guide, "Instance console output".
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from runnerkit.errors import MachineUnknown, RunnerkitError
from runnerkit.model import State

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from runnerkit.model import Instance
    from runnerkit.ports import Clock, Cloud

# Seconds between two looks: soon again while it talks, ever later while it is silent.
SOONEST, LATEST = 2.0, 10.0
# Looks in a row that AWS may fail before following ends.
PATIENCE = 6
# The last lines may come late, and lists may miss a machine for a moment.
LOOKS_AFTER_THE_END = 3
LONGEST_LINE = 64 * 1024
# Fewer equal characters than this may be chance: a line end, a prompt.
OVERLAP = 48
_Answer = TypeVar("_Answer")
LOST = "lines are missing here: the machine wrote more than the 64 KB that EC2 keeps"

_BROKEN = "\ufffd"
_CONTROL = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]"  # colours, cursor, screen
    r"|\x9b[0-?]*[ -/]*[@-~]"
    r"|(?:\x1b[\]PX^_]|[\x9d\x90\x98\x9e\x9f])[^\x07\x1b\x9c\n]*(?:\x07|\x1b\\|\x9c|(?=\n)|$)"  # titles, links, strings
    r"|\x1b[ -/]*[0-~]?"
    r"|[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]"
)
# Stands where a control sequence was while secrets are looked for: a colour must neither hide one nor cut it in two.
_MARK = "\x00"


def _secret(kept: str, word: str) -> re.Pattern[str]:
    """What is to be masked: a word, and what must stand before it and is kept; a dot in either is a place for marks."""
    return re.compile(f"({kept}){word}".replace(".", f"{_MARK}*"))


_MASKS = (
    _secret(
        ".".join("ACTIONS_RUNNER_INPUT_") + f"[A-Z{_MARK}]*(?:{'.'.join('JITCONFIG')}|{'.'.join('TOKEN')})"
        rf"[\\'\"{_MARK}]*[ \t]*[=:][ \t\\'\"{_MARK}]*",
        r"[^\s'\"]+",
    ),
    _secret(".".join("--jitconfig") + rf"[=\s'\",{_MARK}]+", r"[^\s'\"]+"),
    # Base64 of a JSON object, as JIT configurations and signed tokens are.
    _secret("(?<![A-Za-z0-9])", rf"e.y(?:.[A-Za-z0-9+/_-]){{40,}}[A-Za-z0-9+/_\x2e={_MARK}-]*"),
    _secret("", rf"(?:g.h.[a-z]._|{'.'.join('github_pat_')})(?:.[A-Za-z0-9_]){{20,}}[A-Za-z0-9_\x2e={_MARK}-]*"),
)
# EC2 may have cut off the beginning of what stands first, or of the colour before it.
_CUT_BLOB = re.compile(r"\A(?:\[?[0-9;]*m)?[A-Za-z0-9+/_.=-]{20,}")


def find(instances: Sequence[Instance], word: str) -> Instance:
    """The machine that somebody means by its runner's name, its instance id, or a part of its name.

    Of several machines with one name the living one is meant, then the newest.

    Raises:
        MachineUnknown: None is meant, or several are.
    """
    exact = [each for each in instances if word in {each.id, each.name}]
    near = exact or [each for each in instances if word and word.lower() in each.name.lower()]
    names = sorted({each.name or each.id for each in near})
    if not names:
        raise MachineUnknown(
            f"none of our machines is called {word!r}, nor is it the id of one",
            hint="`runnerkit status` lists those that live; EC2 forgets a machine an hour after its end, and those"
            " of another `aws.owner` belong to somebody else",
        )
    if len(names) > 1:
        raise MachineUnknown(f"{word!r} may mean {', '.join(names[:8])}", hint="say more of its name, or its id")
    return max(near, key=lambda each: (each.live, each.launched_at))


def shown(text: str, *, raw: bool = False) -> str:
    """Console output as it may be printed: no control sequences (unless ``raw``) and, in any case, no secrets."""
    if not raw:
        text = re.sub(r"\r+\n?", "\n", text)
    masked = _masked(_CONTROL.sub(_MARK, text))
    if not raw:
        return masked.replace(_MARK, "")
    controls = iter(_CONTROL.findall(text))
    return re.sub(_MARK, lambda _: _masked(next(controls)), masked)


def _masked(text: str) -> str:
    for pattern in _MASKS:
        text = pattern.sub(lambda found: found[1] + "***" + _MARK * found[0].count(_MARK, len(found[1])), text)
    return text


@dataclass(frozen=True, slots=True)
class Piece:
    """What came since the last look; ``lost`` when something before it may be missing."""

    text: str
    lost: bool = False


class Tail:
    """Tells what is new in each look at a buffer that forgets its oldest part.

    Only whole lines are given out; the last one waits for its end, or for :meth:`rest`.
    """

    def __init__(self) -> None:
        self._seen = ""
        self._open = ""
        self._midline = False

    def look(self, text: str) -> list[Piece]:
        """The whole lines that this look adds."""
        text = text.rstrip(_BROKEN)  # half a character: the other half comes with the next look
        added, lost = self._added(text.lstrip(_BROKEN))
        before = self.rest() if lost else []
        whole, end, self._open = (self._open + added).rpartition("\n")
        piece = self._begun(whole + end)
        if len(self._open) > LONGEST_LINE:
            piece, self._open = piece + self._begun(self._open), ""
            self._midline = True
        return [*before, Piece(piece, lost)] if piece or lost else before

    def rest(self) -> list[Piece]:
        """The line that was never ended."""
        text, self._open = self._begun(self._open), ""
        return [Piece(text + "\n")] if text else []

    def _begun(self, text: str) -> str:
        """The text; if the last that was given out ended in the middle of a line, it may begin with half a secret."""
        if not (text and self._midline):
            return text
        self._midline = False
        return _CUT_BLOB.sub("***", text)

    def _added(self, text: str) -> tuple[str, bool]:
        seen = self._seen
        if text in seen or _common(text, seen) * 2 > len(text):
            return "", False  # nothing new, or an answer older than the last
        self._seen = text
        if text.startswith(seen):
            return text[len(seen) :] if seen else _CUT_BLOB.sub("***", text), False
        common = _common(seen, text)
        return (text[common:], False) if common else (_CUT_BLOB.sub("***", text), True)


def _common(earlier: str, later: str) -> int:
    """How many characters at the end of a text are the beginning of another; 0 where that may be chance."""
    if len(later) < OVERLAP:
        return 0
    at = earlier.find(later[:OVERLAP])
    while at >= 0 and not later.startswith(earlier[at:]):
        at = earlier.find(later[:OVERLAP], at + 1)
    return len(earlier) - at if at >= 0 else 0


class Consoles:
    """Reads the consoles of our machines; needs EC2 alone."""

    def __init__(self, cloud: Cloud, clock: Clock) -> None:
        self._cloud = cloud
        self._clock = clock

    def find(self, word: str) -> Instance:
        """The machine that is meant, see :func:`find`; those of others never are.

        Raises:
            MachineUnknown: None is meant, or several are.
            CloudError: The machines could not be listed.
        """
        return find(self._cloud.instances(), word)

    def read(self, instance: Instance, *, raw: bool = False) -> str:
        """What the machine has written so far, as far as EC2 shows it; empty when EC2 has nothing (yet)."""
        return shown(_CUT_BLOB.sub("***", self._cloud.console(instance.region, instance.id)), raw=raw)

    def again(self, instance: Instance) -> Instance | None:
        """The machine as it is now; None when EC2 shows it no more.

        Raises:
            CloudError: EC2 could not be read several times in a row, or refuses.
        """
        return self._patiently(lambda: self._again(instance))

    def _again(self, instance: Instance) -> Instance | None:
        there = self._cloud.find(instance.name) if instance.name else self._cloud.instances()
        return next((each for each in there if each.id == instance.id), None)

    def follow(
        self, instance: Instance, *, raw: bool = False, listened: Callable[[], bool] = lambda: True
    ) -> Iterator[Piece]:
        """Give out what is new until the machine has terminated, and then its last lines.

        Args:
            instance: The machine.
            raw: Keep what a terminal would take for orders.
            listened: Whether anybody is still there to read; asked before each look.

        Raises:
            CloudError: EC2 could not be read several times in a row, or refuses.
        """
        tail, pause, unseen = Tail(), SOONEST, 0
        while unseen < LOOKS_AFTER_THE_END and listened():
            over, text = self._look(instance)
            unseen = unseen + 1 if over else 0
            pieces = tail.look(text)
            pause = SOONEST if pieces else min(pause * 1.5, LATEST)
            if unseen == LOOKS_AFTER_THE_END:
                pieces += tail.rest()
            yield from (Piece(shown(piece.text, raw=raw), piece.lost) for piece in pieces)
            if unseen < LOOKS_AFTER_THE_END:
                self._clock.wait(pause)

    def _look(self, instance: Instance) -> tuple[bool, str]:
        """Whether the machine has ended, or is not to be seen, and its console after that."""
        now = self.again(instance)
        over = now is None or now.state is State.TERMINATED
        return over, self._patiently(lambda: self._cloud.console(instance.region, instance.id))

    def _patiently(self, ask: Callable[[], _Answer]) -> _Answer:
        for left in reversed(range(PATIENCE)):
            try:
                return ask()
            except RunnerkitError as error:
                if not error.retryable or not left:
                    raise
                self._clock.wait(LATEST)
        raise AssertionError


def ending(instance: Instance | None) -> str:
    """How a machine ended, in words; empty while it lives."""
    if instance is None:
        return "EC2 shows the machine no more"
    if instance.live:
        return ""
    reason = instance.state_reason or "EC2 gives no reason"
    words = "AWS took it back" if instance.taken_back else _REASONS.get(instance.state_reason, "")
    return f"the machine is {instance.state}: {words + ' (' + reason + ')' if words else reason}"


# Source: EC2's API reference, StateReason.
_REASONS = {
    "Client.InstanceInitiatedShutdown": "it powered off by itself",
    "Client.UserInitiatedShutdown": "somebody ended it",
    "Client.InternalError": "it could not start, often for want of a key to its encrypted disk",
    "Client.VolumeLimitExceeded": "the account's limit of disks was reached",
    "Server.InternalError": "EC2 failed",
    "Server.InsufficientInstanceCapacity": "EC2 had no capacity after all",
}
