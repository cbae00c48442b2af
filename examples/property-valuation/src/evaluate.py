"""Compare estimates with prices, altogether and by neighborhood."""

from __future__ import annotations

import csv
import json
import math
from pathlib import Path
from statistics import fmean, median

import ratios
import yaml

Pairs = list[tuple[float, float]]


def main() -> None:
    """Write ``metrics.json``, ``neighborhoods.csv`` and ``plots/ratios.csv``."""
    fewest = yaml.safe_load(Path("params.yaml").read_text(encoding="utf-8"))["evaluate"]["fewest_sales"]
    areas = read()
    everything = [pair for pairs in areas.values() for pair in pairs]
    cv = json.loads(Path("models/cv.json").read_text(encoding="utf-8"))
    error = math.sqrt(fmean((estimate - price) ** 2 for estimate, price in everything))
    metrics = {"test": statistics(everything) | {"rmse": round(error)}} | ({"cv": cv} if cv else {})
    Path("metrics.json").write_text(json.dumps(metrics, indent=2) + "\n", encoding="utf-8")
    rows = [{"neighborhood": area, **statistics(pairs)} for area, pairs in areas.items() if len(pairs) >= fewest]
    write("neighborhoods.csv", sorted(rows, key=lambda row: -row["cod"]))
    Path("plots").mkdir(exist_ok=True)
    points = [{"sale_price": round(price), "ratio": round(estimate / price, 4)} for estimate, price in everything]
    write("plots/ratios.csv", points)
    print(json.dumps(metrics))


def read() -> dict[str, Pairs]:
    """Give estimates and prices by neighborhood."""
    areas: dict[str, Pairs] = {}
    with Path("data/assessed.csv").open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            pair = (float(row["estimate"]), float(row["sale_price"]))
            areas.setdefault(row["neighborhood"], []).append(pair)
    return areas


def statistics(pairs: Pairs) -> dict[str, float]:
    """Give the statistics of a ratio study."""
    estimates, prices = map(list, zip(*pairs, strict=True))
    return {
        "cod": round(ratios.cod(estimates, prices), 2),
        "prd": round(ratios.prd(estimates, prices), 4),
        "prb": round(ratios.prb(estimates, prices), 4),
        "median_ratio": round(median(ratios.divided(estimates, prices)), 4),
        "sales": len(pairs),
    }


def write(path: str, rows: list[dict[str, object]]) -> None:
    """Write a table."""
    with Path(path).open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, rows[0], lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


if __name__ == "__main__":
    main()
