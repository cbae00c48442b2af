"""Cross-validate, then fit, then judge by the newest days; register the fitted model as the challenger.

`cross_val_score` fits clones and leaves the estimator it was given as it was. What is logged must therefore be fitted
on its own, and is read back and asked before anybody is told of it.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import deciding
import numpy as np
import registry
import rides

if TYPE_CHECKING:
    import pandas as pd
import yaml
from sklearn.compose import ColumnTransformer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss, roc_auc_score
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder
from sklearn.utils.validation import check_is_fitted

KINDS = ("hour", "weekday", "weather")


def build(params: dict[str, Any]) -> Pipeline:
    """Make the model, not fitted."""
    kinds = [name for name in params["columns"] if name in KINDS]
    numbers = [name for name in params["columns"] if name not in KINDS]
    prepared = ColumnTransformer(
        [("kinds", OneHotEncoder(handle_unknown="ignore"), kinds), ("numbers", "passthrough", numbers)]
    )
    return Pipeline([("prepared", prepared), ("decided", LogisticRegression(C=params["model"]["c"], max_iter=500))])


def judge(model: Any, hours: pd.DataFrame) -> dict[str, float]:  # noqa: ANN401 - any classifier
    """Say how well a fitted model knows these hours."""
    chances = model.predict_proba(hours[list(rides.FIELDS)])[:, 1]
    return {
        "roc_auc": round(float(roc_auc_score(hours["members"], chances)), 4),
        "log_loss": round(float(log_loss(hours["members"], chances)), 4),
    }


def main() -> None:
    """Train, register, and write ``challenger.json`` with the champion's figures beside the challenger's."""
    params = yaml.safe_load(Path("params.yaml").read_text(encoding="utf-8"))
    known, newest = rides.split(rides.load("data/hours.csv"), params["held_out_days"])
    model = build(params)
    scores = cross_val_score(model, known, known["members"], cv=params["folds"], scoring="roc_auc")
    model.fit(known[list(rides.FIELDS)], known["members"])
    check_is_fitted(model)
    measured = judge(model, newest)
    told = {f"newest_{name}": value for name, value in measured.items()}
    told |= {"cv_roc_auc": round(float(np.mean(scores)), 4), "cv_spread": round(float(np.std(scores)), 4)}
    version = registry.register(model, known[list(rides.FIELDS)].head(5), params, told)
    _same_again(model, registry.load(version), newest)
    champion = registry.champion()
    result = {"version": version, "challenger": measured, "champion": None, "gate": params["gate"]}
    if champion is not None:
        # Judged now, on the same hours: figures of another day's hours do not compare.
        result["champion"] = {"version": champion, **judge(registry.load(champion), newest)}
    Path("challenger.json").write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(result))
    _tell(result)


def _tell(result: dict[str, Any]) -> None:
    """Tell the workflow whether the challenger wins. That it does not is no failure."""
    wins, why = deciding.better(result)
    said = f"version {result['version']} {'is better' if wins else 'stays a challenger'}: roc_auc {why}"
    print(f"::notice title=Challenger::{said}")
    for name, line in (("GITHUB_OUTPUT", f"better={str(wins).lower()}"), ("GITHUB_STEP_SUMMARY", said)):
        if os.environ.get(name):
            with Path(os.environ[name]).open("a", encoding="utf-8") as file:
                file.write(f"{line}\n")


def _same_again(fitted: Any, logged: Any, hours: pd.DataFrame) -> None:  # noqa: ANN401 - classifiers
    check_is_fitted(logged)
    few = hours[list(rides.FIELDS)].head(20)
    if not np.allclose(fitted.predict_proba(few), logged.predict_proba(few)):
        raise SystemExit("what came back from the registry does not predict what was logged")


if __name__ == "__main__":
    main()
