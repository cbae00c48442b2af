"""`publish`: what goes where under which name, links that last, nothing half, nothing that should stay private."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit
from urllib.request import urlopen

import pytest
from botocore.credentials import Credentials, RefreshableCredentials
from typer.testing import CliRunner

from runnerkit.cli.commands import app
from runnerkit.errors import CloudUnavailable, ConfigError, PolicyRefused
from runnerkit.job.pictures import Picture
from runnerkit.job.place import Place
from runnerkit.job.placing import in_store
from runnerkit.job.signing import LONGEST, Signer, check_presign
from runnerkit.job.uploading import content_type, gathered, index_of, uploaded
from runnerkit.sandbox.ec2 import SandboxEc2
from runnerkit.stores import opened
from runnerkit.stores.s3 import S3Store
from runnerkit.stores.signing import in_own_region, signer
from runnerkit.testing import MemoryStore

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

BUCKET = "acme-reports"
NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


def made(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(f"<p>{name}</p>", encoding="utf-8")
    return folder


def keys(*paths: Path) -> list[str]:
    return [item.key for item in gathered(paths)]


# --- which files, under which keys ------------------------------------------------------------------------------------


def test_a_folder_alone_is_the_root_and_several_keep_their_names(tmp_path: Path) -> None:
    """So that a page finds the folder with its pictures beside it."""
    site = made(tmp_path / "site", "index.html", "libs/a b.css", ".nojekyll")
    page = made(tmp_path, "report.html") / "report.html"
    assert [".nojekyll", "index.html", "libs/a b.css"] == keys(site)
    assert ["report.html", "site/.nojekyll", "site/index.html", "site/libs/a b.css"] == keys(page, site)


@pytest.mark.parametrize(
    ("names", "index"),
    [
        (["a.html", "index.html", "sub/index.html"], "index.html"),
        (["a.csv", "sub/index.html"], "sub/index.html"),
        (["b.html", "a/deep.html", "data.csv"], "b.html"),
        (["z.txt", "data.csv"], "data.csv"),
    ],
)
def test_the_page_that_people_open_is_found(tmp_path: Path, names: list[str], index: str) -> None:
    """index.html, else the page that is highest up, else the first file."""
    made(tmp_path, *names)
    assert index == index_of(gathered([tmp_path]), [tmp_path]).key


def test_the_page_that_was_named_wins(tmp_path: Path) -> None:
    """Over one in a folder beside it."""
    made(tmp_path, "data.csv", "report.html", "files/index.html")
    paths = [tmp_path / name for name in ("data.csv", "report.html", "files")]
    assert "report.html" == index_of(gathered(paths), paths).key


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("index.html", "text/html; charset=utf-8"),
        ("PLOT.SVG", "image/svg+xml; charset=utf-8"),
        ("a.js", "text/javascript; charset=utf-8"),
        ("notes.md", "text/markdown; charset=utf-8"),
        ("model.joblib", "application/octet-stream"),
        ("rows.csv.gz", "application/gzip"),
        ("pic.png", "image/png"),
        ("rows.parquet", "application/vnd.apache.parquet"),
    ],
)
def test_browsers_are_told_what_a_file_is(name: str, kind: str) -> None:
    """The same on every computer; texts are UTF-8."""
    assert kind == content_type(name)


@pytest.mark.parametrize(
    "name", [".env", "sub/.env.local", ".git/config", "keys/id_rsa", "server.PEM", ".aws/credentials"]
)
def test_what_may_be_secret_is_refused(tmp_path: Path, name: str) -> None:
    """By name, before anything is uploaded; also behind a harmless link. Who means a file gives its own path."""
    made(tmp_path / "site", "index.html")
    secret = made(tmp_path / "other", name) / name
    (tmp_path / "site/harmless.txt").symlink_to(secret)
    with pytest.raises(PolicyRefused, match="harmless"):
        gathered([tmp_path / "site"])
    with pytest.raises(PolicyRefused, match="may have secrets"):
        gathered([tmp_path / "other"])
    assert [secret.name] == keys(secret)
    with pytest.raises(PolicyRefused, match=r"harmless\.txt"):
        gathered([tmp_path / "site/harmless.txt"])


def test_links_are_followed_and_circles_end(tmp_path: Path) -> None:
    """DVC may have put links to its cache where the files were."""
    cache = made(tmp_path / "cache", "ab/cdef")
    site = made(tmp_path / "site", "index.html")
    (site / "plot.png").symlink_to(cache / "ab/cdef")
    (site / "data").symlink_to(cache / "ab")
    (site / "loop").symlink_to(site)
    assert ["data/cdef", "index.html", "plot.png"] == keys(site)
    (site / "broken").symlink_to(tmp_path / "nowhere")
    with pytest.raises(ConfigError, match="broken"):
        gathered([site])


def test_what_cannot_be_published_is_told_before_anything_is(tmp_path: Path) -> None:
    """Missing, empty, no plain file, the same name twice, a name that no store takes."""
    (tmp_path / "empty").mkdir()
    os.mkfifo(tmp_path / "pipe")
    made(tmp_path, "a/x.html", "b/x.html", "odd/a\\b.html")
    for paths, word in (
        ([], "nothing is named"),
        (["absent"], "does not exist"),
        (["empty"], "nothing to publish"),
        (["pipe"], "no file and no folder"),
        (["a/x.html", "b/x.html"], "several files"),
        (["odd"], "rename|cannot be published under"),
    ):
        with pytest.raises(ConfigError, match=word):
            gathered([tmp_path / path for path in paths])


# --- all or nothing ---------------------------------------------------------------------------------------------------


class Failing(MemoryStore):
    """Takes so many files, and remembers the order."""

    def __init__(self, takes: int) -> None:
        super().__init__()
        self.takes = takes
        self.order: list[str] = []

    def put(self, key: str, content: bytes | Path, content_type: str = "") -> None:
        """Keep it, or not."""
        if len(self.order) >= self.takes:
            raise CloudUnavailable("the network")
        super().put(key, content, content_type)
        self.order.append(key)


def test_the_page_comes_last(tmp_path: Path) -> None:
    """Who can open it finds all the rest, with its type."""
    made(tmp_path, "a.css", "index.html", "z.png")
    items, store = gathered([tmp_path]), Failing(99)
    done = uploaded(items, index_of(items, [tmp_path]), store, "https://x/")
    assert "index.html" == store.order[-1]
    assert (3, sum(len(content) for content, *_ in store.things.values())) == (done.files, done.size)
    assert "text/css; charset=utf-8" == store.things["a.css"][1]


@pytest.mark.parametrize("takes", [0, 1, 2])
def test_a_failed_upload_takes_back_what_is_new(tmp_path: Path, takes: int) -> None:
    """And only that: what was there before may be somebody's page."""
    made(tmp_path, "a.css", "index.html", "z.png")
    items, store = gathered([tmp_path]), Failing(takes)
    MemoryStore.put(store, "older.html", b"old")
    with pytest.raises(CloudUnavailable, match="the network"):
        uploaded(items, index_of(items, [tmp_path]), store, "")
    assert ["older.html"] == [kept.key for kept in store.listed()]


