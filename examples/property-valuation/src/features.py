"""What the model looks at."""

from __future__ import annotations

import pandas as pd

PRICE = "Sale_Price"
YEAR = "Year_Sold"
AREA = "Neighborhood"
CATEGORIES = (AREA, "Bldg_Type", "Central_Air")
CONDITIONS = (
    *("Very_Poor", "Poor", "Fair", "Below_Average", "Average"),
    *("Above_Average", "Good", "Very_Good", "Excellent"),
)


def read(path: str = "data/sales.csv") -> pd.DataFrame:
    """Read the sales."""
    return pd.read_csv(path)


def of(sales: pd.DataFrame) -> pd.DataFrame:
    """Turn sales into numbers and categories, without the price."""
    found = sales.drop(columns=PRICE)
    found["Overall_Cond"] = found["Overall_Cond"].map(CONDITIONS.index)
    return found.astype(dict.fromkeys(CATEGORIES, "category"))
