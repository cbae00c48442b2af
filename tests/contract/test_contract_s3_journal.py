"""The journal on S3 keeps the contract of its port; several share a prefix; what S3 refuses costs nothing."""

# ruff: noqa: D102 - the suites say what their fixtures are

from __future__ import annotations

import itertools
import subprocess
import sys
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import boto3
import pytest

from runnerkit import app
from runnerkit.config import load
from runnerkit.errors import CloudDenied, CloudUnavailable, ConfigError
from runnerkit.events import Event, JournalFailing
from runnerkit.history import Note
from runnerkit.journals.objects import S3Objects
from runnerkit.journals.s3 import AFTER_FAILURE, LOOK_EVERY, S3Journal
from runnerkit.sandbox.ec2 import SandboxEc2
from runnerkit.testing import RecordedEvents
from runnerkit.testing.contracts import JournalContract
from runnerkit.testing.contracts.journal import FAILURE, LATER, THEN

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

BUCKET = "acme-journal"
PREFIXES = (f"ml-{number}/" for number in itertools.count())


@pytest.fixture(scope="module")
def world() -> Iterator[SandboxEc2]:
    with SandboxEc2() as ec2:
        s3(ec2).create_bucket(Bucket=BUCKET)
        yield ec2


def s3(ec2: SandboxEc2) -> Any:  # noqa: ANN401 - boto3's clients are made at run time
    make: Any = boto3.client
    return make("s3", endpoint_url=ec2.url, region_name="us-east-1", aws_access_key_id="x", aws_secret_access_key="x")


class Ground:
    """A prefix of its own, journals under it that share a clock, and what they told."""

    def __init__(self, ec2: SandboxEc2) -> None:
        self.ec2 = ec2
        self.prefix = next(PREFIXES)
        self.at = LATER
        self.told: list[Event] = []

    def journal(self, bucket: str = BUCKET) -> S3Journal:
        objects = S3Objects(bucket, self.prefix, lambda: s3(self.ec2))
        place = f"s3://{bucket}/{self.prefix}"
        return S3Journal(objects, self.prefix, place, told=self.told.append, now=lambda: self.at)

    def names(self) -> list[str]:
        found = s3(self.ec2).list_objects_v2(Bucket=BUCKET, Prefix=self.prefix)
        return [each["Key"].removeprefix(self.prefix) for each in found.get("Contents", [])]

    def later(self, span: timedelta = LOOK_EVERY) -> None:
        self.at += span


@pytest.fixture
def ground(world: SandboxEc2) -> Ground:
    return Ground(world)


class TestS3Journal(JournalContract):
    @pytest.fixture
    def journal(self, ground: Ground) -> S3Journal:
        return ground.journal()


# --- several, and what they read --------------------------------------------------------------------------------------


def test_another_process_reads_what_was_flushed(ground: Ground) -> None:
    """One that begins later, and one that was there before, after ten seconds at most; each entry once."""
    first, second = ground.journal(), ground.journal()
    assert [] == list(second.failures(THEN))
    first.failed(FAILURE)
    second.failed(FAILURE)
    first.flush()
    assert 1 == len(ground.names())
    ground.later()
    assert [FAILURE, FAILURE] == list(second.failures(THEN))
    second.flush()
    ground.later()
    for journal in (first, second, ground.journal()):
        assert [FAILURE, FAILURE] == list(journal.failures(THEN))


class Counting(S3Objects):
    """Remembers what was asked for."""

    def __init__(self, ground: Ground) -> None:
        super().__init__(BUCKET, ground.prefix, lambda: s3(ground.ec2))
        self.lists = 0
        self.read: list[str] = []

    def keys(self, prefix: str, after: str = "") -> Sequence[str]:
        self.lists += 1
        return super().keys(prefix, after)

    def get(self, key: str) -> bytes | None:
        self.read.append(key)
        return super().get(key)


def test_asking_often_costs_few_calls(ground: Ground) -> None:
    """A pass asks many times: S3 is listed once, and an object that was read is not read again."""
    writer = ground.journal()
    for _ in range(3):
        writer.failed(FAILURE)
        writer.flush()
        ground.later()
    objects = Counting(ground)
    reader = S3Journal(objects, ground.prefix, "s3://x", now=lambda: ground.at)
    for _ in range(50):
        assert 3 == len(reader.failures(THEN))
    assert (1, 3) == (objects.lists, len(objects.read))
    ground.later()
    assert 3 == len(reader.failures(THEN))
    assert (2, 3) == (objects.lists, len(objects.read))


