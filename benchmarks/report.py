"""How soon `runnerkit report` is done with 200 metrics and 20 plots, as a whole process, with and without pictures.

A pull request's checkout whose metrics, params and curves all differ from the base's; nothing but git and files. With
pictures every plot is drawn as SVG and PNG, the base's curve beside it, and written into the artifact's folder.
"""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory

from figures import Figure, Spread
from processes import runnerkit, took

METRICS, PLOTS, POINTS = 200, 20, 200
ROUNDS = 3
LIMIT = 5.0


def measure() -> list[Figure]:
    """Report a few times each way; the smallest counts, since a busy machine only makes a process slower."""
    with TemporaryDirectory() as folder:
        here = _checkout(Path(folder))
        pictures = runnerkit("report", "--base", "main", "--images", "artifact", "--json")
        plain = runnerkit("report", "--base", "main", "--json")
        spreads = {}
        for name, command in (("with pictures", pictures), ("plots as text", plain)):
            spreads[name] = Spread.of([took(command, folder=here).seconds for _ in range(ROUNDS)])
        drawn = list((here / ".runnerkit/report").glob("*.png"))
        assert len(drawn) == PLOTS, f"{len(drawn)} pictures"
    return [
        Figure(f"report of {METRICS} metrics and {PLOTS} plots, {name}", spread.least, "s", LIMIT, spread=spread)
        for name, spread in spreads.items()
    ]


def _checkout(here: Path) -> Path:
    plots = "".join(f"- plot{number}.csv: {{x: epoch, y: loss}}\n" for number in range(PLOTS))
    project = f"metrics: [metrics.json]\nplots:\n{plots}stages:\n  train: {{cmd: 'true', params: [train]}}\n"
    _write(here, {".dvc/config": "", ".gitignore": ".runnerkit\n", "dvc.yaml": project} | _measured(1.0))
    git = ["git", "-C", str(here), "-c", "user.name=octocat", "-c", "user.email=octocat@example.com"]
    for words in (["init", "-q", "-b", "main"], ["add", "-A"], ["commit", "-q", "-m", "base"]):
        subprocess.run([*git, *words], check=True)
    _write(here, _measured(0.9))
    return here


def _measured(factor: float) -> dict[str, str]:
    curves = {
        f"plot{number}.csv": "epoch,loss\n" + "".join(f"{n},{factor * (number + 1) / (n + 1)}\n" for n in range(POINTS))
        for number in range(PLOTS)
    }
    metrics = {f"metric{number}": factor * number for number in range(METRICS)}
    return {**curves, "metrics.json": json.dumps(metrics), "params.yaml": f"train: {{rate: {factor}}}\n"}


def _write(here: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (here / name).parent.mkdir(parents=True, exist_ok=True)
        (here / name).write_text(text, encoding="utf-8")
