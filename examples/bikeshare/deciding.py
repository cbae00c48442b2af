"""The gate between challenger and champion."""

from __future__ import annotations

import math
from typing import Any


def better(result: dict[str, Any]) -> tuple[bool, str]:
    """Decide, and say why. A figure that is missing or no number never wins."""
    gate, figure = result["gate"], result["challenger"].get("roc_auc", math.nan)
    if result["champion"] is None:
        least = gate["least_roc_auc"]
        return figure >= least, f"there is no champion; {figure} against at least {least}"
    rival = result["champion"]["roc_auc"]
    said = f"{figure} against {rival} of version {result['champion']['version']}, margin {gate['margin']}"
    return figure > rival + gate["margin"], said
