"""For tests, ours and other people's: fakes that keep the contracts, and the contracts as suites to inherit."""

from runnerkit.testing.clock import FakeClock
from runnerkit.testing.cloud import FakeCloud, shop
from runnerkit.testing.forge import FakeForge
from runnerkit.testing.hooks import FakeHooks
from runnerkit.testing.lies import Crash, Lies
from runnerkit.testing.memory import MemoryJournal, RecordedEvents
from runnerkit.testing.sink import Sink
from runnerkit.testing.stores import MemoryStore
from runnerkit.testing.world import FakeWorld, Habits

__all__ = [
    "Crash",
    "FakeClock",
    "FakeCloud",
    "FakeForge",
    "FakeHooks",
    "FakeWorld",
    "Habits",
    "Lies",
    "MemoryJournal",
    "MemoryStore",
    "RecordedEvents",
    "Sink",
    "shop",
]