# --- how long a link can hold -----------------------------------------------------------------------------------------

HOUR = timedelta(hours=1)


@pytest.mark.parametrize(
    ("wanted", "signer", "refusal"),
    [
        (LONGEST, Signer("shared-credentials-file", temporary=False), None),
        (LONGEST + timedelta(seconds=1), Signer("env", temporary=False), ConfigError),
        (timedelta(0), Signer("env", temporary=False), ConfigError),
        (HOUR, Signer("assume-role", temporary=True, expires=NOW + HOUR), None),
        (HOUR * 2, Signer("assume-role-with-web-identity", temporary=True, expires=NOW + HOUR), PolicyRefused),
        (HOUR, Signer("iam-role", temporary=True, expires=NOW + 5 * HOUR), None),
        (HOUR * 7, Signer("iam-role", temporary=True, expires=NOW + 9 * HOUR), PolicyRefused),
        (HOUR, Signer("env", temporary=True), PolicyRefused),
        (HOUR, Signer("assume-role", temporary=True, expires=NOW - HOUR), PolicyRefused),
    ],
)
def test_a_presigned_link_is_refused_past_the_life_of_its_credentials(
    wanted: timedelta, signer: Signer, refusal: type[Exception] | None
) -> None:
    """Seven days at most, six hours from an instance's role, nothing where nobody knows."""
    if refusal is None:
        assert bool(check_presign(wanted, signer, NOW)) is signer.temporary
    else:
        with pytest.raises(refusal):
            check_presign(wanted, signer, NOW)


