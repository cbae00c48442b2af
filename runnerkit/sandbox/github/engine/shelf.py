"""What this project publishes for workflows: its actions, its workflows, and a package that pip can install.

The package is a link to this installation: nothing is downloaded here, while workflows install it as they would.
"""

import site
import sys
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

OWN_NAME = "runnerkit"
PLACES = ("actions", "workflows/dvc.yml")
PROJECT = """\
[build-system]
requires = []
build-backend = "link"
backend-path = ["."]
"""
BACKEND = Path(__file__).with_name("link.py")


def place() -> Path:
    """Give the folder with the actions and workflows: in a checkout, or in the installed package."""
    package = Path(__file__).parents[3]
    packed = package / "sandbox" / "published"
    return packed if packed.is_dir() else package.parent / ".github"


@cache
def files() -> dict[str, str | bytes | None]:
    """Give the content of the repository by its paths."""
    root = place()
    found = [
        path for each in PLACES for path in ((root / each).rglob("*") if (root / each).is_dir() else [root / each])
    ]
    published = {
        f".github/{path.relative_to(root).as_posix()}": path.read_bytes()
        for path in found
        if path.is_file() and path.suffix != ".pyc"
    }
    return {**published, "pyproject.toml": PROJECT, "link.py": BACKEND.read_text(encoding="utf-8") + _facts()}


def _facts() -> str:
    package = str(Path(__file__).parents[4])
    # Where an installation keeps what it needs; an editable one keeps itself elsewhere.
    folders = list(dict.fromkeys([package, *(each for each in site.getsitepackages() if Path(each).is_dir())]))
    try:
        number = version(OWN_NAME)
    except PackageNotFoundError:
        number = "0"
    return f"\nVERSION = {number!r}\nFOLDERS = {folders!r}\nPYTHON = {sys.version_info[:2]!r}\n"
