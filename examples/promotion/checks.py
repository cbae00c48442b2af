"""What must be true of data, split and model. Each check gives what is wrong, in words; nothing wrong is an empty list.

There is no switch to go on in spite of a failure: who wants other bounds changes ``params.yaml``, in a pull request.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from data import TARGET

# Of every feature the least and greatest value that a measurement can have; a change of units is far outside.
BOUNDS = {"radius": 60, "texture": 80, "perimeter": 400, "area": 6000}
OTHERS = 10.0
FEATURES = 30


def data(rows: pd.DataFrame, bounds: dict[str, Any]) -> list[str]:
    """Check what came in."""
    features = rows.drop(columns=TARGET)
    wrong = []
    if len(rows) < bounds["least_rows"]:
        wrong.append(f"{len(rows)} rows are fewer than {bounds['least_rows']}")
    if len(features.columns) != FEATURES:
        wrong.append(f"{len(features.columns)} features instead of {FEATURES}")
    texts = [name for name in features if not pd.api.types.is_numeric_dtype(features[name])]
    if texts:
        return [*wrong, f"no numbers: {', '.join(texts)}"]
    for name in features:
        values, most = features[name], _most(str(name))
        if values.isna().any():
            wrong.append(f"{name}: {int(values.isna().sum())} values are missing")
        if (values < 0).any() or (values > most).any():
            wrong.append(f"{name}: values from {values.min():g} to {values.max():g}, allowed are 0 to {most:g}")
    if rows.duplicated().any():
        wrong.append(f"{int(rows.duplicated().sum())} rows are there twice")
    return wrong + _classes(rows[TARGET], bounds["least_share_of_a_class"])


def _most(name: str) -> float:
    return next((most for word, most in BOUNDS.items() if word in name and "error" not in name), _error(name))


def _error(name: str) -> float:
    return 600.0 if name == "area_error" else 25.0 if name.endswith("_error") else OTHERS


def _classes(target: pd.Series, least: float) -> list[str]:
    if set(target.unique()) != {0, 1}:
        return [f"the target is {sorted(target.unique())}, not 0 and 1"]
    share = float(target.value_counts(normalize=True).min())
    return [] if share >= least else [f"one class has {share:.0%} of the rows, less than {least:.0%}"]


def parts(train: pd.DataFrame, test: pd.DataFrame, bounds: dict[str, Any]) -> list[str]:
    """Check the split: nothing on both sides, and both sides alike."""
    wrong = []
    both = set(train.index) & set(test.index)
    if both:
        wrong.append(f"{len(both)} rows are on both sides")
    features = train.drop(columns=TARGET)
    drift = (features.mean() - test[features.columns].mean()).abs() / features.std()
    if drift.max() > bounds["most_drift"]:
        wrong.append(f"{drift.idxmax()} differs by {drift.max():.2f} standard deviations between train and test")
    return wrong


def model(measured: dict[str, Any], baseline: float, bounds: dict[str, Any]) -> list[str]:
    """Check the model: numbers, better than guessing, and not learnt by heart. The gate has bounds of its own."""
    figures = [measured["test"]["roc_auc"], measured["train"]["roc_auc"], measured["test"]["log_loss"]]
    if not np.isfinite(figures).all():
        return [f"a figure is no number: {figures}"]
    wrong = []
    if measured["test"]["accuracy"] <= baseline:
        wrong.append(f"accuracy {measured['test']['accuracy']} is not above {baseline:.4f}, which guessing reaches")
    overfit = measured["train"]["roc_auc"] - measured["test"]["roc_auc"]
    if overfit > bounds["most_overfit"]:
        wrong.append(f"roc_auc is {overfit:.3f} better on train rows than on test rows: learnt by heart")
    return wrong


def enforce(what: str, wrong: list[str]) -> None:
    """Tell the log and the step summary; end with 1 when something is wrong.

    Raises:
        SystemExit: Something is.
    """
    said = [f"{what}: {'nothing wrong' if not wrong else f'{len(wrong)} checks failed'}", *(f"- {w}" for w in wrong)]
    print("\n".join(said))
    if os.environ.get("GITHUB_STEP_SUMMARY"):
        with Path(os.environ["GITHUB_STEP_SUMMARY"]).open("a", encoding="utf-8") as file:
            file.write("\n".join([*said, "", ""]))
    if wrong:
        print(f"::error title=Validation::{what}: {'; '.join(wrong)}")
        raise SystemExit(1)
