"""Self-hosted GPU runners for GitHub Actions on AWS: spot, just in time, gone afterwards.

Everything named in ``__all__`` is public; it is imported on first use, so that ``import runnerkit`` costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from runnerkit.app import fleet as connect
    from runnerkit.config import Config, load
    from runnerkit.errors import (
        CloudError,
        ConfigError,
        ForgeError,
        LabelError,
        LeaseExpired,
        NoCapacity,
        NotOffered,
        PolicyRefused,
        RunnerkitError,
    )
    from runnerkit.fleet import Fleet
    from runnerkit.labels import Label, format_label
    from runnerkit.labels import parse as parse_label
    from runnerkit.passes import MachineStatus, Pass
    from runnerkit.slots import LaunchRequest, Slot
    from runnerkit.wishes import Policy, RunnerSpec

__version__ = "0.1.0.dev0"

__all__ = [
    "CloudError",
    "Config",
    "ConfigError",
    "Fleet",
    "ForgeError",
    "Label",
    "LabelError",
    "LaunchRequest",
    "LeaseExpired",
    "MachineStatus",
    "NoCapacity",
    "NotOffered",
    "Pass",
    "Policy",
    "PolicyRefused",
    "RunnerSpec",
    "RunnerkitError",
    "Slot",
    "__version__",
    "connect",
    "format_label",
    "load",
    "parse_label",
]

_ERRORS = "CloudError ConfigError ForgeError LabelError LeaseExpired NoCapacity NotOffered PolicyRefused RunnerkitError"
_HOMES: dict[str, tuple[str, str]] = {
    **{name: ("errors", name) for name in _ERRORS.split()},
    "Fleet": ("fleet", "Fleet"),
    **{name: ("passes", name) for name in ("MachineStatus", "Pass")},
    **{name: ("slots", name) for name in ("LaunchRequest", "Slot")},
    **{name: ("wishes", name) for name in ("Policy", "RunnerSpec")},
    **{name: ("config", name) for name in ("Config", "load")},
    **{name: ("labels", name) for name in ("Label", "format_label")},
    "parse_label": ("labels", "parse"),
    # Not "fleet": that name is the submodule's.
    "connect": ("app", "fleet"),
}


def __getattr__(name: str) -> Any:  # noqa: ANN401 - whatever the name stands for
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    home, word = _HOMES[name]
    return getattr(import_module(f"{__name__}.{home}"), word)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