def test_a_look_back_reads_earlier_days_only_when_asked(ground: Ground) -> None:
    """Budgets need a day, cost a month: the objects of a month are read for the latter only."""
    month, start = ground.journal(), ground.at
    for days in (30, 20, 2, 0):
        ground.at = start - timedelta(days=days)
        month.note(Note(ground.at, "job-over", {"days": days}))
        month.flush()
    objects = Counting(ground)
    journal = S3Journal(objects, ground.prefix, "s3://x", now=lambda: ground.at)
    assert 1 == len(journal.notes(start - timedelta(days=1)))
    assert 1 == len(objects.read)
    assert [30, 20, 2, 0] == [note.number("days") for note in journal.notes(start - timedelta(days=31))]
    assert 4 == len(objects.read) == len(set(objects.read))


def test_keys_sort_by_time(ground: Ground) -> None:
    """People who list the bucket see the days in order."""
    journal = ground.journal()
    for hours in (0, 1, 30, 200):
        ground.at = LATER + timedelta(hours=hours)
        journal.failed(FAILURE)
        journal.flush()
    days = [key.split("/")[0] for key in ground.names()]
    assert ["2026-11-21", "2026-11-22", "2026-11-29"] == list(dict.fromkeys(days))


def test_foreign_objects_are_left_alone(ground: Ground) -> None:
    """Whatever else lies under the prefix is neither read nor deleted; damaged lines cost nothing else."""
    client = s3(ground.ec2)
    foreign = [f"{ground.prefix}notes.txt", f"{ground.prefix}1999-01-01/readme.md", f"{ground.prefix}zzz/a.jsonl"]
    for key in foreign:
        client.put_object(Bucket=BUCKET, Key=key, Body=b"mine")
    broken = f"{ground.prefix}2026-11-21/120000000000-aa.jsonl"
    client.put_object(Bucket=BUCKET, Key=broken, Body=b'not json\n[1]\n{"kind": "failure"}\n\xff\n')
    journal = ground.journal()
    journal.failed(FAILURE)
    journal.flush()
    ground.later(timedelta(days=2))
    journal.failed(FAILURE)
    journal.flush()
    assert [FAILURE, FAILURE] == list(ground.journal().failures(THEN))
    assert {key.removeprefix(ground.prefix) for key in foreign} <= set(ground.names())


# --- S3 that refuses --------------------------------------------------------------------------------------------------


def test_a_bucket_that_is_missing_is_told_once_and_nothing_is_lost(ground: Ground) -> None:
    """Notes stay in memory and are written when there is a bucket; after that the next trouble is told again."""
    bucket = f"late-{ground.prefix.strip('/')}"
    journal = ground.journal(bucket)
    for _ in range(3):
        journal.failed(FAILURE)
        journal.flush()
        ground.later(AFTER_FAILURE)
    assert [FAILURE] * 3 == list(journal.failures(THEN))
    assert 2 == len(ground.told)
    for event in ground.told:
        assert isinstance(event, JournalFailing)
        assert isinstance(event.error, ConfigError)
        assert f"there is no bucket {bucket}" in event.error.message
    s3(ground.ec2).create_bucket(Bucket=bucket)
    ground.later(AFTER_FAILURE)
    journal.flush()
    assert [FAILURE] * 3 == list(ground.journal(bucket).failures(THEN)) == list(journal.failures(THEN))
    assert 2 == len(ground.told)


@pytest.mark.parametrize(
    ("code", "kind", "word"),
    [
        ("AccessDenied", CloudDenied, "s3:PutObject is missing"),
        ("ExpiredToken", CloudDenied, "does not accept the credentials"),
        ("SlowDown", CloudUnavailable, "SlowDown"),
        ("InternalError", CloudUnavailable, "InternalError"),
    ],
)
def test_what_s3_refuses_is_explained(ground: Ground, code: str, kind: type[Exception], word: str) -> None:
    """Bucket and prefix, what is missing, and on which resource to allow it."""
    client = s3(ground.ec2)

    class Refusing:
        """A client whose PutObject is refused."""

        def put_object(self, **_: object) -> None:
            from botocore.exceptions import ClientError

            raise ClientError({"Error": {"Code": code, "Message": "no"}}, "PutObject")

        def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - the real client's methods
            return getattr(client, name)

    objects = S3Objects(BUCKET, ground.prefix, Refusing)
    journal = S3Journal(objects, ground.prefix, "s3://x", told=ground.told.append, now=lambda: ground.at)
    journal.failed(FAILURE)
    journal.flush()
    (event,) = ground.told
    assert isinstance(event, JournalFailing)
    assert isinstance(event.error, kind)
    assert f"s3://{BUCKET}/{ground.prefix}" in event.error.message
    assert word in event.error.message
    if code == "AccessDenied":
        assert f"arn:aws:s3:::{BUCKET}/{ground.prefix}*" in event.error.hint
    assert [FAILURE] == list(journal.failures(THEN))


