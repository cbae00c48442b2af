"""Tags both ways: what a launch writes is what any controller reads."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from runnerkit import tags
from runnerkit.model import Instance, Market, State
from runnerkit.tags import Facts, instance_from, launch_tags, mark

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
FACTS = Facts(
    "i-1", "eu-west-1", "eu-west-1a", "g5.xlarge", Market.SPOT, State.RUNNING, NOW + timedelta(seconds=2), "x"
)
moments = st.datetimes(datetime(2020, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC)).map(  # noqa: DTZ001 - hypothesis adds it
    lambda at: at.replace(microsecond=0)
)
numbers = st.none() | st.integers(1, 10**15)


@given(
    times=st.tuples(moments, moments, moments, moments),
    ids=st.tuples(numbers, numbers, numbers),
    price=st.none() | st.decimals(0, 999, places=4, allow_nan=False).map(float),
    wish=st.text(st.characters(codec="utf-8", exclude_categories=["C"]), max_size=100),
)
def test_what_is_written_is_what_is_read(
    times: tuple[datetime, datetime, datetime, datetime],
    ids: tuple[int | None, int | None, int | None],
    price: float | None,
    wish: str,
) -> None:
    """Leases, ids, price and wish survive being text."""
    launched, online, idle, expires = times
    runner_id, run_id, job_id = ids
    written = launch_tags(
        owner="lab",
        name="rk-7-1",
        repo="octo/models",
        digest="0a1b2c3d",
        launched_at=launched,
        online_by=online,
        idle_until=idle,
        expires_at=expires,
        runner_id=runner_id,
        run_id=run_id,
        job_id=job_id,
        price=price,
        wish=wish,
    )
    assert instance_from(written, FACTS) == Instance(
        id="i-1",
        name="rk-7-1",
        repo="octo/models",
        region="eu-west-1",
        zone="eu-west-1a",
        type="g5.xlarge",
        market=Market.SPOT,
        state=State.RUNNING,
        launched_at=launched,
        digest="0a1b2c3d",
        runner_id=runner_id,
        run_id=run_id,
        job_id=job_id,
        state_reason="x",
        online_by=online,
        idle_until=idle,
        expires_at=expires,
        price=None if price is None else float(f"{price:.6g}"),
        spec=wish,
    )
    assert all(value and len(value) <= tags.VALUE_LIMIT for value in written.values())


@given(
    st.dictionaries(
        st.sampled_from([v for k, v in vars(tags).items() if k.isupper() and isinstance(v, str)]), st.text()
    )
)
def test_no_tag_can_hide_a_machine(marks: dict[str, str]) -> None:
    """Whatever somebody wrote, the instance is read."""
    seen = instance_from(marks, FACTS)
    assert (seen.id, seen.name) == ("i-1", marks.get(tags.RUNNER, ""))


def test_marks_name_their_tag_and_are_read_back() -> None:
    """With or without the prefix; None takes the tag away."""
    assert mark("lost-since", NOW) == mark(tags.LOST_SINCE, NOW) == {tags.LOST_SINCE: "1795262400"}
    assert mark("gone-since", None) == {tags.GONE_SINCE: None}
    seen = instance_from({tags.GONE_SINCE: "1795262400", tags.LOST_SINCE: "1795262401"}, FACTS)
    assert (seen.gone_since, seen.lost_since) == (NOW, NOW + timedelta(seconds=1))


def test_without_tags_ec2_tells_when_it_was_launched() -> None:
    """The tag wins because the leases were counted from it; without one EC2's own time has to do."""
    assert instance_from({}, FACTS).launched_at == FACTS.launched_at
    assert instance_from({tags.LAUNCHED_AT: "1795262400"}, FACTS).launched_at == NOW
