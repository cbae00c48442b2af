"""The words of runnerkit for what is observed: offerings, instances, runners, jobs.

What the world tells is a frozen dataclass; what a person writes is a pydantic model in :mod:`runnerkit.wishes`.
Times are aware UTC datetimes, durations are seconds, memory is GiB, disks are GB, prices are US dollars an hour.
"""

from runnerkit.model.market import Attempt, Breadth, Gpu, InstanceType, Market, Offering, Refusal
from runnerkit.model.observed import (
    ENDING,
    SPOT_TAKEN_BACK,
    Failure,
    Instance,
    Job,
    LaunchNote,
    Observed,
    Runner,
    State,
)
from runnerkit.model.records import Comment, Leftover, Registration, Release

__all__ = [
    "ENDING",
    "SPOT_TAKEN_BACK",
    "Attempt",
    "Breadth",
    "Comment",
    "Failure",
    "Gpu",
    "Instance",
    "InstanceType",
    "Job",
    "LaunchNote",
    "Leftover",
    "Market",
    "Observed",
    "Offering",
    "Refusal",
    "Registration",
    "Release",
    "Runner",
    "State",
]
