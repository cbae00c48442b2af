"""A machine's console: found by name, shown without doing harm, followed without repeating or losing anything."""

from __future__ import annotations

import base64
import json
import re
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runnerkit.consoles import LONGEST_LINE, PATIENCE, Consoles, Tail, ending, find, shown
from runnerkit.errors import CloudDenied, CloudThrottled, CloudUnavailable, MachineUnknown
from runnerkit.model import Instance, Market, State
from runnerkit.testing import FakeClock, FakeCloud
from runnerkit.testing.clock import EPOCH

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

LIMIT = 64 * 1024
BLOB = base64.b64encode(json.dumps({".runner": "e30=" * 300, ".credentials": "e30="}).encode()).decode()


def machine(id_: str, name: str, state: State = State.RUNNING, minutes: float = 0) -> Instance:
    at = EPOCH + timedelta(minutes=minutes)
    return Instance(id_, name, "acme/w", "eu-west-1", "eu-west-1a", "g5.xlarge", Market.SPOT, state, at)


# --- who is meant -----------------------------------------------------------------------------------------------------

FLEET = [machine("i-0a", "rk-1-1"), machine("i-0b", "rk-1-10"), machine("i-0c", "rk-77-2-abcdef01-1")]


@pytest.mark.parametrize(
    ("word", "id_"), [("rk-1-1", "i-0a"), ("i-0b", "i-0b"), ("77-2", "i-0c"), ("ABCDEF", "i-0c"), ("-10", "i-0b")]
)
def test_a_name_an_id_or_part_of_a_name_means_a_machine(word: str, id_: str) -> None:
    """What fits exactly comes before what is only part of a name."""
    assert find(FLEET, word).id == id_


def test_what_may_mean_several_is_refused_with_their_names() -> None:
    """Nobody guesses which one was meant."""
    with pytest.raises(MachineUnknown, match=r"rk-1-1, rk-1-10, rk-77-2-abcdef01-1"):
        find(FLEET, "rk-")


@pytest.mark.parametrize("word", ["rk-9", "i-0123456789abcdef0", ""])
def test_what_is_not_ours_is_not_found(word: str) -> None:
    """Neither an unknown name nor the id of somebody else's instance, nor nothing."""
    with pytest.raises(MachineUnknown) as caught:
        find(FLEET, word)
    assert "aws.owner" in caught.value.hint


def test_of_one_name_the_living_machine_is_meant_then_the_newest() -> None:
    """A name may have been used before; its old machines are shown by EC2 for a while."""
    old, new = machine("i-1", "rk-1-1", State.TERMINATED, 1), machine("i-2", "rk-1-1", State.TERMINATED, 2)
    assert find([new, old], "rk-1-1").id == "i-2"
    assert find([new, replace(old, state=State.RUNNING)], "rk-1").id == "i-1"
    assert find([new, old], "i-1").id == "i-1"


# --- what is shown ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "left"),
    [
        ("\x1b[0;32m  OK  \x1b[0m] Started\r\n", "  OK  ] Started\n"),
        ("\x1b[2J\x1b[1;1Hclear", "clear"),
        ("\x1b]0;a title\x07text", "text"),
        ("\x1b]8;;http://evil.example\x1b\\link\x1b]8;;\x1b\\", "link"),
        ("\x1b]52;c;cm0gLXJmIC8=\x07paste", "paste"),
        ("\x1bP+q544e\x1b\\answer", "answer"),
        ("\x1b]never ended\nnext line\n", "\nnext line\n"),
        ("\x1b7saved\x1b8 \x1b(B\x1bc", "saved "),
        ("\x9b31mred\x9d0;title\x9c!", "red!"),
        ("over\rwritten\n", "over\nwritten\n"),
        ("bell\x07 back\x08 null\x00 del\x7f", "bell back null del"),
        ("tab\tstays, so does \N{SNOWMAN} and \N{LATIN SMALL LETTER E WITH ACUTE}\n",) * 2,
        ("\u202eevil\u2066", "evil"),
        ("\x1b", ""),
    ],
)
def test_nothing_that_drives_a_terminal_is_left(written: str, left: str) -> None:
    """Plain text stays as it is; colours, titles, links, clipboards, cursor and screen do not get through."""
    assert shown(written) == left


@given(st.text(st.characters(max_codepoint=0x2070), max_size=200))
def test_no_control_character_gets_through(text: str) -> None:
    """Whatever a machine writes, only text, tabs and line ends are printed."""
    assert all(letter in "\n\t" or (letter >= " " and not "\x7f" <= letter <= "\x9f") for letter in shown(text))


