"""Stores in memory, in a folder and on S3 keep the same contract; what only one of them meets is told below."""

# ruff: noqa: D102 - the suites say what their fixtures are

from __future__ import annotations

import errno
import itertools
import os
import socket
import threading
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import pytest

from runnerkit.errors import CloudDenied, CloudUnavailable, ConfigError
from runnerkit.sandbox.ec2 import SandboxEc2
from runnerkit.stores import opened, remote_store
from runnerkit.stores.folder import FolderStore
from runnerkit.stores.s3 import S3Store
from runnerkit.testing import MemoryStore
from runnerkit.testing.contracts import StoreContract

if TYPE_CHECKING:
    from collections.abc import Iterator

BUCKET = "acme-things"
NUMBERS = itertools.count()


@pytest.fixture(scope="module")
def world() -> Iterator[SandboxEc2]:
    with SandboxEc2() as ec2, pytest.MonkeyPatch.context() as environ:
        for name, value in ec2.environment().items():
            environ.setenv(name, value)
        yield ec2


@pytest.fixture(scope="module")
def whole(world: SandboxEc2) -> S3Store:
    """A bucket, with one client for all tests: making one costs most of a second."""
    store = opened(f"s3://{BUCKET}/ml", endpoint=world.url, region="us-east-1")
    assert isinstance(store, S3Store)
    # By a client of the test's own: the store needs no permission to make buckets.
    make: Any = boto3.client
    make("s3", endpoint_url=world.url, region_name="us-east-1").create_bucket(Bucket=BUCKET)
    return store


@pytest.fixture
def bucket(whole: S3Store) -> S3Store:
    return whole.below(str(next(NUMBERS)))


def with_client(store: S3Store, client: object) -> S3Store:
    """The same place behind a client that is not what it should be."""
    other = S3Store(store.bucket, store.prefix)
    other._client._made = client
    return other


@pytest.fixture
def folder(tmp_path: Path) -> FolderStore:
    return FolderStore(tmp_path / "store")


class TestMemoryStore(StoreContract):
    @pytest.fixture
    def store(self) -> MemoryStore:
        return MemoryStore()


class TestFolderStore(StoreContract):
    @pytest.fixture
    def store(self, folder: FolderStore) -> FolderStore:
        return folder


class TestS3Store(StoreContract):
    @pytest.fixture
    def store(self, bucket: S3Store) -> S3Store:
        return bucket


# --- S3 ---------------------------------------------------------------------------------------------------------------


def test_browsers_are_told_what_a_thing_is(bucket: S3Store, tmp_path: Path) -> None:
    """By the key, unless somebody knows better; and that they have to ask whether it was replaced."""
    file = tmp_path / "x"
    file.write_bytes(b"<p>")
    bucket.put("report/index.html", file)
    bucket.put("plot", b"<svg/>", "image/svg+xml")
    bucket.put("model", b"")
    bucket.put_new("lock.json", b"{}")
    heads = {key: bucket.client.head_object(Bucket=BUCKET, Key=bucket.key(key)) for key in _keys(bucket)}
    kinds = {key: head["ContentType"] for key, head in heads.items()}
    assert {
        "report/index.html": "text/html",
        "plot": "image/svg+xml",
        "model": "application/octet-stream",
        "lock.json": "application/json",
    } == kinds
    assert {"no-cache"} == {head["CacheControl"] for head in heads.values()}


def _keys(store: S3Store) -> list[str]:
    return [each.key for each in store.listed()]


def test_what_others_keep_under_the_prefix_is_not_listed(bucket: S3Store) -> None:
    """The console's objects for folders, and names that no key of ours has; nothing of a neighbour's is touched."""
    start = bucket.key("x").removesuffix("x")
    for key in (start, f"{start}folder/", f"{start}a\\b", f"{start.removesuffix('/')}0/x"):
        bucket.client.put_object(Bucket=BUCKET, Key=key, Body=b"")
    bucket.put("folder/x", b"")
    assert ["folder/x"] == _keys(bucket)


