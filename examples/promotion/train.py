"""Check the data, search at random, check the model; write the model and its figures to ``made/``."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import TYPE_CHECKING, Any

import checks
import data

if TYPE_CHECKING:
    import pandas as pd
import joblib
import numpy as np
import yaml
from sklearn.ensemble import GradientBoostingClassifier
from sklearn.metrics import accuracy_score, log_loss, roc_auc_score
from sklearn.model_selection import cross_val_score

MADE = Path("made")


def search(train: pd.DataFrame, params: dict[str, Any]) -> tuple[dict[str, Any], float]:
    """Try params at random, each by cross-validation on the train rows, and give the best with its score."""
    draw, asked, tried = random.Random(params["seed"]), params["search"], []
    for number in range(asked["tries"]):
        chosen = {
            "max_depth": draw.randint(*asked["depth"]),
            "n_estimators": draw.randint(*asked["trees"]),
            "learning_rate": round(draw.uniform(*asked["rate"]), 4),
        }
        model = GradientBoostingClassifier(**chosen, random_state=params["seed"])
        rows, target = train.drop(columns=data.TARGET), train[data.TARGET]
        score = float(np.mean(cross_val_score(model, rows, target, cv=asked["folds"], scoring="roc_auc")))
        print(f"try {number + 1} of {asked['tries']}: {chosen} roc_auc {score:.4f}", flush=True)
        tried.append((score, number, chosen))
    score, _, chosen = max(tried, key=lambda each: each[:2])
    return chosen, score


def measure(model: GradientBoostingClassifier, rows: pd.DataFrame) -> dict[str, float]:
    """Say how well a fitted model knows these rows."""
    chances, truth = model.predict_proba(rows.drop(columns=data.TARGET))[:, 1], rows[data.TARGET]
    return {
        "accuracy": round(float(accuracy_score(truth, chances >= 0.5)), 4),
        "roc_auc": round(float(roc_auc_score(truth, chances)), 4),
        "log_loss": round(float(log_loss(truth, chances)), 4),
    }


def main() -> None:
    """Train, or end with 1 at the first thing that is wrong."""
    params = yaml.safe_load(Path("params.yaml").read_text(encoding="utf-8"))
    rows = data.load()
    checks.enforce("Data", checks.data(rows, params["checks"]))
    train, test = data.split(rows, params["test_share"], params["seed"])
    checks.enforce("Split", checks.parts(train, test, params["checks"]))
    chosen, score = search(train, params)
    model = GradientBoostingClassifier(**chosen, random_state=params["seed"])
    model.fit(train.drop(columns=data.TARGET), train[data.TARGET])
    measured = {"test": measure(model, test), "train": measure(model, train), "cv": {"roc_auc": round(score, 4)}}
    guessing = max(test[data.TARGET].mean(), 1 - test[data.TARGET].mean())
    checks.enforce("Model", checks.model(measured, guessing, params["checks"]))
    MADE.mkdir(exist_ok=True)
    joblib.dump(model, MADE / "model.joblib")
    (MADE / "search.json").write_text(json.dumps(chosen), encoding="utf-8")
    (MADE / "features.json").write_text(json.dumps(data.schema(rows)), encoding="utf-8")
    Path("metrics.json").write_text(json.dumps(measured, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(measured))


if __name__ == "__main__":
    main()
