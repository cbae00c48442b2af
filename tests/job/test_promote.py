"""`promote`: what speaks against a promotion is named, the tags are GTO's own, and what was pushed can be undone."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
from contextlib import redirect_stdout
from datetime import UTC, datetime, timedelta
from io import StringIO
from itertools import permutations
from typing import TYPE_CHECKING, Any

import pytest
from gto.cli import app as gto_command
from typer.testing import CliRunner

from runnerkit.cli.commands import app
from runnerkit.versioning.registry import Entry, in_order

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

RUN = "https://github.com/acme/churn/actions/runs/77"
PROJECT = """
artifacts:
  churn: {path: models/churn.bin, type: model}
  notes: {path: notes.md}
  lost: {path: nowhere.bin}
stages:
  fit:
    cmd: ./fit
    wdir: models
    outs: [churn.bin]
metrics: [metrics.json]
"""


class Ground:
    """A repository with a bare origin, and a DVC remote in a folder; nothing of DVC itself is needed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.here = folder / "here"
        self.remote = folder / "remote"
        self.git("init", "--quiet", "--bare", "--initial-branch=main", str(folder / "origin.git"), at=folder)
        self.git("clone", "--quiet", str(folder / "origin.git"), str(self.here), at=folder)
        self.write(".dvc/config", f"[core]\nremote = r\n['remote \"r\"']\nurl = {self.remote}\n")
        self.write(".gitignore", "/models/churn.bin\n.runnerkit\n")
        self.write("dvc.yaml", PROJECT)
        self.write("notes.md", "notes")
        self.write("gate.toml", "[metrics.accuracy]\nmin = 0.9\n")
        self.fit("first")

    def git(self, *words: str, at: Path | None = None) -> str:
        """What git says."""
        done = subprocess.run(["git", *words], cwd=at or self.here, capture_output=True, text=True, check=True)  # noqa: S607 - the git of this machine
        return done.stdout.strip()

    def write(self, name: str, text: str) -> None:
        """A file of the checkout."""
        (self.here / name).parent.mkdir(parents=True, exist_ok=True)
        (self.here / name).write_text(text, encoding="utf-8")

    def fit(self, content: str, accuracy: str = "0.95", *, push_data: bool = True, push: bool = True) -> str:
        """Commit a new model; returns the commit."""
        md5 = hashlib.md5(content.encode(), usedforsecurity=False).hexdigest()
        if push_data:
            self.object(md5).parent.mkdir(parents=True, exist_ok=True)
            self.object(md5).write_text(content, encoding="utf-8")
        out = f"{{path: churn.bin, hash: md5, md5: {md5}, size: {len(content)}}}"
        self.write("dvc.lock", f"schema: '2.0'\nstages:\n  fit:\n    cmd: ./fit\n    outs: [{out}]\n")
        self.write("metrics.json", f'{{"accuracy": {accuracy}}}')
        self.git("add", ".")
        self.git("commit", "--quiet", "-m", content)
        if push:
            self.git("push", "--quiet", "origin", "HEAD:main")
        return self.git("rev-parse", "HEAD")

    def object(self, md5: str) -> Path:
        """Where DVC keeps what has this hash."""
        return self.remote / "files/md5" / md5[:2] / md5[2:]

    def tags(self, at: Path | None = None) -> list[str]:
        """All tags, sorted."""
        return self.git("tag", at=at).split()

    @property
    def origin(self) -> Path:
        """The repository that everybody shares."""
        return self.folder / "origin.git"

    def gto(self, *words: str, at: Path | None = None) -> str:
        """GTO's own command; as a process each would take seconds."""
        with redirect_stdout(StringIO()) as said:
            gto_command.main([*words, "--repo", str(at or self.here)], standalone_mode=False)
        return said.getvalue()


