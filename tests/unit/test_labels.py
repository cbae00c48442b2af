"""The grammar of labels: read, written, and refused with a reason that helps."""

from __future__ import annotations

import re
import time

import pytest

from runnerkit import labels
from runnerkit.errors import LabelError
from runnerkit.labels import Label, format_label, is_ours, parse, read
from runnerkit.wishes import Disk, GpuWish, Range, Retry, RunnerSpec, SpotUse


def wish(**fields: object) -> RunnerSpec:
    """A wish with these fields."""
    return RunnerSpec.model_validate(fields)


@pytest.mark.parametrize(
    ("spec", "text"),
    [
        (wish(), ""),
        (wish(spec="train"), "/spec=train"),
        (wish(gpu=(GpuWish(model="t4"),)), "/gpu=t4"),
        (wish(gpu=(GpuWish(model="l4", count=2), GpuWish(model="a10g"))), "/gpu=2xl4+a10g"),
        (wish(gpu=(GpuWish(model="any"),)), "/gpu=any"),
        (wish(no_gpu=True), "/gpu=0"),
        (wish(type=("g5.xlarge", "u-6tb1.metal")), "/type=g5.xlarge+u-6tb1.metal"),
        (wish(family=("g6*", "p6-b200")), "/family=g6*+p6-b200"),
        (wish(cpu=Range(low=4)), "/cpu=4"),
        (wish(cpu=Range(low=4, high=16)), "/cpu=4+16"),
        (wish(ram=Range(low=7.5, high=64)), "/ram=7.5+64"),
        (wish(arch=("x64", "arm64")), "/arch=x64+arm64"),
        (wish(image="ami-0123456789abcdef0"), "/image=ami-0123456789abcdef0"),
        (wish(profile="Team/x".replace("/", "+")), "/profile=Team+x"),
        (wish(spot=SpotUse.ONLY), "/spot=only"),
        (wish(region=("us-gov-west-1", "eusc-de-east-1")), "/region=us-gov-west-1+eusc-de-east-1"),
        (wish(zone=("eu-west-1a", "us-west-2-lax-1b")), "/zone=eu-west-1a+us-west-2-lax-1b"),
        (wish(disk=Disk(gb=100)), "/disk=100gb"),
        (wish(disk=Disk(gb=100, mibps=500, iops=6000)), "/disk=100gb:500mibps:6000iops"),
        (wish(disk=Disk(gb=8, type="io2", iops=3000)), "/disk=8gb:io2:3000iops"),
        (wish(idle=5400), "/idle=1h30m"),
        (wish(life=432_000), "/life=5d"),
        (wish(retry=Retry.NEVER), "/retry=never"),
        (wish(price=0.5), "/price=0.5"),
    ],
)
def test_a_wish_and_its_label_say_the_same(spec: RunnerSpec, text: str) -> None:
    """Each key is written in its canonical form and read back as the same wish."""
    label = Label("17291", spec)
    assert format_label(label) == f"runnerkit=17291{text}"
    assert parse(f"runnerkit=17291{text}") == label


def test_the_scope_is_optional_and_lower_case() -> None:
    """No scope is None; letters in one do not keep their case, because GitHub's labels do not."""
    assert parse("runnerkit").scope is None
    assert parse("RUNNERKIT=Run-1.a_B").scope == "run-1.a_b"


@pytest.mark.parametrize(
    ("text", "ours"),
    [
        ("runnerkit", True),
        ("RunnerKit=1", True),
        ("runnerkit/gpu=t4", True),
        ("runnerkit=", True),
        ("runnerkit-born-1761000000", False),
        ("runnerkits", False),
        ("my-runnerkit", False),
        ("self-hosted", False),
        (" runnerkit", False),
        ("runner\u212ait", False),
        ("", False),
    ],
)
def test_only_the_word_itself_is_ours(text: str, ours: bool) -> None:
    """A label is ours when it begins with the word, not with a longer one."""
    assert is_ours(text) is ours


@pytest.mark.parametrize(
    "text",
    [
        "runnerkit/gpu=t4\n",
        "runnerkit/gpu=t4\x00",
        "runnerkit/gpu=\u200bt4",
        "runnerkit/gpu=t\u0664",
        "\x1b[31mrunnerkit",
    ],
)
def test_no_control_characters_reach_the_reader(text: str) -> None:
    """Characters that a terminal or a log would act on are refused and shown escaped."""
    with pytest.raises(LabelError) as refused:
        parse(text)
    assert str(refused.value).isascii()
    assert str(refused.value).isprintable()


def test_a_label_longer_than_github_takes_is_refused() -> None:
    """257 characters are one too many, and the reason does not repeat them all."""
    longest = "runnerkit=" + "x" * 246
    assert parse(longest).scope == "x" * 246
    with pytest.raises(LabelError) as refused:
        parse(longest + "x")
    assert "257" in refused.value.message
    assert len(refused.value.message) < 200


def test_a_wish_that_no_label_can_say_is_not_spelt_wrongly() -> None:
    """Formatting raises instead of writing something that means another wish."""
    with pytest.raises(LabelError):
        format_label(Label(None, wish(profile="team/role")))
    with pytest.raises(LabelError):
        format_label(Label(None, wish(gpu=(GpuWish(model="t4"),), no_gpu=True)))


