"""The simulator: the real fleet in a made-up world, days in seconds. ``runnerkit simulate`` and the tests share it."""

from runnerkit.testing.simulation.judge import Breach
from runnerkit.testing.simulation.report import Report
from runnerkit.testing.simulation.scenario import Scenario, built_in, named, read
from runnerkit.testing.simulation.simulator import Simulation, simulate

__all__ = ["Breach", "Report", "Scenario", "Simulation", "built_in", "named", "read", "simulate"]
