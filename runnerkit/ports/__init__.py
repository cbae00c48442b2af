"""The outside as runnerkit sees it: one Protocol per system, each with the contract its adapters and fakes must keep.

The contracts are executable: ``runnerkit.testing`` holds one suite per port, run over the fakes and the real adapters.
"""

from runnerkit.ports.cloud import Batch, BatchOrder, Cloud, Image, Launched, LaunchOrder
from runnerkit.ports.controller import Clock, Events, Journal
from runnerkit.ports.forge import Delivery, Forge, Hooks, Reports, RunnerPackage
from runnerkit.ports.machine import Boots, Machine

__all__ = [
    "Batch",
    "BatchOrder",
    "Boots",
    "Clock",
    "Cloud",
    "Delivery",
    "Events",
    "Forge",
    "Hooks",
    "Image",
    "Journal",
    "LaunchOrder",
    "Launched",
    "Machine",
    "Reports",
    "RunnerPackage",
]
