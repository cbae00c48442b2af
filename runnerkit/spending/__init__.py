"""What machines cost and what of it was wasted, from the journal and from what lives. Pure."""

from runnerkit.spending.adding import By, bill
from runnerkit.spending.words import Bill, Line, Part, Sources

__all__ = ["Bill", "By", "Line", "Part", "Sources", "bill"]
