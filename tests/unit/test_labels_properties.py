"""Laws of the label grammar that hold for every wish and every text."""

from __future__ import annotations

import re
import string
from typing import TYPE_CHECKING, TypeVar

from hypothesis import given, settings
from hypothesis import strategies as st

from runnerkit.errors import LabelError
from runnerkit.labels import Label, format_label, is_ours, parse, read
from runnerkit.labels.keys import KEYS
from runnerkit.labels.values import ARCHS, GPUS, region_of
from runnerkit.wishes import DAY, GITHUB_JOB_LIMIT, Disk, GpuWish, Range, Retry, RunnerSpec, SpotUse

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")
LOWER = string.ascii_lowercase + string.digits
names = st.from_regex(r"[a-z0-9][a-z0-9._-]{0,11}", fullmatch=True).filter(lambda name: not name.startswith("ami-"))
zones = st.sampled_from(["eu-west-1a", "eu-west-1b", "us-east-1f", "us-west-2-lax-1a", "us-gov-east-1c"])


def alternatives(one: st.SearchStrategy[T]) -> st.SearchStrategy[tuple[T, ...]]:
    """Up to three different ones."""
    return st.lists(one, max_size=3, unique=True).map(tuple)


def spans(numbers: st.SearchStrategy[float]) -> st.SearchStrategy[Range | None]:
    """Nothing, a lower bound, or a range."""
    both = st.tuples(numbers, numbers).map(sorted).map(lambda ends: Range(low=ends[0], high=ends[1]))
    return st.none() | numbers.map(lambda low: Range(low=low)) | both


@st.composite
def disks(draw: st.DrawFn) -> Disk:
    """A disk that EC2 could make."""
    gb = draw(st.integers(8, 65_536))
    iops = draw(st.none() | st.integers(3_000, 80_000))
    if iops is not None and draw(st.booleans()):
        return Disk(gb=gb, type="io2", iops=iops)
    return Disk(gb=gb, iops=iops, mibps=draw(st.none() | st.integers(125, 2_000)))


@st.composite
def wishes(draw: st.DrawFn) -> RunnerSpec:
    """Any wish that a label can say, except for its length."""
    no_gpu = draw(st.booleans())
    one_gpu = st.builds(GpuWish, model=st.sampled_from(GPUS), count=st.integers(1, 16))
    gpu = draw(alternatives(one_gpu) | st.just((GpuWish(model="any", count=4),)))
    zone = draw(alternatives(zones))
    region = draw(st.just(()) | st.just(tuple(dict.fromkeys(map(region_of, zone)))))
    return RunnerSpec(
        spec=draw(st.none() | names),
        gpu=() if no_gpu else gpu,
        no_gpu=no_gpu,
        type=draw(alternatives(st.from_regex(r"[a-z][a-z0-9]{0,3}\.[a-z0-9]{1,8}", fullmatch=True))),
        family=draw(alternatives(st.from_regex(r"[a-z][a-z0-9]{0,3}\*?", fullmatch=True))),
        cpu=draw(spans(st.integers(1, 9_999).map(float))),
        ram=draw(spans(st.integers(1, 9_999_999).map(lambda n: n / 100))),
        arch=draw(alternatives(st.sampled_from(ARCHS))),
        image=draw(st.none() | names | st.just("ami-0123456789abcdef0")),
        profile=draw(st.none() | st.text(string.ascii_letters + string.digits + "_+=,.@-", min_size=1, max_size=16)),
        spot=draw(st.none() | st.sampled_from(SpotUse)),
        region=region,
        zone=zone,
        disk=draw(st.none() | disks()),
        idle=draw(st.none() | st.integers(1, DAY)),
        life=draw(st.none() | st.integers(60, GITHUB_JOB_LIMIT)),
        retry=draw(st.none() | st.sampled_from(Retry)),
        price=draw(st.none() | st.integers(1, 9_999_999).map(lambda n: n / 1000)),
    )


short_wishes = wishes().filter(lambda spec: len(_spelt(spec)) <= 200)


def _spelt(spec: RunnerSpec) -> str:
    return "/".join(f"{name}={key.write(spec)}" for name, key in KEYS.items() if key.write(spec))


@given(scope=st.none() | names, spec=short_wishes)
@settings(max_examples=150, deadline=None)
def test_what_is_written_is_read_back_the_same(scope: str | None, spec: RunnerSpec) -> None:
    """parse(format(x)) == x."""
    label = Label(scope, spec)
    assert parse(format_label(label)) == label


@given(scope=names, spec=short_wishes, data=st.data())
@settings(max_examples=150, deadline=None)
def test_order_and_case_do_not_change_the_meaning(scope: str, spec: RunnerSpec, data: st.DataObject) -> None:
    """Whatever a person writes, the canonical spelling is one fixpoint."""
    canonical = format_label(Label(scope, spec))
    head, *parts = canonical.split("/")
    shuffled = [head, *data.draw(st.permutations(parts))]
    written = "/".join(part if part.startswith("profile=") else part.upper() for part in shuffled)
    assert format_label(parse(written)) == canonical


KEY_LIKE = st.sampled_from([*KEYS, "gup", "", "runnerkit", "GPU"])
VALUE_LIKE = st.text(LOWER + "+=:.*-$ \n\u00e9", max_size=14) | st.sampled_from(
    ["t4", "t44+l4", "amd64+arm64", "0", "20", "90000", "1e9", "nan", "inf", "9" * 60]
)
LABEL_LIKE = st.builds(
    lambda head, parts: head + "".join(f"/{key}={value}" for key, value in parts),
    st.sampled_from(["runnerkit", "runnerkit=1", "RUNNERKIT=", "runnerkit=${{ x }}"]),
    st.lists(st.tuples(KEY_LIKE, VALUE_LIKE), max_size=4),
)


def refusal(call: Callable[[], object]) -> LabelError | None:
    """The LabelError that a call ends with, if any; anything else it raises goes through."""
    try:
        call()
    except LabelError as error:
        return error
    return None


@given(st.text(max_size=400) | LABEL_LIKE)
@settings(max_examples=600)
def test_any_text_is_a_label_or_a_label_error(text: str) -> None:
    """No input raises anything else, or is read without being ours."""
    error = refusal(lambda: parse(text))
    if error is None:
        assert is_ours(text)
        assert parse(format_label(parse(text))) == parse(text)
    else:
        assert error.message.startswith("label ")
        assert error.message.isprintable()
        assert error.hint
        for near in re.findall(r"did you mean ([a-z]+=\S+)\?", error.hint):
            parse(f"runnerkit/{near}")


@given(
    st.lists(LABEL_LIKE | st.sampled_from(["self-hosted", "x64", "arm64", "gpu=t4", "a/b"]), max_size=4), st.booleans()
)
@settings(max_examples=300)
def test_any_labels_of_a_job_are_read_or_refused(job: list[str], arrays: bool) -> None:
    """A job is not ours exactly when no label is; otherwise it is read, or refused with a reason."""
    error = refusal(lambda: read(job, arrays=arrays))
    if error is None:
        assert (read(job, arrays=arrays) is None) == (not any(map(is_ours, job)))
    else:
        assert error.hint
