"""Train the model on scikit-learn's wine data: ``python -m acme_wine.training`` writes what the package holds.

The files are the same whenever the code, the seed and the libraries are, so that a release can be built again.
"""

import json
from importlib.metadata import version

import joblib
from sklearn.datasets import load_wine
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from acme_wine import HERE, MODEL

SEED = 7
NEEDED = ("joblib", "numpy", "scikit-learn")


def main() -> None:
    """Write ``model.joblib``, ``metrics.json`` and the ``requirements.txt`` of whoever loads the model."""
    wines, cultivars = load_wine(return_X_y=True)
    known, unknown, learned, asked = train_test_split(
        wines, cultivars, test_size=0.3, random_state=SEED, stratify=cultivars
    )
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000, random_state=SEED))
    model.fit(known, learned)
    metrics = {"accuracy": round(float(model.score(unknown, asked)), 4), "rows": len(asked)}
    joblib.dump(model, MODEL)
    (HERE / "metrics.json").write_text(json.dumps(metrics, indent=2) + "\n", encoding="utf-8")
    pins = "".join(f"{name}=={version(name)}\n" for name in NEEDED)
    (HERE / "requirements.txt").write_text(pins, encoding="utf-8")
    print(json.dumps(metrics))


if __name__ == "__main__":
    main()