class Signing:
    """What of a boto3 client has the credentials."""

    def __init__(self, credentials: object) -> None:
        self._request_signer = self
        self._credentials = credentials


@pytest.mark.parametrize(
    ("credentials", "expected"),
    [
        (Credentials("AKIA", "x", method="env"), Signer("env", temporary=False)),
        (Credentials("ASIA", "x", "token", method="env"), Signer("env", temporary=True)),
        (
            RefreshableCredentials("ASIA", "x", "token", NOW + HOUR, dict, "iam-role", lambda: NOW),
            Signer("iam-role", temporary=True, expires=NOW + HOUR),
        ),
    ],
)
def test_the_life_of_credentials_is_read_from_botocore(credentials: object, expected: Signer) -> None:
    """A user's keys last, a session's end, and those that botocore renews say when."""
    store = S3Store("bucket")
    store._client._made = Signing(credentials)
    assert expected == signer(store)


# --- the command ------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def world() -> Iterator[SandboxEc2]:
    with SandboxEc2() as ec2:
        import boto3

        make: Any = boto3.client
        client = make("s3", endpoint_url=ec2.url, region_name="us-east-1", **_KEYS)
        client.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": "us-west-2"})
        yield ec2


_KEYS = {"aws_access_key_id": "x", "aws_secret_access_key": "x"}


@pytest.fixture
def job(world: SandboxEc2, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a job in run 77, on a machine in eu-west-1."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    own = {
        "GITHUB_RUN_ID": "77",
        "GITHUB_OUTPUT": str(tmp_path / "output"),
        "GITHUB_STEP_SUMMARY": str(tmp_path / "summary.md"),
        "RUNNERKIT_ROOT": str(tmp_path / "machine"),
        "HOME": str(tmp_path),
    }
    for name, value in {**world.environment(), **own}.items():
        monkeypatch.setenv(name, value)
    folder = tmp_path / "machine/run/runnerkit"
    folder.mkdir(parents=True)
    (folder / "machine.json").write_text('{"zone": "eu-west-1a"}', encoding="utf-8")
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    return tmp_path / "work"


def run(*args: str, code: int = 0) -> tuple[Mapping[str, Any], str]:
    done = CliRunner().invoke(app, ["publish", *args, "--json"])
    assert code == done.exit_code, done.output
    return json.loads(done.stdout), done.stderr


def test_a_report_on_s3_is_linked_everywhere(job: Path) -> None:
    """Printed, in the step summary, as an output and for `notify`; the console asks for the reader's own sign-in."""
    made(job / "site", "index.html", "a.css")
    said, heard = run("site", "--to", f"s3://{BUCKET}/77")
    assert "prefix=77/index.html" in said["url"]
    assert said["url"].startswith("https://us-west-2.console.aws.amazon.com/s3/object/acme-reports?")
    assert (f"s3://{BUCKET}/77/index.html", 2, "") == (said["address"], said["files"], said["signed_url"])
    assert said["url"] in (job.parent / "summary.md").read_text(encoding="utf-8")
    assert f"\n{said['url']}\n" in (job.parent / "output").read_text(encoding="utf-8")
    assert said["url"] == json.loads((job / ".runnerkit/published.json").read_text(encoding="utf-8"))["url"]
    assert "this machine is in eu-west-1, s3://acme-reports/77 in us-west-2" in heard
    own, _ = run("site", "--to", f"s3://{BUCKET}/78", "--base-url", "https://reports.example.com/78/")
    assert "https://reports.example.com/78/index.html" == own["url"]