@pytest.fixture
def ground(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Ground:
    for name in [name for name in os.environ if name.startswith(("GITHUB_", "RUNNERKIT_", "GIT_"))]:
        monkeypatch.delenv(name)
    own = {
        "GITHUB_ACTOR": "octo",
        "GITHUB_SERVER_URL": "https://github.com",
        "GITHUB_REPOSITORY": "acme/churn",
        "GITHUB_RUN_ID": "77",
        "GITHUB_OUTPUT": str(tmp_path / "output"),
        "GIT_CONFIG_GLOBAL": str(tmp_path / "gitconfig"),
        "GIT_CONFIG_NOSYSTEM": "1",
        "DVC_SYSTEM_CONFIG_DIR": str(tmp_path),
        "DVC_GLOBAL_CONFIG_DIR": str(tmp_path),
    }
    for name, value in own.items():
        monkeypatch.setenv(name, value)
    (tmp_path / "gitconfig").write_text("[user]\nname = ci\nemail = ci@acme.example\n", encoding="utf-8")
    made = Ground(tmp_path)
    monkeypatch.chdir(made.here)
    return made


def run(*args: str, code: int = 0) -> Any:  # noqa: ANN401 - JSON is anything
    done = CliRunner().invoke(app, ["promote", *args, "--json"])
    assert code == done.exit_code, done.output + repr(done.exception)
    return json.loads(done.stdout)


def reasons(*args: str) -> list[str]:
    said: Mapping[str, Any] = run(*args, code=13)
    found: list[str] = said["error"]["reasons"]
    return found


# --- through the stages and back --------------------------------------------------------------------------------------


def test_a_model_goes_through_the_stages_and_back(ground: Ground) -> None:
    """Registered, promoted, replaced, rolled back, deprecated: at every step GTO's own command sees the same."""
    first = ground.git("rev-parse", "HEAD")
    said = run("churn", "--to", "staging", "--bump", "minor", "--dry-run")
    assert (True, [], []) == (said["changed"], said["tags"], ground.tags())
    said = run("churn", "--to", "staging", "--bump", "minor", "--push")
    assert ("v0.1.0", first, ["churn@v0.1.0", "churn#staging#1"]) == (said["version"], said["commit"], said["tags"])
    assert sorted(said["tags"]) == ground.tags() == ground.tags(ground.origin)
    note = ground.git("tag", "--list", "churn#staging#1", "--format=%(taggername): %(contents)")
    assert f"ci: Assigning stage staging to artifact churn version v0.1.0\n\nby octo in {RUN}" == note
    again = run("churn", "--to", "staging", "--push")
    assert (False, []) == (again["changed"], again["tags"])
    assert ["churn#prod#2"] == run("churn", "--to", "prod", "--from", "staging", "--push")["tags"]
    second = ground.fit("second")
    said = run("churn", "--to", "prod", "--version", "v1.0.0", "--push")
    assert (second, ["churn@v1.0.0", "churn#prod#3"]) == (said["commit"], said["tags"])
    said = run("rollback", "churn", "--stage", "prod", "--push")
    assert ("v1.0.0", "v0.1.0", ["churn#prod#4"]) == (said["from"], said["version"], said["tags"])
    shown = {each["version"]: sorted(each["stages"]) for each in run("show", "churn")}
    assert {"v1.0.0": [], "v0.1.0": ["prod", "staging"]} == shown
    seen = json.loads(ground.gto("show", "churn", "--json"))
    assert shown == {each["version"]: sorted(stage["stage"] for stage in each["stages"]) for each in seen}
    said = run("deprecate", "churn", "--version", "v1.0.0", "--push")
    assert ["churn@v1.0.0!"] == said["tags"]
    assert ground.tags() == ground.tags(ground.origin)
    told = [(each["event"], each["version"], each["stage"]) for each in run("history", "churn")]
    assert [
        ("deregistration", "v1.0.0", ""),
        ("assignment", "v0.1.0", "prod"),
        ("assignment", "v1.0.0", "prod"),
        ("registration", "v1.0.0", ""),
        ("assignment", "v0.1.0", "prod"),
        ("assignment", "v0.1.0", "staging"),
        ("registration", "v0.1.0", ""),
    ] == told
    output = (ground.folder / "output").read_text(encoding="utf-8")
    assert "\nchurn@v0.1.0 churn#staging#1\n" in output


def test_the_tags_are_those_that_gto_would_write(ground: Ground, tmp_path: Path) -> None:
    """The same course by GTO's command in a clone: the same names."""
    clone = tmp_path / "clone"
    ground.git("clone", "--quiet", str(ground.origin), str(clone))
    # GTO's library asks for a person where git itself would take what the environment says.
    for key, value in (("user.name", "ci"), ("user.email", "ci@acme.example")):
        ground.git("config", key, value, at=clone)
    for words in (
        ["register", "churn", "--version", "v1.2.0"],
        ["assign", "churn", "--version", "v1.2.0", "--stage", "staging"],
        ["assign", "churn", "--version", "v1.2.0", "--stage", "prod"],
        ["deprecate", "churn", "v1.2.0"],
    ):
        ground.gto(*words, at=clone)
    run("churn", "--to", "staging", "--version", "v1.2.0")
    run("churn", "--to", "prod")
    run("deprecate", "churn", "--version", "v1.2.0")
    assert ground.tags(clone) == ground.tags()
    assert [] == ground.tags(ground.origin)


# --- what speaks against it -------------------------------------------------------------------------------------------


def test_every_reason_is_named_at_once(ground: Ground) -> None:
    """Changes, an unpushed commit, a file that is nowhere, a gate that does not hold; and no tag is written."""
    ground.fit("third", "NaN", push_data=False, push=False)
    ground.write("notes.md", "changed")
    found = reasons("churn", "--to", "prod", "--push")
    assert 4 == len(found), found
    for word in ("not committed: notes.md", "is on no branch of origin", "models/churn.bin", "gate does not hold"):
        assert any(word in reason for reason in found), word
    assert any("is not on the DVC remote; run `dvc push`" in reason for reason in found)
    assert [] == ground.tags()


def test_a_lock_that_is_not_committed_is_a_change(ground: Ground) -> None:
    """Also one that git does not know at all yet; other new files are nobody's business."""
    ground.write("scratch.txt", "x")
    run("churn", "--to", "dev", "--dry-run")
    ground.write("data/raw.csv.dvc", "outs: []")
    assert ["the checkout has changes that are not committed: data/raw.csv.dvc"] == reasons("churn", "--to", "dev")


@pytest.mark.usefixtures("ground")
def test_a_model_must_be_known_and_its_file_somewhere() -> None:
    """One of no dvc.yaml, one whose file is in neither git nor DVC; one that git itself holds is fine."""
    assert ["declares no model other" in each for each in reasons("other", "--to", "dev")] == [True]
    (found,) = reasons("lost", "--to", "dev")
    assert "nowhere.bin is neither in git" in found
    assert ["notes@v0.0.1", "notes#dev#1"] == run("notes", "--to", "dev")["tags"]


def test_a_folder_is_looked_through(ground: Ground) -> None:
    """Every file of it must be on the remote, not only the list of them."""
    files = [{"md5": hashlib.md5(name.encode(), usedforsecurity=False).hexdigest(), "relpath": name} for name in "ab"]
    listing = json.dumps(files)
    md5 = hashlib.md5(listing.encode(), usedforsecurity=False).hexdigest()
    ground.write("net.dvc", f"outs: [{{path: net, hash: md5, md5: {md5}.dir}}]")
    ground.write("dvc.yaml", PROJECT.replace("nowhere.bin", "net/a"))
    ground.git("add", ".")
    ground.git("commit", "--quiet", "-m", "net")
    ground.git("push", "--quiet", "origin", "HEAD:main")
    assert ["net ("] == [each[:5] for each in reasons("lost", "--to", "dev")]
    for name, text in ((f"{md5}.dir", listing), (files[0]["md5"], "a")):
        ground.object(name).parent.mkdir(parents=True, exist_ok=True)
        ground.object(name).write_text(text, encoding="utf-8")
    (found,) = reasons("lost", "--to", "dev")
    assert "is not on the DVC remote: b" in found
    ground.object(files[1]["md5"]).parent.mkdir(parents=True, exist_ok=True)
    ground.object(files[1]["md5"]).write_text("b", encoding="utf-8")
    run("lost", "--to", "dev", "--dry-run")


def test_a_rollback_needs_the_old_file_too(ground: Ground) -> None:
    """Somebody may have collected it as garbage; and there must be a version to go back to."""
    old = hashlib.md5(b"first", usedforsecurity=False).hexdigest()
    run("churn", "--to", "prod")
    assert "never in prod" in run("rollback", "churn", "--stage", "prod", code=2)["error"]["message"]
    assert "no version" in run("rollback", "churn", "--stage", "dev", code=2)["error"]["message"]
    ground.fit("second")
    run("churn", "--to", "prod")
    ground.object(old).unlink()
    assert ["models/churn.bin"] == [each.split(" ")[0] for each in reasons("rollback", "churn", "--stage", "prod")]


# --- with others ------------------------------------------------------------------------------------------------------


def test_tags_of_others_count_though_the_checkout_has_none(
    ground: Ground, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A usual checkout is shallow and without tags: they are fetched, or else numbers would be given twice."""
    run("churn", "--to", "staging", "--version", "v2.0.0", "--push")
    ground.fit("second")
    shallow = tmp_path / "shallow"
    ground.git("clone", "--quiet", "--depth=1", "--no-tags", f"file://{ground.origin}", str(shallow))
    monkeypatch.chdir(shallow)
    assert [] == ground.tags(shallow)
    said = run("churn", "--to", "staging", "--bump", "patch", "--push")
    assert ["churn@v2.0.1", "churn#staging#2"] == said["tags"]
    assert ["churn@v2.0.0", "churn@v2.0.1"] == [tag for tag in ground.tags(ground.origin) if "@" in tag]


def test_a_push_that_fails_leaves_no_tag_behind(ground: Ground) -> None:
    """Otherwise the next run would find the version there, though nobody else has it."""
    hook = ground.origin / "hooks/pre-receive"
    hook.write_text("#!/bin/sh\necho protected tags >&2\nexit 1\n", encoding="utf-8")
    hook.chmod(0o755)
    said = run("churn", "--to", "prod", "--push", code=9)
    assert "protected tags" in said["error"]["message"]
    assert "contents: write" in said["error"]["hint"]
    assert [] == ground.tags()
    hook.unlink()
    assert ["churn@v0.0.1", "churn#prod#1"] == run("churn", "--to", "prod", "--push")["tags"]


def test_tags_are_written_where_git_knows_nobody(ground: Ground) -> None:
    """A hosted runner has no user.name; the tag then has the name of who started the run."""
    (ground.folder / "gitconfig").write_text("", encoding="utf-8")
    (tag,) = run("churn", "--version", "v1.0.0")["tags"]
    said = ground.git("tag", "--list", tag, "--format=%(taggername) %(taggeremail)")
    assert "octo <octo@users.noreply.github.com>" == said


def test_what_makes_no_sense_is_refused(ground: Ground) -> None:
    """As bad usage, before anything is checked."""
    for words in (
        "churn",
        "churn --to a --bump huge",
        "churn --version 1.0",
        "churn --to a --from b --version v1.0.0",
        "churn --to prod --from staging",
        "ch~urn --to prod",
        "deprecate churn --version v9.9.9",
    ):
        run(*words.split(), code=2)
    assert [] == ground.tags()


def test_what_happened_in_one_second_is_told_in_its_order() -> None:
    """Git keeps no less than a second, and a quick machine does several things in one."""
    second = datetime(2026, 11, 22, 12, tzinfo=UTC)

    def entry(event: str, version: str, tag: str, later: int = 0) -> Entry:
        return Entry(second + timedelta(seconds=later), event, version, "", "", tag, "", "")

    course = [
        entry("assignment", "v1", "churn#prod#2"),
        entry("registration", "v2", "churn@v2"),
        entry("assignment", "v2", "churn#prod#3"),
        entry("assignment", "v1", "churn#prod#4", later=1),
        entry("deregistration", "v2", "churn@v2!", later=1),
    ]
    for given in permutations(course):
        assert course[::-1] == in_order(given)
