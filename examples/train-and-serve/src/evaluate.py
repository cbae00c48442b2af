"""Judge the model by the digits it has not seen."""

import csv
import json
from pathlib import Path

import joblib
import numpy as np
from sklearn.metrics import accuracy_score, f1_score, log_loss


def main() -> None:
    """Write ``metrics.json`` and ``plots/confusion.csv``."""
    data = np.load("data/digits.npz")
    model = joblib.load("models/digits.joblib")
    chances = model.predict_proba(data["test_x"])
    predicted = chances.argmax(axis=1)
    metrics = {
        "test": {
            "accuracy": round(float(accuracy_score(data["test_y"], predicted)), 4),
            "f1_macro": round(float(f1_score(data["test_y"], predicted, average="macro")), 4),
            "log_loss": round(float(log_loss(data["test_y"], chances)), 4),
        },
        "rows": len(predicted),
    }
    Path("metrics.json").write_text(json.dumps(metrics, indent=2) + "\n", encoding="utf-8")
    with Path("plots/confusion.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("actual", "predicted"), *zip(data["test_y"], predicted, strict=True)])
    print(json.dumps(metrics))


if __name__ == "__main__":
    main()
