"""`examples/tag-release`: a tag trains, tests, builds and publishes, and fails when that fails; the API follows."""

from __future__ import annotations

import shutil
import subprocess
import sys
import zipfile
from typing import TYPE_CHECKING

import pytest

from runnerkit.sandbox.github import GitHubWorld
from tests.examples.conftest import EXAMPLES
from tests.examples.targets import Index, Keeper, ended, environ, runs_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from runnerkit.sandbox.github.records import Issue
    from tests.examples.conftest import Play
    from tests.theatre import Theatre

pytestmark = [pytest.mark.slow]

EXAMPLE = EXAMPLES / "tag-release"
REPO = "acme/tag-release"
VERSION = "package/src/acme_wine/VERSION"
BRANCH = "update/acme-wine"
WHEEL = "acme_wine-0.1.0-py3-none-any.whl"
WINE = [14.23, 1.71, 2.43, 15.6, 127.0, 2.8, 3.06, 0.28, 2.29, 5.64, 1.04, 3.92, 1065.0]


@pytest.fixture
def index(tmp_path: Path) -> Iterator[Index]:
    """An index with nothing on it."""
    with Index(tmp_path / "index") as found:
        yield found


# --- the story --------------------------------------------------------------------------------------------------------


def test_a_release(play: Play, index: Index, tmp_path: Path) -> None:
    """A wrong password makes it red and publishes nothing; run again it publishes what was trained; the API follows."""
    with Keeper(tmp_path / "serving") as keeper:
        theatre = play("tag-release")
        settle(theatre, index, keeper, password="wrong")
        theatre.controller()
        sha = theatre.world.github.tag(theatre.repo, "v0.1.0", message="The first")
        jobs = ended(theatre, "release", 2)
        assert jobs == {"version": "success", "train": "success", "publish": "failure", "pin": "skipped"}
        assert (index.files, pulls(theatre), list(keeper.to.iterdir())) == ({}, [], [])
        run = runs_of(theatre, "release")[-1]
        publish = next(job for job in theatre.jobs(run) if job.name == "publish")
        assert "was not published" in "".join(map(str, publish.annotations)), theatre.describe()
        assert (run.head_sha, len(theatre.machines())) == (sha, 1)

        theatre.world.github.set_secret(theatre.repo, "PACKAGE_PASSWORD", index.password, environment="package-index")
        theatre.world.github.rerun_failed(run)
        assert ended(theatre, "release", 2)["pin"] == "success", theatre.describe()
        assert list(index.files) == [WHEEL]
        (pull,) = pulls(theatre)
        assert (pull.title, pull.pull and pull.pull.head_ref) == ("Use acme-wine==0.1.0", BRANCH)
        # Opened with a token of its own, so that the API's tests ran on it.
        assert ended(theatre, "api", 2)["test"] == "success", theatre.describe()

        theatre.world.github.merge_pull_request(theatre.repo, pull.number)
        assert ended(theatre, "api", 3) == {"test": "success", "deploy": "success"}, theatre.describe()
        said = keeper.asked("/health")
        assert (said["package"], said["release"].split("-")[0]) == ("0.1.0", head(theatre)[:12])
        assert keeper.asked("/predict", {"wine": WINE})["cultivar"] == 0
        assert served(keeper) == contents(index.files[WHEEL], tmp_path)
        theatre.ends("success", machines=1)


def settle(theatre: Theatre, index: Index, keeper: Keeper, password: str) -> None:
    """Do what the README's last section asks for."""
    github, repo = theatre.world.github, theatre.repo
    theatre.until_over()
    # Before the variables are set, nothing is asked of anybody.
    assert {job.conclusion for run in theatre.runs for job in theatre.jobs(run)} == {"skipped"}
    found = index.environ
    reader = {"PACKAGE_READER": index.user, "PACKAGE_USER": index.user}
    addresses = {name: found[name] for name in ("PACKAGE_INDEX", "PACKAGE_UPLOAD")}
    for name, value in {**addresses, **reader, **keeper.target}.items():
        github.set_variable(repo, name, value)
    github.set_secret(repo, "PACKAGE_READER_PASSWORD", index.password)
    github.set_secret(repo, "PACKAGE_PASSWORD", password, environment="package-index")
    token = github.add_token("fine-grained", {"contents": "write", "pull_requests": "write", "metadata": "read"})
    github.set_secret(repo, "RELEASE_TOKEN", token)


def pulls(theatre: Theatre) -> list[Issue]:
    """The pull requests."""
    state = theatre.world.github.state
    with state.open(reading=True):
        return [each for each in state.issues.values() if each.pull is not None]


def head(theatre: Theatre) -> str:
    """The commit of the main branch."""
    return str(theatre.world.asked(f"/repos/{theatre.repo}/commits/main")["sha"])


def served(keeper: Keeper) -> bytes:
    """The model in service."""
    return (keeper.to / "current/api/vendor/acme_wine/model.joblib").read_bytes()


def contents(wheel: bytes, folder: Path) -> bytes:
    """The model in a wheel."""
    (folder / WHEEL).write_bytes(wheel)
    with zipfile.ZipFile(folder / WHEEL) as archive:
        return archive.read("acme_wine/model.joblib")


# --- what starts it ---------------------------------------------------------------------------------------------------


