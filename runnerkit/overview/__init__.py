"""What the status page shows, made by one pure function from the last pass and the journal's notes."""

from runnerkit.overview.board import Board
from runnerkit.overview.seen import Seen
from runnerkit.overview.whole import overview
from runnerkit.overview.words import About, Allowance, Overview, Trouble

__all__ = ["About", "Allowance", "Board", "Overview", "Seen", "Trouble", "overview"]