def test_raw_leaves_control_sequences_in() -> None:
    """Who asks for them gets them."""
    assert shown("\x1b[31mred\r\n", raw=True) == "\x1b[31mred\r\n"


@pytest.mark.parametrize("raw", [False, True])
@pytest.mark.parametrize(
    "line",
    [
        f"ACTIONS_RUNNER_INPUT_JITCONFIG={BLOB}",
        f"Environment='ACTIONS_RUNNER_INPUT_JITCONFIG={BLOB}' was set",
        f'"ACTIONS_RUNNER_INPUT_JITCONFIG": "{BLOB}"',
        f"run.sh --jitconfig {BLOB}",
        f"jit: {BLOB}\x1b[0m",
        f"cloud-init: {{'content': '{BLOB}'}}",
        f"ACTIONS_RUNNER_INPUT_TOKEN={BLOB}",
        f"\x1b[31m{BLOB}\x1b[0m",
        f"jit: \x1b[1m{BLOB[:2]}\x1b[0m{BLOB[2:60]}\x1b[K{BLOB[60:]}",
        f"word\x1b[0m{BLOB}",
        f"\x1b]0;{BLOB}\x07 is the title ***",
    ],
)
def test_the_jit_configuration_never_appears(line: str, raw: bool) -> None:
    """Whoever put it on the console, neither it nor any longer part of it is printed."""
    printed = shown(f"before\n{line}\nafter\n", raw=raw)
    assert not any(BLOB[at : at + 24] in printed for at in range(0, len(BLOB) - 24, 8))
    assert "***" in printed
    assert printed.startswith("before\n")
    assert printed.endswith("after\n")


@pytest.mark.parametrize("raw", [False, True])
@pytest.mark.parametrize(
    "line",
    [
        "\x1b[32mghs_{}\x1b[0m",
        "\x1b[01;31m\x1b[Kghs_\x1b[m\x1b[K{}",
        "g\x1b[0mithub\x00_pat_{}",
        "export TOKEN_ghp_{}",
        "ACTIONS_RUNNER_INPUT_\x1b[31mTOKEN\x1b[0m={}",
        '{{"ACTIONS_RUNNER_INPUT_TOKEN": "{}"}}',
        "'--jitconfig', '{}'",
        "ghs_123456_eyJhbGciOiJIUzI1NiJ9.{}",
    ],
)
def test_colours_and_quotes_do_not_hide_a_secret(line: str, raw: bool) -> None:
    """What `grep --color` or a debugger makes of it is masked as well; the colours around it stay where asked for."""
    token = "a1B2c3D4e5" * 4
    printed = shown(f"before {line.format(token)} after\n", raw=raw)
    assert token[:8] not in re.sub(r"\x1b\[[0-9;]*[mK]|\x00", "", printed)
    assert printed.startswith("before ")
    assert printed.endswith(" after\n")
    if raw:
        assert line.count("\x1b") == printed.count("\x1b")


def test_tokens_are_masked_and_host_keys_are_not() -> None:
    """GitHub's tokens are secrets; the public host key, which the image builder reads there, is none."""
    assert "ghs_" not in shown("token ghs_" + "a1" * 20)
    assert "github_pat_" not in shown("github_pat_" + "A_1" * 20)
    key = "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABgQ" + "Cx7" * 100 + "= root@ip-10-0-0-1\n"
    assert shown(key) == key


def test_a_blob_whose_beginning_ec2_has_dropped_is_masked() -> None:
    """The buffer is cut anywhere, also in the middle of a secret that stood first."""
    cloud = FakeCloud(FakeClock())
    cloud.consoles["i-1"] = BLOB[40:] + "\nafter\n"
    assert Consoles(cloud, FakeClock()).read(machine("i-1", "rk-1-1")) == "***\nafter\n"
    (piece,) = Tail().look(BLOB[40:] + "\nafter\n")
    assert piece.text == "***\nafter\n"
    for rest in ("hs_" + "a1B2c3" * 6, "[31mhs_" + "a1B2c3" * 6, "_" + "a1B2c3" * 6):
        (piece,) = Tail().look(rest + "\nafter\n")
        assert piece.text == "***\nafter\n"