def test_more_than_a_thousand_are_listed_and_removed(bucket: S3Store) -> None:
    """S3 lists and deletes a thousand a call."""
    backend = world_bucket(bucket)
    for number in range(1005):
        backend(f"many/{number:04}")
    assert 1005 == len(bucket.listed("many/"))
    bucket.delete([each.key for each in bucket.listed("many/")])
    assert [] == _keys(bucket)


def world_bucket(bucket: S3Store) -> Any:  # noqa: ANN401 - a function of moto's
    from moto.s3.models import s3_backends

    backend = s3_backends["123456789012"]["aws"]
    return lambda key: backend.put_object(BUCKET, bucket.key(key), b"")


class Lossy:
    """A client whose first PutObject arrives, but whose answer is lost, so that it is sent again."""

    def __init__(self, client: Any) -> None:  # noqa: ANN401 - boto3's clients are made at run time
        self._client = client

    def put_object(self, **given: object) -> object:
        self._client.put_object(**given)
        return self._client.put_object(**given)

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - the real client's methods
        return getattr(self._client, name)


def test_a_claim_whose_answer_was_lost_is_still_won(bucket: S3Store) -> None:
    """The library repeats the request, S3 then says that it is taken: by ourselves. Otherwise nobody would hold it."""
    assert with_client(bucket, Lossy(bucket.client)).put_new("lock", b"mine") is True
    assert bucket.put_new("lock", b"mine") is False


class Contended:
    """A client whose writes are refused with 409 so many times."""

    def __init__(self, client: Any, times: int) -> None:  # noqa: ANN401 - boto3's clients are made at run time
        self._client, self.times = client, times

    def put_object(self, **given: object) -> object:
        from botocore.exceptions import ClientError

        self.times -= 1
        if self.times >= 0:
            raise ClientError({"Error": {"Code": "ConditionalRequestConflict", "Message": "no"}}, "PutObject")
        return self._client.put_object(**given)

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - the real client's methods
        return getattr(self._client, name)


def test_a_claim_during_another_request_is_repeated(bucket: S3Store) -> None:
    """A 409 says that nothing was written; in the end it is an error, not a defeat that nobody won."""
    assert with_client(bucket, Contended(bucket.client, 2)).put_new("lock", b"mine") is True
    with pytest.raises(CloudUnavailable, match="several at once"):
        with_client(bucket, Contended(bucket.client, 99)).put_new("lock2", b"mine")


