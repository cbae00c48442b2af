"""Write the page that people read: by Quarto where it is installed, from a template otherwise."""

from __future__ import annotations

import csv
import html
import json
import shutil
import string
import subprocess
from pathlib import Path

import ratios

FOLDER = Path("report")
PAGE = FOLDER / "performance.html"
NAMES = {"cod": "COD", "prd": "PRD", "prb": "PRB"}


def main() -> None:
    """Write ``report/performance.html``."""
    metrics = json.loads(Path("metrics.json").read_text(encoding="utf-8"))["test"]
    with Path("neighborhoods.csv").open(newline="", encoding="utf-8") as file:
        areas = list(csv.DictReader(file))
    quarto = shutil.which("quarto")
    if quarto:
        command = [quarto, "render", "performance.qmd", "--to", "html", "--embed-resources", "--output", PAGE.name]
        subprocess.run(command, cwd=FOLDER, check=True)
    else:
        template = string.Template((FOLDER / "template.html").read_text(encoding="utf-8"))
        page = template.substitute(sales=metrics["sales"], overall=overall(metrics), areas="\n".join(map(line, areas)))
        PAGE.write_text(page, encoding="utf-8")
    print(f"{PAGE}: {len(areas)} neighborhoods, {'by Quarto' if quarto else 'from the template'}")


def overall(metrics: dict[str, float]) -> str:
    """The table of the statistics over all sales."""
    rows = []
    for name, (least, most) in ratios.RANGES.items():
        good = ratios.within(name, metrics[name])
        rows.append(
            f'<tr class="{"in" if good else "out"}"><th>{NAMES[name]}</th><td>{metrics[name]}</td>'
            f"<td>{least} to {most}</td><td>{'met' if good else 'not met'}</td></tr>"
        )
    return "\n".join(rows)


def line(area: dict[str, str]) -> str:
    """A neighborhood's row; what is outside its range is marked."""
    cells = [
        f'<td class="{"in" if ratios.within(name, float(area[name])) else "out"}">{area[name]}</td>' for name in NAMES
    ]
    name = html.escape(area["neighborhood"].replace("_", " "))
    return f"<tr><th>{name}</th><td>{area['sales']}</td>{''.join(cells)}<td>{area['median_ratio']}</td></tr>"


if __name__ == "__main__":
    main()
