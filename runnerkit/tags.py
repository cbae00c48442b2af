"""The tags on our instances: what a launch writes, and what any controller reads back. Pure.

Points in time are epochs in seconds, because tags are text. Whatever cannot be understood counts as not said: somebody
else may have edited the tags, and a machine must be seen even then.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from runnerkit.model import Instance
from runnerkit.names import TAG_PREFIX

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from runnerkit.model import Market, State

OWNER = f"{TAG_PREFIX}owner"
RUNNER = f"{TAG_PREFIX}runner"
RUNNER_ID = f"{TAG_PREFIX}runner-id"
# On machines of a burst: how many were ordered together, when, and a digest of their names.
BATCH = f"{TAG_PREFIX}batch"
REPO = f"{TAG_PREFIX}repo"
RUN = f"{TAG_PREFIX}run"
JOB = f"{TAG_PREFIX}job"
SPEC = f"{TAG_PREFIX}spec"
WISH = f"{TAG_PREFIX}wish"
WISH_DIGEST = f"{TAG_PREFIX}wish-digest"
PRICE = f"{TAG_PREFIX}price"
LAUNCHED_AT = f"{TAG_PREFIX}launched-at"
ONLINE_BY = f"{TAG_PREFIX}online-by"
IDLE_UNTIL = f"{TAG_PREFIX}idle-until"
EXPIRES_AT = f"{TAG_PREFIX}expires-at"
GONE_SINCE = f"{TAG_PREFIX}gone-since"
LOST_SINCE = f"{TAG_PREFIX}lost-since"
RECIPE = f"{TAG_PREFIX}recipe"
RUNNER_VERSION = f"{TAG_PREFIX}runner-version"
# On images, their snapshots and the machines that build them.
DIGEST = f"{TAG_PREFIX}digest"
CONTENT = f"{TAG_PREFIX}content"
BASE = f"{TAG_PREFIX}base"
BASE_SOURCE = f"{TAG_PREFIX}base-source"
BAKED_AT = f"{TAG_PREFIX}baked-at"
GPU = f"{TAG_PREFIX}gpu"
BUILDER = f"{TAG_PREFIX}builder"
KEPT_UNTIL = f"{TAG_PREFIX}kept-until"
NAME = "Name"

VALUE_LIMIT = 256
_LATEST_EPOCH = 10**11
# Seconds until a machine of a burst must bear a runner's name: AWS takes three secrets a second.
HAND_OVER = 60.0
HAND_OVER_EACH = 0.5
LARGEST_BATCH = 1_000


# Every launch writes most of these.
_OF_A_LAUNCH = frozenset({RUNNER, RUNNER_ID, REPO, SPEC, BATCH, LAUNCHED_AT, ONLINE_BY, EXPIRES_AT})


@dataclass(frozen=True, slots=True)
class Facts:
    """What EC2 itself tells about an instance, without its tags."""

    id: str
    region: str
    zone: str
    type: str
    market: Market
    state: State
    launched_at: datetime
    state_reason: str = ""
    ended_at: datetime | None = None


def launch_tags(
    *,
    owner: str,
    name: str,
    repo: str,
    digest: str,
    launched_at: datetime,
    online_by: datetime,
    idle_until: datetime,
    expires_at: datetime,
    runner_id: int | None = None,
    run_id: int | None = None,
    job_id: int | None = None,
    price: float | None = None,
    wish: str = "",
    wish_digest: str = "",
    batch: str = "",
) -> dict[str, str]:
    """The tags a machine is launched with; what is None or empty is left out.

    Args:
        owner: The installation that the machine belongs to.
        name: The runner's name, also shown as the instance's name in the console.
        repo: The repository, ``owner/name``.
        digest: Stands for repository and label set, see :func:`runnerkit.names.label_digest`.
        launched_at: When this launch began.
        online_by: Until when the runner must have come online.
        idle_until: Until when it must have started a job.
        expires_at: The end of its life.
        runner_id: GitHub's id of its registration.
        run_id: The workflow run it was launched for.
        job_id: The job it was launched for.
        price: Dollars an hour, as far as known at launch.
        wish: The label or wish in words, for people.
        wish_digest: Stands for the wish without its SCOPE, see :func:`runnerkit.names.wish_digest`.
        batch: The burst that it belongs to, see :func:`batch_of`. Its name then comes later (:func:`runner_tags`).
    """
    said = {
        NAME: name,
        OWNER: owner,
        RUNNER: name,
        REPO: repo,
        SPEC: digest,
        LAUNCHED_AT: _epoch(launched_at),
        ONLINE_BY: _epoch(online_by),
        IDLE_UNTIL: _epoch(idle_until),
        EXPIRES_AT: _epoch(expires_at),
        RUNNER_ID: _text(runner_id),
        RUN: _text(run_id),
        JOB: _text(job_id),
        PRICE: "" if price is None else f"{price:.6g}",
        WISH: wish[:VALUE_LIMIT],
        WISH_DIGEST: wish_digest,
        BATCH: batch,
    }
    return {key: value for key, value in said.items() if value}


def runner_tags(
    name: str, repo: str, runner_id: int, run_id: int | None = None, job_id: int | None = None
) -> dict[str, str]:
    """What a machine of a burst is tagged with when it becomes a certain runner."""
    said = {NAME: name, RUNNER: name, REPO: repo, RUNNER_ID: str(runner_id), RUN: _text(run_id), JOB: _text(job_id)}
    return {key: value for key, value in said.items() if value}


def batch_of(names: Iterable[str], at: datetime) -> str:
    """The value of the batch tag: ``SIZE-EPOCH-DIGEST``."""
    known = sorted(names)
    return f"{len(known)}-{_epoch(at)}-{hashlib.sha256(chr(10).join(known).encode()).hexdigest()[:8]}"


def hand_over_by(batch: str, launched_at: datetime) -> datetime | None:
    """Until when a machine with this batch tag must bear a runner's name; None when it belongs to no burst."""
    if not batch:
        return None
    size = min(_number(batch.partition("-")[0]) or 0, LARGEST_BATCH)
    return launched_at + timedelta(seconds=HAND_OVER + HAND_OVER_EACH * size)


