"""What CONTRIBUTING.md says of size."""

from __future__ import annotations

from pathlib import Path

PACKAGE = Path(__file__).parents[2] / "runnerkit"
MOST = 300


def test_no_file_of_the_package_is_longer_than_is_said() -> None:
    """Longer ones were two things; they are to be split by meaning."""
    lines = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in PACKAGE.rglob("*.py")}
    assert lines
    assert {str(path.relative_to(PACKAGE)): count for path, count in lines.items() if count > MOST} == {}


def test_the_limit_is_the_one_that_contributors_read() -> None:
    """A limit that is written nowhere surprises."""
    assert f"at most {MOST} lines" in (PACKAGE.parent / "CONTRIBUTING.md").read_text(encoding="utf-8")
