"""The data: 569 tumours, 30 numbers of each, and whether it was benign. They come with scikit-learn."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import train_test_split

if TYPE_CHECKING:
    import pandas as pd

TARGET = "benign"


def load() -> pd.DataFrame:
    """Give all rows, the features first, the target last."""
    found = load_breast_cancer(as_frame=True)
    rows = found.data.rename(columns=lambda name: name.replace(" ", "_"))
    return rows.assign(**{TARGET: found.target})


def schema(rows: pd.DataFrame) -> list[dict[str, str]]:
    """Give the features of rows, in their order."""
    return [{"name": str(name), "kind": str(rows[name].dtype)} for name in rows.drop(columns=TARGET)]


def split(rows: pd.DataFrame, share: float, seed: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Give train rows and test rows."""
    train, test = train_test_split(rows, test_size=share, random_state=seed, stratify=rows[TARGET])
    return train, test