def test_a_presigned_link_opens_and_is_told_nowhere_but_on_the_output(job: Path) -> None:
    """Whoever has it can read the file, so neither summary nor outputs have it; the durable link is there beside it."""
    made(job, "report.html")
    said, _ = run("report.html", "--to", f"s3://{BUCKET}/79", "--presign", "7d")
    with urlopen(said["signed_url"], timeout=30) as answer:
        assert (b"<p>report.html</p>", "text/html; charset=utf-8") == (answer.read(), answer.headers["Content-Type"])
    assert ["604800"] == parse_qs(urlsplit(said["signed_url"]).query)["X-Amz-Expires"]
    for name in ("summary.md", "output", "work/.runnerkit/published.json"):
        assert "X-Amz-" not in (job.parent / name).read_text(encoding="utf-8")


def test_a_presigned_link_that_cannot_hold_publishes_nothing(job: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The refusal says why and what to do instead."""
    made(job, "report.html")
    run("report.html", "--to", f"s3://{BUCKET}/80", "--presign", "8d", code=2)
    run("report.html", "--to", f"s3://{BUCKET}/80", "--presign", "soon", code=2)
    run("report.html", "--to", str(job / "out"), "--presign", "1h", code=2)
    monkeypatch.setenv("AWS_SESSION_TOKEN", "session")
    said, _ = run("report.html", "--to", f"s3://{BUCKET}/80", "--presign", "1h", code=3)
    assert "nobody says when that is" in said["error"]["message"]
    assert "leave --presign away" in said["error"]["hint"]
    monkeypatch.setenv("AWS_CREDENTIAL_EXPIRATION", (datetime.now(tz=UTC) + 2 * HOUR).isoformat())
    said, _ = run("report.html", "--to", f"s3://{BUCKET}/80", "--presign", "3h", code=3)
    assert "would end with the credentials" in said["error"]["message"]
    assert not (job.parent / "output").exists()
    said, _ = run("report.html", "--to", f"s3://{BUCKET}/80", "--presign", "1h")
    assert said["signed_url"]


def test_the_place_is_beside_the_remote_by_default(job: Path) -> None:
    """Below the run's id, in a folder as on S3; a dry run only lists."""
    made(job, ".dvc/config", "report/index.html")
    (job / ".dvc/config").write_text(
        f"[core]\nremote = r\n['remote \"r\"']\nurl = {job.parent / 'remote'}\n", encoding="utf-8"
    )
    said, _ = run("report", "--dry-run")
    assert (["index.html"], True) == (said["keys"], said["dry_run"])
    assert not (job.parent / "remote").exists()
    said, _ = run("report")
    page = job.parent / "remote/runnerkit/reports/77/index.html"
    assert (page.as_uri(), "<p>report/index.html</p>") == (said["url"], page.read_text(encoding="utf-8"))


def test_a_failed_upload_fails_the_command(job: Path) -> None:
    """Not as the step that said `uploaded` and had not: seed systems did that."""
    made(job, "report.html")
    said, _ = run("report.html", "--to", "s3://acme-nowhere/x", code=2)
    assert "there is no bucket acme-nowhere" in said["error"]["message"]
    assert not (job.parent / "output").exists()
    for bad in ("ftp://x/y", "https://x/?a=b", "reports.example.com"):
        run("report.html", "--to", str(job / "out"), "--base-url", bad, code=2)


def test_pictures_of_a_report_go_to_a_bucket(job: Path) -> None:
    """As a browser shows them, below the run and the report; links lead to the console, and nothing is signed."""
    del job
    place = Place(run_id="77", run_attempt=2)
    picture = Picture("Loss", "loss.png", b"\x89PNG", b"<svg/>")
    placed = in_store([picture], in_own_region(opened(f"s3://{BUCKET}/models"))[0], place, "train/gpu")
    key = "models/reports/77/2/train-gpu/loss"
    client: Any = S3Store(BUCKET).client
    kinds = {suffix: client.head_object(Bucket=BUCKET, Key=key + suffix)["ContentType"] for suffix in (".png", ".svg")}
    assert {".png": "image/png", ".svg": "image/svg+xml"} == kinds
    (link,) = placed.links.values()
    assert f"{BUCKET}?region=us-west-2&prefix={key}.png" in link
    assert (False, "", False) == (placed.shown, placed.problem, "Signature" in link)
    lost = in_store([picture], opened("s3://no-such-bucket/x"), place, "train/gpu")
    assert "there is no bucket no-such-bucket" in lost.problem
