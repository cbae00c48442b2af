"""The site of the pages: it builds without a warning, every page is on it, and it loads nothing from elsewhere.

Sphinx itself warns of a page in no list of contents and of a link or anchor that leads nowhere, in README and examples
as well; so one build, with warnings as errors, tells all of that.
"""

from __future__ import annotations

import re
import runpy
import shlex
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

import pytest

from tests.docs.doc_pages import ROOT, name, pages

BIN = Path(sys.executable).parent
# What a browser fetches by itself, and where the address stands.
FETCHED = {"script": "src", "img": "src", "link": "href", "iframe": "src", "source": "src"}
# A link to where a page is at home on the web, or to the next page, fetches nothing.
HARMLESS = {"canonical", "author", "index", "search", "next", "prev", "copyright"}


class Page(HTMLParser):
    """What a page of the site fetches, links to, and can be linked to by."""

    def __init__(self, file: Path) -> None:
        super().__init__()
        self.fetched: list[str] = []
        self.links: list[str] = []
        self.anchors: set[str] = set()
        self.feed(file.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Take in what a tag fetches, links to and is called."""
        told = {key: value or "" for key, value in attrs}
        if told.get(FETCHED.get(tag, "")) and told.get("rel") not in HARMLESS:
            self.fetched.append(told[FETCHED[tag]])
        if tag == "a" and "href" in told:
            self.links.append(told["href"])
        if "id" in told:
            self.anchors.add(told["id"])


def _recipe() -> list[str]:
    """What `make site` runs."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    found = re.search(r"^site:.*\n\t(.+)$", makefile, re.MULTILINE)
    assert found is not None
    return shlex.split(found[1].replace("$(BIN)", str(BIN)))


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built as `make site` builds it, in a folder of its own."""
    folder = tmp_path_factory.mktemp("site")
    places = {"build/site": str(folder / "site"), "build/site.trees": str(folder / "trees")}
    words = [places.get(word, word) for word in _recipe()]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)
    assert (0, "") == (done.returncode, done.stdout + done.stderr)
    return folder / "site"


@pytest.fixture(scope="module")
def built(site: Path) -> dict[Path, Page]:
    """Every page of the site, read."""
    return {file: Page(file) for file in sorted(site.rglob("*.html"))}


def test_every_page_of_the_repository_is_on_the_site(built: dict[Path, Page], site: Path) -> None:
    """Nobody has to know of a page to find it; what is for GitHub's own forms stays out."""
    there = {file.relative_to(site).with_suffix("").as_posix() for file in built}
    wanted = {name(page).removesuffix(".md") for page in pages() if not name(page).startswith(".")}
    assert set() == wanted - there


def test_every_link_of_the_site_leads_somewhere(built: dict[Path, Page], site: Path) -> None:
    """Pages, anchors, pictures and files are there, those outside of docs/ too."""
    broken: list[str] = []
    for file, page in built.items():
        for link in page.links + page.fetched:
            if re.match(r"[a-z]+:", link):
                continue
            path, _, anchor = unquote(link).partition("#")
            target = (file.parent / path.partition("?")[0]).resolve() if path else file
            known = built.get(target)
            if not target.exists() or (anchor and known is not None and anchor not in known.anchors):
                broken.append(f"{file.relative_to(site)}: {link}")
    assert [] == broken


def test_the_site_loads_nothing_from_elsewhere(built: dict[Path, Page], site: Path) -> None:
    """No script, style, font or picture of another host, so it can be read offline and tells nobody who reads it."""
    pages_ = [f"{file.name}: {link}" for file, page in built.items() for link in page.fetched if "//" in link]
    styles = [
        f"{file.name}: {found}"
        for file in site.rglob("*.css")
        for found in re.findall(
            r"(?:@import|url\()\s*[\"']?((?:https?:)?//[^\"')\s]+)", file.read_text(encoding="utf-8")
        )
    ]
    assert [] == pages_ + styles


def test_search_and_both_lights_are_there(built: dict[Path, Page], site: Path) -> None:
    """The index is a file of the site and knows the pages; a reader chooses light or dark; a phone has a menu."""
    index = (site / "searchindex.js").read_text(encoding="utf-8")
    assert '"docs/troubleshooting"' in index
    assert "interrupt" in index
    text = (site / "docs/index.html").read_text(encoding="utf-8")
    assert 'class="theme-toggle"' in text
    assert 'name="viewport"' in text
    assert "url=docs/index.html" in (site / "index.html").read_text(encoding="utf-8")
    assert shutil.which("sphinx-build", path=str(BIN))
    assert len(built) > len(pages())


def test_the_transcript_in_the_readme_is_drawn_from_a_demo(monkeypatch: pytest.MonkeyPatch) -> None:
    """Moments and figures stay, of the log a few lines; what is left out becomes dots; the README takes it as it is."""
    monkeypatch.syspath_prepend(str(ROOT / "scripts"))
    drawing, pictures = runpy.run_path(str(ROOT / "scripts/draw_demo.py")), ROOT / "scripts/draw_pictures.py"
    said = (
        "$ make demo\nrunnerkit demo  acme/x in the sandbox\n\n"
        "   1.4 s ● offering chosen       g4dn.xlarge: the cheapest\n                                 of 19  \n"
        "         │ noise\n         │ more noise\n         │ epoch   1/12  loss 2.0\n"
        "   9.0 s ✔ nothing left          0 instances\n"
        "│  test.accuracy  0.97  0.94  better  │\n│  rows  540  │\n"
        "everything worked, nothing is left  (9.0 s)\n"
    )
    shown = drawing["transcript"](said)
    assert shown.splitlines() == [
        "$ make demo",
        "   1.4 s ● offering chosen       g4dn.xlarge: the cheapest",
        "                                 of 19",
        "         │ ...",
        "         │ epoch   1/12  loss 2.0",
        "   9.0 s ✔ nothing left          0 instances",
        "test.accuracy  0.97  0.94  better",
        "...",
        "everything worked, nothing is left  (9.0 s)",
    ]
    put = runpy.run_path(str(pictures))["with_transcript"]
    assert put("a\n```console\n$ make demo\nold\n```\nb\n", shown) == f"a\n```console\n{shown}\n```\nb\n"
    with pytest.raises(ValueError, match="no transcript"):
        put("nothing", shown)
