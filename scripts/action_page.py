"""The tables of docs/action.md, from the files that GitHub reads.

Usage: ``python scripts/action_page.py`` writes them anew.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "action.md"
ACTIONS = ROOT / ".github" / "actions"
WORKFLOW = ROOT / ".github" / "workflows" / "dvc.yml"
_PLACE = re.compile(r"<!-- begin (?P<name>[\w ]+) -->\n.*?<!-- end -->", re.DOTALL)


def _read(path: Path) -> dict[Any, Any]:
    found: dict[Any, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return found


def _rows(entries: dict[str, dict[str, Any]], *, inputs: bool) -> str:
    lines = ["| input | default | what |\n| --- | --- | --- |"] if inputs else ["| name | what |\n| --- | --- |"]
    for name, told in entries.items():
        what = str(told["description"]).replace("|", "\\|")
        default = "required" if told.get("required") else f"`{_text(told['default'])}`" if told.get("default") else ""
        lines.append(f"| `{name}` | {default} | {what} |" if inputs else f"| `{name}` | {what} |")
    return "\n".join(lines)


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def tables() -> dict[str, str]:
    """Give the tables by the names of their places in the page."""
    launch, setup = (_read(ACTIONS / name / "action.yml") for name in ("launch", "setup"))
    # YAML takes the key `on` for a truth value.
    call = _read(WORKFLOW)[True]["workflow_call"]
    return {
        "launch inputs": _rows(launch["inputs"], inputs=True),
        "launch outputs": _rows(launch["outputs"], inputs=False),
        "setup inputs": _rows(setup["inputs"], inputs=True),
        "dvc inputs": _rows(call["inputs"], inputs=True),
        "dvc secrets": _rows(call["secrets"], inputs=False),
        "dvc outputs": _rows(call["outputs"], inputs=False),
    }


def written(page: str) -> str:
    """Give the page with its tables as the files say."""
    known = tables()
    return _PLACE.sub(lambda found: f"<!-- begin {found['name']} -->\n{known[found['name']]}\n<!-- end -->", page)


if __name__ == "__main__":
    PAGE.write_text(written(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