def test_nobody_there_is_told_and_not_asked_again_at_once() -> None:
    """A port where nothing listens: reading gives what this process knows, and the next try is a minute later."""
    at, told = [LATER], list[Event]()

    def connect() -> Any:  # noqa: ANN401 - boto3's clients are made at run time
        from botocore.config import Config

        once = Config(retries={"total_max_attempts": 1}, connect_timeout=1)
        make: Any = boto3.client
        return make(
            "s3", endpoint_url="http://127.0.0.1:9", region_name="us-east-1", aws_access_key_id="x",
            aws_secret_access_key="x", config=once,
        )  # fmt: skip

    journal = S3Journal(S3Objects(BUCKET, "", connect), "", "s3://x", told=told.append, now=lambda: at[0])
    for _ in range(3):
        journal.failed(FAILURE)
        assert journal.failures(THEN)
        journal.flush()
    assert [FAILURE] * 3 == list(journal.failures(THEN - timedelta(days=20)))
    assert 2 == len(told)
    assert all(isinstance(event, JournalFailing) and isinstance(event.error, CloudUnavailable) for event in told)


# --- the settings -----------------------------------------------------------------------------------------------------


def test_the_configuration_names_the_place(ground: Ground, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A bucket with a prefix is a journal on S3; a path is a file; without, the state folder."""
    for name, value in ground.ec2.environment().items():
        monkeypatch.setenv(name, value)
    place = f"s3://{BUCKET}/{ground.prefix.rstrip('/')}"
    config = load({"RUNNERKIT_JOURNAL__WHERE": place}, tmp_path)[0]
    journal = app.journal(config, {}, events=RecordedEvents())
    journal.failed(FAILURE)
    journal.flush()
    day = datetime.now(tz=THEN.tzinfo).strftime("%Y-%m-%d")
    assert [day] == [key.split("/")[0] for key in ground.names()]
    file = tmp_path / "own" / "journal.jsonl"
    app.journal(load({"RUNNERKIT_JOURNAL__WHERE": str(file)}, tmp_path)[0], {}).failed(FAILURE)
    assert file.exists()
    app.journal(load({}, tmp_path)[0], {"RUNNERKIT_STATE_DIR": str(tmp_path / "state")}).failed(FAILURE)
    assert (tmp_path / "state/journal-runnerkit.jsonl").exists()


NOTES = """
import os
from pathlib import Path
from runnerkit import app
from runnerkit.config import load
from runnerkit.testing.contracts.journal import FAILURE

app.journal(load(os.environ, Path.cwd())[0]).failed(FAILURE)
"""


@pytest.mark.slow
def test_a_process_that_ends_writes_what_it_noted(ground: Ground, tmp_path: Path) -> None:
    """A command that makes no pass, such as `launch`, flushes nothing itself."""
    place = f"s3://{BUCKET}/{ground.prefix}"
    environment = {**ground.ec2.environment(), "RUNNERKIT_JOURNAL__WHERE": place}
    command = [sys.executable, "-c", NOTES]
    done = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, timeout=60, check=False)
    assert (0, b"") == (done.returncode, done.stderr)
    assert [FAILURE] == list(ground.journal().failures(THEN))


@pytest.mark.parametrize("where", ["s3://", "s3://UPPER/x", "s3:///x", "s3://a/b", "https://bucket.example/x"])
def test_a_place_that_is_none_is_refused(tmp_path: Path, where: str) -> None:
    """Before anything is launched, with the key."""
    with pytest.raises(ConfigError, match=r"journal\.where"):
        load({"RUNNERKIT_JOURNAL__WHERE": where}, tmp_path)


@pytest.mark.parametrize(
    ("where", "bucket", "prefix"),
    [
        ("s3://acme", "acme", ""),
        ("s3://acme/", "acme", ""),
        ("s3://acme.logs/runner/kit", "acme.logs", "runner/kit/"),
        ("s3://acme-logs//x/", "acme-logs", "x/"),
    ],
)
def test_a_place_is_a_bucket_and_a_prefix(tmp_path: Path, where: str, bucket: str, prefix: str) -> None:
    """Slashes too many are no part of it."""
    config = load({"RUNNERKIT_JOURNAL__WHERE": where}, tmp_path)[0]
    assert (bucket, prefix) == config.journal.bucket
