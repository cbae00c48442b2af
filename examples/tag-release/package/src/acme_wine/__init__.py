"""Tell from which of three cultivars a wine is, by 13 measurements of its chemistry."""

from functools import cache
from pathlib import Path
from typing import Any

import joblib

HERE = Path(__file__).parent
MODEL = HERE / "model.joblib"
MEASUREMENTS = 13
__version__ = (HERE / "VERSION").read_text(encoding="utf-8").strip()


@cache
def _model() -> Any:  # noqa: ANN401 - scikit-learn has no types
    return joblib.load(MODEL)


def predict(wine: list[float]) -> dict[str, Any]:
    """Give the cultivar (0, 1 or 2) and how sure that is.

    Raises:
        ValueError: these are not 13 numbers.
    """
    values = [float(value) for value in wine]
    if len(values) != MEASUREMENTS:
        raise ValueError(f"{len(values)} measurements; a wine has {MEASUREMENTS}")
    chances = _model().predict_proba([values])[0]
    cultivar = int(chances.argmax())
    return {"cultivar": cultivar, "probability": round(float(chances[cultivar]), 4)}
