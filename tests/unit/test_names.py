"""Names, birth labels and label sets: what joins AWS and GitHub, and what keeps controllers apart."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runnerkit.names import BORN_PREFIX, NAME_LIMIT, Birth, RunnerName, label_digest, label_key
from runnerkit.settings import OWNER_PATTERN

AT = datetime(2026, 3, 1, 12, 0, 7, tzinfo=UTC)
IDS = st.integers(0, 10**14)
SERIALS = st.integers(0, 999_999)
DIGESTS = st.from_regex(r"\A[0-9a-f]{8}\Z")
OWNERS = st.from_regex(OWNER_PATTERN.replace("^", r"\A").replace("$", r"\Z"))
NAMES = st.builds(RunnerName.for_job, IDS, SERIALS) | st.builds(
    RunnerName.for_launch, IDS, st.integers(1, 999), DIGESTS, SERIALS
)


@given(name=NAMES)
def test_a_name_reads_back(name: RunnerName) -> None:
    """Whoever reads a name from EC2 or GitHub knows whose machine it is and which try."""
    assert name == RunnerName.parse(str(name))
    assert len(str(name)) <= NAME_LIMIT


@given(text=st.text(max_size=80) | st.from_regex(r"rk-\d{1,3}(-\d{1,2}-[0-9a-f]{8})?-\d{1,7}", fullmatch=True))
def test_what_reads_as_a_name_is_spelt_as_we_spell_it(text: str) -> None:
    """Two spellings never stand for one name: digits are ASCII, and nothing stands around them."""
    name = RunnerName.parse(text)
    assert name is None or (text.isascii() and str(name) == f"{name.stem}-{int(text.rpartition('-')[2])}")


@pytest.mark.parametrize(
    "foreign",
    [
        *("rk-7-\u0663", "rk-\uff17-1", "rk-7-1\n", " rk-7-1", "RK-7-1", "rk-7-1234567", f"rk-{'7' * 60}-1"),
        *("rk-7-1-2", "rk-7-1-DEADBEEF-2", "rk-7-1-deadbee-2", "rk--1", "rk-7-", "rk-7--1"),
    ],
)
def test_foreign_names_are_nobodys(foreign: str) -> None:
    """A name that only resembles ours is never taken for ours."""
    assert RunnerName.parse(foreign) is None


def test_names_of_different_things_never_meet() -> None:
    """A job's name is never a launch's, and the tries of one thing are told apart."""
    names = {
        RunnerName.for_job(7, 1),
        RunnerName.for_job(7, 2),
        RunnerName.for_job(71),
        RunnerName.for_launch(7, 1, "0" * 8),
        RunnerName.for_launch(7, 2, "0" * 8),
        RunnerName.for_launch(7, 1, "1" * 8),
    }
    assert 6 == len({str(name) for name in names})


@given(owner=OWNERS, seconds=st.integers(0, 10**9))
def test_a_birth_reads_back(owner: str, seconds: int) -> None:
    """When and by which installation, to the second and without case, from among other labels."""
    birth = Birth(AT + timedelta(seconds=seconds), owner)
    found = Birth.find(("gpu", birth.label.upper(), "other"))
    assert (birth.at, owner.lower()) == (found and found.at, found and found.owner)


def test_the_default_owner_is_not_said() -> None:
    """The common case has the short label, and the short label means the common owner."""
    assert f"{BORN_PREFIX}{int(AT.timestamp())}" == Birth(AT).label == Birth(AT, "RunnerKit").label
    assert Birth(AT) == Birth.find([Birth(AT).label])


@pytest.mark.parametrize(
    "label",
    [
        *(BORN_PREFIX, f"{BORN_PREFIX}x", f"{BORN_PREFIX}1-", f"{BORN_PREFIX}1-a b", f"{BORN_PREFIX}{'1' * 12}"),
        *(f"x{BORN_PREFIX}1", f"{BORN_PREFIX}1 ", f"{BORN_PREFIX}\u0663"),
    ],
)
def test_a_label_that_is_no_birth_makes_no_runner_ours(label: str) -> None:
    """Whatever merely looks like a birth label leaves a runner foreign, and raises nothing."""
    assert Birth.find([label]) is None


def test_the_birth_label_is_no_part_of_the_label_set() -> None:
    """The set that jobs are matched by knows neither case nor birth nor order nor repetition."""
    assert frozenset({"gpu", "t4"}) == label_key(["T4", "gpu", "GPU", Birth(AT, "ml").label.upper()])


def test_a_digest_stands_for_place_and_label_set() -> None:
    """Equal sets at equal places have one digest, others have another."""
    digest = label_digest("acme/widgets", ["runnerkit=1/gpu=t4"])
    assert digest == label_digest("Acme/Widgets", ["RUNNERKIT=1/gpu=T4", Birth(AT).label])
    others = {
        label_digest("acme/other", ["runnerkit=1/gpu=t4"]),
        label_digest("acme/widgets", ["runnerkit=2/gpu=t4"]),
        label_digest("acme/widgets", ["runnerkit=1/gpu=t4", "x"]),
        label_digest("acme/widgets", []),
    }
    assert 4 == len(others - {digest})
    assert RunnerName.parse(str(RunnerName.for_launch(1, 1, digest))) is not None
