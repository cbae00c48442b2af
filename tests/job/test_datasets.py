"""What a report tells of tracked data: counted from lock files, no DVC and no data needed."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from runnerkit.job.datasets import data_changes, size_told
from runnerkit.job.pipeline import Project
from runnerkit.job.place import Place
from runnerkit.job.reporting import Report
from runnerkit.job.versions import Base
from tests.job.workshop import Workshop, git

if TYPE_CHECKING:
    from pathlib import Path

PROJECT = "stages:\n  train: {cmd: 'true', metrics: [m.json]}\n"
LOCK = """schema: '2.0'
stages:
  train:
    deps:
    - {path: src/train.py, md5: %(code)s, size: 10}
    - {path: 's3://acme/raw.parquet', etag: %(raw)s, size: 5000000}
    outs:
    - {path: data/images, md5: %(images)s.dir, size: %(size)s, nfiles: %(files)s}
    - {path: model.bin, md5: %(model)s, size: 2100}
    - {path: same.bin, md5: ff, size: 1}
    - {path: m.json, md5: %(model)s, size: 3}
"""
OLD = {"code": "a1", "raw": "b1", "images": "c1", "size": 1000, "files": 2, "model": "d1"}
NEW = {"code": "a2", "raw": "b2", "images": "c2", "size": 2500, "files": 3, "model": "d2"}


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A checkout in which code, data, a model and a `.dvc` file have changed since main."""
    pointer = "outs:\n- {path: table.csv, md5: e1, size: 1500}\n"
    files = {"src/train.py": "1", "dvc.lock": LOCK % OLD, "raw/table.csv.dvc": pointer, "old.csv.dvc": pointer}
    here = Workshop(tmp_path).origin(project=PROJECT, files=files)
    (here / "dvc.lock").write_text(LOCK % NEW, encoding="utf-8")
    (here / "raw/table.csv.dvc").write_text(pointer.replace("e1", "e2").replace("1500", "3000"), encoding="utf-8")
    (here / "old.csv.dvc").unlink()
    return Project(here, here)


def test_changed_data_are_told_with_files_and_sizes(project: Project) -> None:
    """Outputs, what comes from outside, `.dvc` files; code is in git's own diff, metrics have their own table."""
    found = Report.gather(project, Place(), base="main")
    rows = [line for line in found.body().splitlines() if "images" in line or "\\.parquet" in line or ".csv" in line]
    told = {each.path: each.what for each in found.data}
    assert told == {
        "data/images": "changed",
        "model.bin": "changed",
        "raw/table.csv": "changed",
        "s3://acme/raw.parquet": "changed",
        "table.csv": "gone",
    }
    assert "| data/images | 3 files, 2.5 kB | 2 files, 1.0 kB | changed |" in rows
    assert "| raw/table.csv | 3.0 kB | 1.5 kB | changed |" in rows


def test_files_inside_a_folder_are_counted_where_the_cache_knows_them(project: Project) -> None:
    """DVC keeps a list of a folder's files beside them."""
    for digest, names in (("c1", {"a": "1", "b": "2"}), ("c2", {"a": "1", "b": "3", "c": "4"})):
        file = project.root / f".dvc/cache/files/md5/{digest}/.dir"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps([{"relpath": name, "md5": md5} for name, md5 in names.items()]), encoding="utf-8")
    base = Base(project, git(project.here, "rev-parse", "main"))
    assert [each.what for each in data_changes(project, base) if each.path == "data/images"] == ["1 added, 1 modified"]


def test_without_a_base_or_a_lock_nothing_is_said(project: Project) -> None:
    """A lock that is in nobody's git would make everything look new."""
    assert data_changes(project, Base(project, "")) == []
    git(project.here, "rm", "-q", "--cached", "dvc.lock")
    git(project.here, "-c", "user.name=o", "-c", "user.email=o@example.com", "commit", "-q", "-m", "no lock")
    found = data_changes(project, Base(project, git(project.here, "rev-parse", "HEAD")))
    assert [each.path for each in found] == ["raw/table.csv", "table.csv"]


def test_sizes_are_told_as_people_read_them() -> None:
    """In powers of ten, as disks and clouds do."""
    told = [size_told(size) for size in (None, 0, 999, 1000, 1_478_016_493, 5 * 10**15)]
    assert told == ["", "0 B", "999 B", "1.0 kB", "1.5 GB", "5000.0 TB"]