def test_an_error_names_the_label_the_key_the_value_and_what_is_allowed() -> None:
    """Everything a person needs to mend it is in message and hint."""
    with pytest.raises(LabelError) as refused:
        parse("runnerkit=17291/gpu=t44")
    error = refused.value
    assert error.key == "gpu"
    assert "runnerkit=17291/gpu=t44" in error.message
    assert "gpu=t44" in error.message
    assert "did you mean gpu=t4?" in error.hint
    assert "a10g" in error.hint


@pytest.mark.parametrize(
    ("part", "near"),
    [
        ("gpu=00", ""),
        ("gpu=20", ""),
        ("disk=7", ""),
        ("life=90000", ""),
        ("price=$0", ""),
        ("gpu=zzz+t44", ""),
        ("gpu=t44+2xl4", "gpu=t4+2xl4"),
        ("gpu=t44+l44", "gpu=t4+l4"),
        ("arch=amd64+arm64", "arch=x64+arm64"),
        ("arch=amd64+x64", "arch=x64"),
    ],
)
def test_what_is_proposed_is_whole_and_valid(part: str, near: str) -> None:
    """Who takes the nearest spelling up is not refused again, and loses none of the alternatives."""
    with pytest.raises(LabelError) as refused:
        parse(f"runnerkit/{part}")
    assert re.findall(r"did you mean (\S+)\?", refused.value.hint) == ([near] if near else [])


# --- a job's labels ---------------------------------------------------------------------------------------------------


def test_a_job_without_our_label_is_not_ours() -> None:
    """Other runners' jobs are left alone, whatever their labels."""
    assert read([]) is None
    assert read(["self-hosted", "gpu=t4"], arrays=True) is None


def test_a_job_with_one_label_of_ours_is_read() -> None:
    """The ordinary case."""
    assert read(["runnerkit=1/gpu=t4"]) == parse("runnerkit=1/gpu=t4")


@pytest.mark.parametrize("other", ["self-hosted", "linux", "x64", "gpu=t4", "team-a"])
def test_any_label_beside_ours_is_refused_by_default(other: str) -> None:
    """A runner with several labels could be taken by jobs that ask for some of them."""
    with pytest.raises(LabelError, match="any job that asks for some of them could take it"):
        read([other, "runnerkit=1"])


def test_the_refusal_of_an_array_says_how_to_write_it() -> None:
    """The hint is the one label that means the same."""
    with pytest.raises(LabelError) as refused:
        read(["self-hosted", "runnerkit=1", "gpu=t4", "disk=100gb"])
    assert "runs-on: runnerkit=1/gpu=t4/disk=100gb" in refused.value.hint


def test_two_labels_of_ours_are_refused_in_any_mode() -> None:
    """One job, one machine."""
    for arrays in (False, True):
        with pytest.raises(LabelError, match="one machine only"):
            read(["runnerkit=1", "runnerkit=2"], arrays=arrays)


@pytest.mark.parametrize(
    ("array", "text"),
    [
        (["self-hosted", "runnerkit", "gpu=t4"], "runnerkit/gpu=t4"),
        (["GPU=T4", "RunnerKit=7/spot=only", "Linux"], "runnerkit=7/gpu=t4/spot=only"),
        (["runnerkit", "arm64"], "runnerkit/arch=arm64"),
        (["runnerkit/arch=x64", "x64"], "runnerkit/arch=x64"),
    ],
)
def test_an_array_is_understood_when_allowed(array: list[str], text: str) -> None:
    """Keys may be labels of their own; an architecture that a label claims is asked for."""
    assert read(array, arrays=True) == parse(text)


@pytest.mark.parametrize(
    ("array", "reason"),
    [
        (["runnerkit", "team-a"], "nothing is known by that name"),
        (["runnerkit", "windows"], "nothing is known by that name"),
        (["runnerkit", "gpu=t4/cpu=4"], "nothing is known by that name"),
        (["runnerkit/gpu=t4", "gpu=l4"], "gpu= is there twice"),
        (["runnerkit", "x64", "arm64"], "different architectures"),
        (["runnerkit/arch=x64", "arm64"], "different architectures"),
        (["runnerkit", "gup=t4"], "no key 'gup'"),
    ],
)
def test_what_an_array_cannot_mean_is_refused(array: list[str], reason: str) -> None:
    """An unknown companion would have to be a label of the runner, so it is never passed over."""
    with pytest.raises(LabelError, match=reason):
        read(array, arrays=True)


def test_hostile_lengths_are_answered_at_once() -> None:
    """Labels built to make an expression backtrack take no time."""
    began = time.thread_time()
    for text in ("runnerkit/zone=" + "a-" * 120, "runnerkit/life=" + "1" * 240, "runnerkit" * 100_000):
        with pytest.raises(LabelError):
            parse(text)
    assert time.thread_time() - began < 0.5


def test_the_public_names_are_these() -> None:
    """Callers rely on them."""
    assert {"Label", "parse", "format_label", "is_ours", "read"} <= set(dir(labels))
