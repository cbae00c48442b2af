"""Fetch the sales from the warehouse, and refuse what cannot be right."""

from __future__ import annotations

import csv
from pathlib import Path

# Stands for a database: a file of this repository.
WAREHOUSE = Path("warehouse/ames-sales.csv")
SALES = Path("data/sales.csv")


def main() -> None:
    """Write ``data/sales.csv``, oldest sales first."""
    with WAREHOUSE.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    wrong = [number for number, row in enumerate(rows, 2) if not plausible(row)]
    if wrong:
        raise SystemExit(f"{WAREHOUSE}: no price, year or living area in line {', '.join(map(str, wrong))}")
    rows.sort(key=lambda row: (int(row["Year_Sold"]), int(row["Mo_Sold"])))
    SALES.parent.mkdir(exist_ok=True)
    with SALES.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, rows[0], lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    print(f"{len(rows)} sales, {rows[0]['Year_Sold']} to {rows[-1]['Year_Sold']}")


def plausible(row: dict[str, str]) -> bool:
    """Tell whether a sale can be used."""
    return all(row[name].isdigit() and int(row[name]) > 0 for name in ("Sale_Price", "Year_Sold", "Gr_Liv_Area"))


if __name__ == "__main__":
    main()
