"""The data: hours with their riders, what is known of an hour beforehand, and what is predicted of it."""

from __future__ import annotations

import datetime as dt
from typing import IO

import pandas as pd

BEGIN = dt.date(2011, 1, 1)
MEMBERS_FROM = 0.85  # an hour belongs to the members when at least so much of its rides are theirs
LABELS = ("visitors", "members")
WEATHERS = ("clear", "mist", "wet")
# What a caller of the service sends, each with its kind, least and greatest value.
FIELDS = {
    "hour": (int, 0, 23),
    "weekday": (int, 0, 6),
    "holiday": (int, 0, 1),
    "weather": (str, None, None),
    "temperature": (float, 0, 1),
    "humidity": (float, 0, 1),
    "windspeed": (float, 0, 1),
}


def load(source: str | IO[bytes]) -> pd.DataFrame:
    """Read hours; ``members`` is 1 where most riders were members, and is missing where riders are not known yet."""
    hours = pd.read_csv(source)
    days = [BEGIN + dt.timedelta(days=int(day) - 1) for day in hours["day"]]
    hours["weekday"] = [(day.weekday() + 1) % 7 for day in days]  # Sunday is 0
    if {"casual", "registered"} <= set(hours.columns):
        share = hours["registered"] / (hours["registered"] + hours["casual"])
        hours["members"] = (share >= MEMBERS_FROM).astype(int)
    return hours


def split(hours: pd.DataFrame, newest_days: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Give what a model may learn from, and the newest days, by which it is judged."""
    border = hours["day"].max() - newest_days
    return hours[hours["day"] <= border], hours[hours["day"] > border]


def row(asked: dict[str, object]) -> pd.DataFrame:
    """Turn what a caller sent into one row for a model.

    Raises:
        ValueError: A field is missing, unknown or out of range; the message names it.
    """
    unknown = set(asked) - set(FIELDS)
    if unknown:
        raise ValueError(f"unknown: {', '.join(sorted(unknown))}; known are {', '.join(FIELDS)}")
    return pd.DataFrame([{name: _value(name, asked) for name in FIELDS}])


def _value(name: str, asked: dict[str, object]) -> object:
    kind, least, most = FIELDS[name]
    if name not in asked:
        raise ValueError(f"{name} is missing")
    value = asked[name]
    if name == "weather":
        if value not in WEATHERS:
            raise ValueError(f"weather is one of {', '.join(WEATHERS)}")
        return value
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number or not least <= value <= most or (kind is int and int(value) != value):
        raise ValueError(f"{name} is a number from {least} to {most}{', a whole one' if kind is int else ''}")
    return kind(value)
