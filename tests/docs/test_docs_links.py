"""Links within the repository lead somewhere, and nothing in it points where it must not."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import unquote

import pytest

from tests.docs.doc_pages import ROOT, files, name, pages

if TYPE_CHECKING:
    from pathlib import Path

_CODE = re.compile(r"^( *)```.*?^\1```$|`[^`\n]*`", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\[[^\]]*\]\(<?([^)\s>]+)>?\)|^\[[^\]]+\]:\s+(\S+)", re.MULTILINE)
_ELSEWHERE = re.compile(r"[a-z][a-z0-9+.-]*:|//")

# Put together here, so that this file does not hold them either.
FORBIDDEN = {
    "where packages come from": (
        "py" + "pi.org",
        "python" + "hosted.org",
        "npm" + "js.",
        "deb" + ".debian.org",
        "security" + ".debian.org",
        "archive" + ".ubuntu.com",
        "proxy" + ".golang.org",
        "index" + "-url",
        "UV_" + "INDEX_URL=",
        "UV_" + "INDEX=",
        "UV_" + "DEFAULT_INDEX=",
        "PIP_" + "INDEX_URL=",
    ),
    "where somebody's checkout was": ("/wo" + "rk/main", "/wo" + "rk/shared", "/tm" + "p/w/"),
}


def anchors(page: Path) -> set[str]:
    """The anchors that GitHub gives to the headings of a page."""
    text = re.sub(r"^( *)```.*?^\1```$", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    found: set[str] = set()
    for heading in re.findall(r"^#{1,6} +(.+?) *$", text, re.MULTILINE):
        bare = re.sub(r"[^\w\- ]", "", re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).lower()).replace(" ", "-")
        numbered = (f"{bare}-{number}" for number in range(1, 100))
        found.add(bare if bare not in found else next(each for each in numbered if each not in found))
    return found


def broken(page: Path) -> list[str]:
    """The links of a page that lead to nothing in the repository."""
    text = _CODE.sub("", page.read_text(encoding="utf-8"))
    return [target for match in _LINK.finditer(text) if not _leads(page, target := match[1] or match[2])]


def _leads(page: Path, target: str) -> bool:
    if _ELSEWHERE.match(target):
        return True
    path, _, anchor = unquote(target).partition("#")
    file = page if not path else ROOT / path.lstrip("/") if path.startswith("/") else page.parent / path
    return file.exists() and (not anchor or (file.suffix == ".md" and anchor in anchors(file)))


@pytest.mark.parametrize("page", pages(), ids=name)
def test_every_link_within_the_repository_resolves(page: Path) -> None:
    """Files exist and have the headings that links name."""
    assert [] == broken(page)


def test_a_broken_link_is_noticed(tmp_path: Path) -> None:
    """A missing file and a missing heading are found; other sites and code are not looked at."""
    page = tmp_path / "page.md"
    page.write_text(
        "# One `two` (3)\n[a](nowhere.md) [b](#one-two-3) [c](#four) [d](https://example.org) `[e](f)` [g](page.md)\n",
        encoding="utf-8",
    )
    assert ["nowhere.md", "#four"] == broken(page)


def test_no_file_names_what_none_may_name() -> None:
    """No address of a package index and no path of a developer's machine has slipped in."""
    found = [
        f"{name(path)}: {word} ({why})"
        for path in files()
        for text in [path.read_bytes().decode("utf-8", "replace")]
        for why, words in FORBIDDEN.items()
        for word in words
        if word in text
    ]
    assert [] == found


def test_every_decision_is_listed() -> None:
    """The list of decisions has each record, by its number and title."""
    folder = ROOT / "docs/decisions"
    records = sorted(folder.glob("[0-9]*.md"))
    titles = [path.read_text(encoding="utf-8").partition("\n")[0] for path in records]
    listed = re.findall(
        r"^\| \[(\d{4})\]\((.+?)\) \| (.+?) \|$", (folder / "README.md").read_text("utf-8"), re.MULTILINE
    )
    assert [path.name for path in records] == [file for _, file, _ in listed]
    assert titles == [f"# {number}: {title}" for number, _, title in listed]
    for path in records:
        text = path.read_text(encoding="utf-8")
        assert all(f"\n**{part}.** " in text for part in ("Context", "Decision", "Consequences")), path.name
