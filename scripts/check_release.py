"""Check that a tag can be released: it is the package's version, and the changelog tells its changes and date.

Usage: ``python scripts/check_release.py v0.1.0``
"""

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def problems(tag: str, package: str, changelog: str) -> list[str]:
    """What is wrong with a tag, given the text of the package's ``__init__.py`` and of the changelog."""
    found = re.search(r'^__version__ = "([^"]+)"$', package, re.MULTILINE)
    version = found[1] if found else ""
    wrong = []
    if tag != f"v{version}":
        wrong.append(f"the tag is {tag}, and the package says {version or 'no version'}: the tag must be v{version}")
    if not re.fullmatch(r"\d+\.\d+\.\d+(rc\d+)?", version):
        wrong.append(f"{version or 'no version'} is no version to release: it must be like 1.2.3 or 1.2.3rc1")
    if not re.search(rf"^## {re.escape(version)} - \d{{4}}-\d{{2}}-\d{{2}}$", changelog, re.MULTILINE):
        wrong.append(f"CHANGELOG.md has no heading '## {version} - YEAR-MONTH-DAY'")
    unreleased = re.search(r"^## Unreleased\n(.*?)(?=^## |\Z)", changelog, re.MULTILINE | re.DOTALL)
    if unreleased and unreleased[1].strip():
        wrong.append("CHANGELOG.md still has changes under 'Unreleased': move them below the version's heading")
    return wrong


def main() -> int:
    """Tell each problem on a line of its own; 1 if there is one."""
    package = (ROOT / "runnerkit" / "__init__.py").read_text(encoding="utf-8")
    wrong = problems(sys.argv[1], package, (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"))
    for each in wrong:
        print(each, file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