@pytest.fixture
def short_server() -> Iterator[str]:
    """An S3 that promises 1,000 bytes, sends ten, and hangs up."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        with suppress(OSError):
            while True:
                connection = listener.accept()[0]
                with connection, suppress(OSError):
                    asked = connection.recv(65_536)
                    head = b'HTTP/1.1 200 OK\r\nContent-Length: 1000\r\nETag: "x"\r\nConnection: close\r\n\r\n'
                    connection.sendall(head + (b"" if asked.startswith(b"HEAD") else b"x" * 10))

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    thread.join(10)


@pytest.mark.usefixtures("world")
def test_half_of_a_thing_is_never_taken_for_the_whole(short_server: str, tmp_path: Path) -> None:
    """A download that breaks off is an error, and leaves the file that was there before, and nothing beside it."""
    store = opened(f"s3://{BUCKET}/x", endpoint=short_server, region="us-east-1")
    target = tmp_path / "checkpoint"
    target.write_bytes(b"before")
    with pytest.raises(CloudUnavailable):
        store.fetch("checkpoint", target)
    with pytest.raises(CloudUnavailable):
        store.get("checkpoint")
    assert b"before" == target.read_bytes()
    assert ["checkpoint"] == [path.name for path in tmp_path.iterdir()]


def test_a_bucket_that_is_missing_is_named(bucket: S3Store) -> None:
    """With what to do."""
    lost = S3Store("acme-lost", "x")
    lost._client = bucket._client
    for call in (lambda: lost.put("a", b""), lost.listed, lambda: lost.put_new("a", b"")):
        with pytest.raises(ConfigError, match="there is no bucket acme-lost"):
            call()
    assert f"s3://{BUCKET}/ml/" in bucket.address


# --- folders ----------------------------------------------------------------------------------------------------------


def test_a_link_leads_nobody_out_of_the_folder(folder: FolderStore, tmp_path: Path) -> None:
    """Neither a link to a folder nor one to a file: it is neither read nor written nor listed."""
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret").write_bytes(b"secret")
    folder.put("inside", b"x")
    (tmp_path / "store/away").symlink_to(outside)
    (tmp_path / "store/file").symlink_to(outside / "secret")
    for key in ("away/secret", "file", "away/new"):
        with pytest.raises(ConfigError, match="leads out of"):
            folder.get(key)
        with pytest.raises(ConfigError, match="leads out of"):
            folder.put(key, b"y")
        with pytest.raises(ConfigError, match="leads out of"):
            folder.delete([key])
    assert ["inside"] == [each.key for each in folder.listed()]
    assert ["secret"] == [path.name for path in outside.iterdir()]


def test_drafts_are_nobodys_keys(folder: FolderStore, tmp_path: Path) -> None:
    """What a writer left when it was killed is not listed."""
    folder.put("a", b"")
    (tmp_path / "store/.0a1b.runnerkit-draft").write_bytes(b"half")
    assert ["a"] == [each.key for each in folder.listed()]


def test_a_key_is_not_a_folder_of_others(folder: FolderStore) -> None:
    """S3 has both beside each other, a folder cannot: it says so instead of `try again later`."""
    folder.put("a/b", b"")
    folder.put("c", b"")
    for key in ("a", "c/d"):
        with pytest.raises(ConfigError, match="cannot be written"):
            folder.put(key, b"")
    assert folder.get("a") is None
    assert folder.get("c/d") is None
    folder.delete(["a", "c/d"])
    assert ["a/b", "c"] == [each.key for each in folder.listed()]


def test_folders_that_are_empty_go(folder: FolderStore, tmp_path: Path) -> None:
    """With the last thing in them."""
    folder.put("a/b/c", b"")
    folder.delete(["a/b/c"])
    assert [] == list(tmp_path.iterdir())


@pytest.mark.parametrize("lost", ["the parent", "the folder itself"])
@pytest.mark.parametrize("write", ["put", "put_new"])
def test_a_folder_that_a_remover_takes_while_it_is_made_is_made_again(
    folder: FolderStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lost: str, write: str
) -> None:
    """Below a folder that goes away nothing can be made, and one that was there a moment ago may be gone."""
    make, place = os.mkdir, tmp_path / "store/same/place"
    losses = iter(range(3))

    def beside_a_remover(path: Path, mode: int = 0o777) -> None:
        if Path(path) != place or next(losses, None) is None:
            return make(path, mode)
        if lost == "the parent":
            with suppress(FileNotFoundError):
                place.parent.rmdir()
            return make(path, mode)
        raise FileExistsError(errno.EEXIST, "File exists", str(path))

    monkeypatch.setattr(os, "mkdir", beside_a_remover)
    getattr(folder, write)("same/place/1", b"x")
    assert b"x" == folder.get("same/place/1")
    assert next(losses, None) is None


# --- addresses --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("address", ["s3://", "s3:///x", "gs://bucket/x", "https://bucket/x", "://x"])
def test_an_address_that_is_none_is_refused(address: str) -> None:
    """With what can be given."""
    with pytest.raises(ConfigError, match="is not a store"):
        opened(address)


def test_a_store_stands_beside_the_remote(world: SandboxEc2, tmp_path: Path) -> None:
    """Below a name that DVC never looks at, with the remote's own endpoint; other remotes have no room for it."""
    store = remote_store(f"s3://{BUCKET}/dvc", {"endpointurl": world.url, "region": "eu-west-1"})
    assert f"s3://{BUCKET}/dvc/runnerkit" == store.address
    assert "region=eu-west-1" in store.link("a")
    assert str(tmp_path / "remote/mine") == remote_store(str(tmp_path / "remote"), {}, "mine").address
    for url in ("", "ssh://host/x", "gs://x/y"):
        with pytest.raises(ConfigError, match="beside the DVC remote"):
            remote_store(url, {})


def test_a_folder_that_is_not_ours_is_told(tmp_path: Path) -> None:
    """As a denial, with the path."""
    file = tmp_path / "file"
    file.write_bytes(b"")
    with pytest.raises((ConfigError, CloudDenied), match="file"):
        FolderStore(file).put("a", b"")