def test_what_starts_what() -> None:
    """A tag or another VERSION starts a release; any push to a branch tests the API; nothing else does either."""
    with GitHubWorld() as github:
        github.add_repository(REPO)
        github.set_variable(REPO, "PACKAGE_UPLOAD", "http://127.0.0.1:9/")
        github.set_variable(REPO, "PACKAGE_INDEX", "http://127.0.0.1:9/simple/")
        github.seed(REPO, EXAMPLE)

        def new() -> list[str]:
            names = sorted(run.workflow for run in github.runs(REPO))
            seen, all_seen[:] = list(all_seen), names
            for each in seen:
                names.remove(each)
            return names

        all_seen: list[str] = []
        assert new() == ["api", "release"], "the first push brings VERSION"
        github.push(REPO, {"README.md": "Other words.\n", "package/src/acme_wine/training.py": "SEED = 8\n"})
        assert new() == ["api"]
        github.push(REPO, {VERSION: "0.2.0\n"}, branch="next")
        assert new() == ["api"], "not before it is on the main branch"
        github.push(REPO, {VERSION: "0.2.0\n"})
        assert new() == ["api", "release"]
        github.tag(REPO, "v0.2.0")
        assert new() == ["release"]
        github.tag(REPO, "experiment")
        assert new() == []


# --- publishing, by itself --------------------------------------------------------------------------------------------


def wheel(folder: Path, answer: str = "'a wine'") -> Path:
    """A package as small as can be, under the name of the real one."""
    folder.mkdir(exist_ok=True)
    about = "acme_wine-0.1.0.dist-info"
    files = {
        "acme_wine/__init__.py": f"__version__ = '0.1.0'\n\n\ndef predict(wine):\n    return {answer}\n",
        f"{about}/METADATA": "Metadata-Version: 2.1\nName: acme-wine\nVersion: 0.1.0\n",
        f"{about}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(f"{name},,\n" for name in [*files, f"{about}/RECORD"])
    with zipfile.ZipFile(folder / WHEEL, "w") as archive:
        for name, text in {**files, f"{about}/RECORD": record}.items():
            archive.writestr(name, text)
    return folder / WHEEL


def script(name: str, *words: object, **variables: str) -> tuple[int, str]:
    """Run one of the example's scripts; its exit code and all it said."""
    command = [sys.executable, str(EXAMPLE / "scripts" / name), *map(str, words)]
    done = subprocess.run(
        command, env=environ() | {"UV_HTTP_RETRIES": "0"} | variables, capture_output=True, text=True, check=False
    )
    return done.returncode, done.stdout + done.stderr


def test_publishing(index: Index, tmp_path: Path) -> None:
    """It ends well when and only when the index gives out these bytes; what was released stays what it is."""
    pin, first = tmp_path / "pin.txt", wheel(tmp_path / "first")
    code, said = script("publish.py", first, pin, **index.environ | {"PACKAGE_PASSWORD": "wrong"})
    assert (code, index.files) == (1, {})
    # The index may hang up before it has read all of what it refuses.
    assert "was not published" in said
    assert "was not published" in said
    code, said = script("publish.py", first, pin, **index.environ)
    assert code == 0, said
    assert "installed from the index: 0.1.0 a wine" in said
    released = index.files
    assert released == {WHEEL: first.read_bytes()}

    code, said = script("publish.py", first, pin, **index.environ)
    assert (code, "already, with the same bytes" in said) == (0, True), said
    code, said = script("publish.py", wheel(tmp_path / "second", "'vinegar'"), pin, **index.environ)
    assert (code, "raise VERSION" in said) == (1, True), said
    assert index.files == released


def test_publishing_when_nobody_answers(tmp_path: Path) -> None:
    """An index that is down is a failure, and so is a package that cannot be used."""
    with Index(tmp_path / "index") as index:
        code, said = script("publish.py", wheel(tmp_path / "broken", "1 / 0"), tmp_path / "pin.txt", **index.environ)
        assert (code, "ZeroDivisionError" in said) == (1, True), said
        gone = index.environ
    code, said = script("publish.py", wheel(tmp_path / "first"), tmp_path / "pin.txt", **gone)
    assert (code, "was not published" in said) == (1, True), said


def test_a_package_of_the_same_name_elsewhere(index: Index, tmp_path: Path) -> None:
    """It is not taken: only our index is asked, and only the pinned bytes will do."""
    pin, ours = tmp_path / "pin.txt", wheel(tmp_path / "ours")
    assert script("publish.py", ours, pin, **index.environ)[0] == 0
    with Index(tmp_path / "elsewhere") as elsewhere:
        shutil.copy(wheel(tmp_path / "theirs", "'stolen'"), elsewhere.folder)
        tempting = dict.fromkeys(
            ("UV_EXTRA_INDEX_URL", "UV_INDEX", "PIP_EXTRA_INDEX_URL"),
            f"http://{elsewhere.user}:{elsewhere.password}@{elsewhere.url.removeprefix('http://')}simple/",
        )
        vendor = tmp_path / "vendor"
        assert script("vendor.py", pin, vendor, **index.environ, **tempting)[0] == 0
        assert "a wine" in (vendor / "acme_wine/__init__.py").read_text(encoding="utf-8")
        # Even the whole address of the other index gives nothing: its bytes are not those of the pin.
        code, said = script("vendor.py", pin, vendor, **index.environ | elsewhere.environ)
        assert (code, "Hash mismatch" in said, (vendor / "acme_wine").exists()) == (1, True, False), said
