"""Fit the valuation model to the sales of the past."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

# For three thousand rows threads cost more than they bring.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import features
import joblib
import numpy as np
import yaml
from sklearn.compose import TransformedTargetRegressor
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.model_selection import KFold, cross_val_score

if TYPE_CHECKING:
    import pandas as pd


def main() -> None:
    """Write ``models/valuation.joblib`` and ``models/cv.json``."""
    params = yaml.safe_load(Path("params.yaml").read_text(encoding="utf-8"))
    sales = features.read()
    past = chosen(sales[sales[features.YEAR] <= params["split"]["last_year"]], params["subset"])
    known, prices = features.of(past), past[features.PRICE]
    model = made(params["train"])
    Path("models").mkdir(exist_ok=True)
    found = validated(model, known, prices, params["cv"])
    Path("models/cv.json").write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    joblib.dump(model.fit(known, prices), "models/valuation.joblib")
    print(f"learned from {len(past)} sales", found or "")


def chosen(sales: pd.DataFrame, subset: dict[str, Any]) -> pd.DataFrame:
    """Give all sales, or a share of each neighborhood's."""
    if not subset["enable"]:
        return sales
    return sales.groupby(features.AREA).sample(frac=subset["share"], random_state=subset["seed"])


def made(params: dict[str, Any]) -> TransformedTargetRegressor:
    """A model of the price's logarithm: what counts is by which share an estimate is wrong."""
    trees = HistGradientBoostingRegressor(
        max_iter=params["iterations"],
        learning_rate=params["learning_rate"],
        max_leaf_nodes=params["leaves"],
        min_samples_leaf=params["smallest_leaf"],
        random_state=params["seed"],
        categorical_features="from_dtype",
    )
    return TransformedTargetRegressor(trees, func=np.log, inverse_func=np.exp)


def validated(
    model: TransformedTargetRegressor, known: pd.DataFrame, prices: pd.Series, cv: dict[str, Any]
) -> dict[str, float]:
    """Give the error on sales that were left out, if that is wanted. The model itself stays unfitted."""
    if not cv["enable"]:
        return {}
    folds = KFold(cv["folds"], shuffle=True, random_state=0)
    errors = -cross_val_score(model, known, prices, cv=folds, scoring="neg_mean_absolute_percentage_error")
    return {"mape": round(float(errors.mean()), 4), "mape_worst_fold": round(float(errors.max()), 4)}


if __name__ == "__main__":
    main()