def mark(key: str, since: datetime | None) -> dict[str, str | None]:
    """The change of tags that writes down since when something is so, or takes it back (None).

    ``key`` is :data:`GONE_SINCE` or :data:`LOST_SINCE`, with or without the prefix.
    """
    return {TAG_PREFIX + key.removeprefix(TAG_PREFIX): None if since is None else _epoch(since)}


def instance_from(tags: Mapping[str, str], facts: Facts) -> Instance:
    """The instance behind tags and facts. The launch time in the tags wins: the leases were counted from it."""
    return Instance(
        id=facts.id,
        name=tags.get(RUNNER, ""),
        repo=tags.get(REPO, ""),
        region=facts.region,
        zone=facts.zone,
        type=facts.type,
        market=facts.market,
        state=facts.state,
        launched_at=_time(tags.get(LAUNCHED_AT)) or facts.launched_at,
        digest=tags.get(SPEC, ""),
        runner_id=_number(tags.get(RUNNER_ID)),
        run_id=_number(tags.get(RUN)),
        job_id=_number(tags.get(JOB)),
        state_reason=facts.state_reason,
        online_by=_time(tags.get(ONLINE_BY)),
        idle_until=_time(tags.get(IDLE_UNTIL)),
        expires_at=_time(tags.get(EXPIRES_AT)),
        gone_since=_time(tags.get(GONE_SINCE)),
        lost_since=_time(tags.get(LOST_SINCE)),
        price=_price(tags.get(PRICE)),
        spec=tags.get(WISH, ""),
        wish=tags.get(WISH_DIGEST, ""),
        ended_at=facts.ended_at,
        batch=tags.get(BATCH, ""),
        # EC2's own launch time: the burst may have tried other pools for a while before.
        hand_over_by=hand_over_by(tags.get(BATCH, ""), facts.launched_at),
    )


def of_a_launch(tags: Iterable[str]) -> bool:
    """Whether an instance with these keys of tags was launched to be a runner's machine.

    The owner's tag alone does not make it one: AWS Batch's instances bear it, too, and nobody but Batch ends them.
    """
    return not _OF_A_LAUNCH.isdisjoint(tags)


def moment(text: str | None) -> datetime:
    """The time in a tag; long ago when it says none, so that what has no end counts as past it."""
    return _time(text) or datetime.fromtimestamp(0, tz=UTC)


def _epoch(moment: datetime) -> str:
    return str(int(moment.timestamp()))


def _text(number: int | None) -> str:
    return "" if number is None else str(number)


def _number(text: str | None) -> int | None:
    return int(text) if text and text.isascii() and text.isdecimal() and len(text) < VALUE_LIMIT else None


def _time(text: str | None) -> datetime | None:
    number = _number(text)
    return datetime.fromtimestamp(number, tz=UTC) if number is not None and number < _LATEST_EPOCH else None


def _price(text: str | None) -> float | None:
    try:
        price = float(text) if text else None
    except ValueError:
        return None
    return price if price is not None and 0 <= price < _LATEST_EPOCH else None