def test_a_secret_in_a_line_without_an_end_is_masked_in_both_halves() -> None:
    """A line that is longer than the buffer is given out in pieces, and one of them may end within a secret."""
    tail = Tail()
    start = "x " * (LONGEST_LINE // 2)
    pieces = tail.look(start + BLOB[:300]) + tail.look(start + BLOB + " goes on\n")
    printed = "".join(shown(piece.text) for piece in pieces)
    assert printed == start + "***" * 2 + " goes on\n"


# --- what is new ------------------------------------------------------------------------------------------------------


def looks(*texts: str) -> tuple[str, int]:
    """All that is given out for these looks, and how often something was lost."""
    tail = Tail()
    pieces = [piece for text in texts for piece in tail.look(text)] + tail.rest()
    return "".join(piece.text for piece in pieces), sum(piece.lost for piece in pieces)


def test_each_look_adds_only_what_is_new() -> None:
    """Growing output is given out line by line, the unfinished line when it is finished."""
    tail = Tail()
    assert [each.text for each in tail.look("one\ntw")] == ["one\n"]
    assert tail.look("one\ntw") == []
    assert [each.text for each in tail.look("one\ntwo\nth")] == ["two\n"]
    assert [each.text for each in tail.rest()] == ["th\n"]
    assert tail.rest() == []


def test_an_answer_older_than_the_last_adds_nothing() -> None:
    """EC2 may answer from another copy: what was seen is not repeated."""
    text = "".join(f"line {n}\n" for n in range(50))
    assert looks(text, text[:200], text, "", text) == (text, 0)


def test_an_older_answer_is_known_when_the_buffer_has_rolled() -> None:
    """Its beginning has been dropped since, and still nothing of it is printed again or called lost."""
    text = "".join(f"[{n:8.3f}] line {n}\n" for n in range(9000))
    at = [LIMIT, LIMIT + 9000, LIMIT + 6000, LIMIT + 9000, LIMIT + 9500]
    printed, lost = looks(*(text[end - LIMIT : end] for end in at))
    assert lost == 0
    assert printed.rstrip("\n") == text[: at[-1]].rstrip("\n")


@given(st.lists(st.integers(1, 3000), min_size=1, max_size=60))
def test_a_rolling_buffer_is_followed_without_a_gap(steps: list[int]) -> None:
    """However much is written between two looks, as long as it is less than the buffer, every line comes once."""
    whole = "".join(f"[{n:8.3f}] line number {n} of the console\n" for n in range(8000))
    at, texts = 0, []
    for step in steps:
        at = min(at + step, len(whole))
        texts.append(whole[max(0, at - 4096) : at])
    printed, lost = looks(*texts)
    assert lost == 0
    assert printed.rstrip("\n") == whole[max(0, min(steps[0], at) - 4096) : at].rstrip("\n")


def test_a_gap_is_told() -> None:
    """More than a buffer's worth between two looks: what is there is printed, and it is said that something is not."""
    before, after = "".join(f"early {n}\n" for n in range(9000)), "".join(f"late {n}\n" for n in range(9000))
    printed, lost = looks(before[-LIMIT:] + "unfinished", after[-LIMIT:])
    assert lost == 1
    assert printed == before[-LIMIT:] + "unfinished\n" + after[-LIMIT:]


def test_a_short_likeness_is_no_overlap() -> None:
    """That the new text begins with the line end that the old one ended with proves nothing."""
    assert looks("x" * 200 + "\n", "\n" + "y" * 200 + "\n")[1] == 1


def test_half_a_character_at_the_edge_breaks_nothing() -> None:
    """EC2 cuts bytes; what arrives as a broken character is whole, or gone, at the next look."""
    line = "\N{SNOWMAN} snow falls\n".encode()
    whole = line * 6000
    for cut in range(1, len(line) + 1):
        first, second = whole[-LIMIT - 30 : -cut], whole[-LIMIT + cut :]
        printed, lost = looks(first.decode(errors="replace"), second.decode(errors="replace"))
        assert lost == 0
        assert "\ufffd" not in printed


# --- following --------------------------------------------------------------------------------------------------------


@dataclass
class Story:
    """A machine that writes while time passes."""

    clock: FakeClock = field(default_factory=FakeClock)
    wrong: list[Exception] = field(default_factory=list)
    reads: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        story = self

        class Cloud(FakeCloud):
            """Counts reads, and fails as told."""

            def console(self, region: str, instance_id: str) -> str:
                story.reads.append((story.clock.now() - EPOCH).total_seconds())
                if story.wrong:
                    raise story.wrong.pop(0)
                return super().console(region, instance_id)

            def find(self, name: str) -> Sequence[Instance]:
                return [each for each in story.there if each.name == name]

        self.cloud = Cloud(self.clock)
        self.instance = machine("i-1", "rk-1-1")
        self.there = [self.instance]
        self.cloud.consoles["i-1"] = ""

    def write(self, text: str) -> None:
        """The machine writes."""
        self.cloud.consoles["i-1"] = (self.cloud.consoles["i-1"] + text)[-LIMIT:]

    def at(self, seconds: float, what: Callable[[], None]) -> None:
        """Let something happen once at a time."""
        done: list[bool] = []

        def tick() -> None:
            if not done and self.clock.now() >= EPOCH + timedelta(seconds=seconds):
                done.append(True)
                what()

        self.clock.listen(tick)

    def end(self, reason: str = "Client.InstanceInitiatedShutdown") -> None:
        """The machine ends."""
        self.there = [replace(self.instance, state=State.TERMINATED, state_reason=reason)]

    def follow(self) -> str:
        """All that following it prints."""
        return "".join(piece.text for piece in Consoles(self.cloud, self.clock).follow(self.instance))


def test_following_ends_with_the_machine_and_its_last_lines() -> None:
    """Lines come once, in order, also those that EC2 shows only after the end."""
    story = Story()
    story.write("booting\n")
    for second in range(5, 60, 7):
        story.at(second, lambda second=second: story.write(f"at {second}\n"))  # type: ignore[misc]  # a loop's value
    story.at(60, story.end)
    story.at(63, lambda: story.write("powering off: the job is done\nreboot: Power down"))
    lines = ["booting", *(f"at {second}" for second in range(5, 60, 7)), "powering off: the job is done"]
    assert story.follow() == "\n".join([*lines, "reboot: Power down\n"])
    assert story.clock.now() < EPOCH + timedelta(seconds=100)


def test_a_silent_machine_is_looked_at_ever_more_seldom() -> None:
    """The cadence is bounded both ways: never closer than two seconds, never wider than ten."""
    story = Story()
    story.at(300, lambda: story.write("at last\n"))
    story.at(400, story.end)
    assert story.follow() == "at last\n"
    gaps = [later - earlier for earlier, later in zip(story.reads, story.reads[1:], strict=False)]
    assert 2 <= min(gaps)
    assert max(gaps) <= 10
    assert len(story.reads) < 60


def test_following_outlives_bad_minutes_of_aws_and_not_a_refusal() -> None:
    """A few failures are passed over, too many end it, and what will never work is told at once."""
    story = Story(wrong=[CloudUnavailable("away") for _ in range(PATIENCE - 1)])
    story.write("hello\n")
    story.at(90, story.end)
    assert story.follow() == "hello\n"
    with pytest.raises(CloudUnavailable):
        Story(wrong=[CloudUnavailable("away") for _ in range(PATIENCE)]).follow()
    denied = Story(wrong=[CloudDenied("no")])
    with pytest.raises(CloudDenied):
        denied.follow()
    assert len(denied.reads) == 1


def test_a_machine_that_a_list_leaves_out_for_a_moment_is_followed_on() -> None:
    """Lists lag: one look without it is not its end, several are."""
    story = Story()
    instance = story.there
    story.at(4, lambda: story.there.__delitem__(0))
    story.at(6, lambda: instance.append(story.instance))
    story.at(60, lambda: story.write("still here\n"))
    story.at(90, instance.clear)
    assert story.follow() == "still here\n"


def test_following_masks_and_cleans_as_well() -> None:
    """A secret that is written in two parts, with a look in between, is masked as one."""
    story = Story()
    story.write("\x1b[31mjit ACTIONS_RUNNER_INPUT_JITCONFIG=" + BLOB[:300])
    story.at(3, lambda: story.write(BLOB[300:] + "\n"))
    story.at(30, story.end)
    assert story.follow() == "jit ACTIONS_RUNNER_INPUT_JITCONFIG=***\n"


def test_the_end_is_asked_for_as_patiently_as_the_rest() -> None:
    """All has been printed; that AWS throttles the last question must not make it a failure."""
    story = Story()
    wrong: list[Exception] = [CloudThrottled("slow down"), CloudUnavailable("away")]

    class Busy(FakeCloud):
        """Throttles."""

        def find(self, name: str) -> Sequence[Instance]:
            if wrong:
                raise wrong.pop()
            return [each for each in story.there if each.name == name]

    assert story.instance == Consoles(Busy(story.clock), story.clock).again(story.instance)


# --- the end ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        ("Client.InstanceInitiatedShutdown", "powered off by itself"),
        ("Server.SpotInstanceTermination", "AWS took it back"),
        ("Client.UserInitiatedShutdown", "somebody ended it"),
        ("Client.Something", "Client.Something"),
        ("", "gives no reason"),
    ],
)
def test_the_end_is_told_with_the_state_reason(reason: str, words: str) -> None:
    """EC2's own reason in words, and the code where there is one."""
    told = ending(replace(FLEET[0], state=State.TERMINATED, state_reason=reason))
    assert words in told
    assert reason in told
    assert "terminated" in told


def test_a_living_machine_has_no_end() -> None:
    """And one that EC2 shows no more has one of which nothing is known."""
    assert ending(FLEET[0]) == ""
    assert "no more" in ending(None)
