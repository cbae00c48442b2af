"""Value the properties that were sold after the model's time."""

from __future__ import annotations

import os
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import features
import joblib
import yaml


def main() -> None:
    """Write ``data/assessed.csv``."""
    params = yaml.safe_load(Path("params.yaml").read_text(encoding="utf-8"))
    sales = features.read()
    model = joblib.load("models/valuation.joblib")
    later = sales[sales[features.YEAR] == params["split"]["last_year"] + 1]
    found = later[[features.AREA, features.PRICE]].rename(columns=str.lower)
    found["estimate"] = model.predict(features.of(later)).round()
    found.to_csv("data/assessed.csv", index=False, lineterminator="\n")
    print(f"{len(found)} properties assessed")


if __name__ == "__main__":
    main()
