"""PyGithub's requester without the rest of PyGithub.

``import github`` loads a module for every kind of object that GitHub has: half a second, for a launch that needs one
class. The bare package stands in its place while that class is imported, and is then forgotten with all that it loaded:
who imports ``github`` later gets a whole one that knows nothing of this.
"""

from __future__ import annotations

import sys
from importlib import import_module
from importlib.util import find_spec, module_from_spec
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import ModuleType


def requester() -> ModuleType:
    """The module ``github.Requester``."""
    spec = None if "github" in sys.modules else find_spec("github")
    if spec is None:
        return import_module("github.Requester")
    sys.modules["github"] = module_from_spec(spec)
    try:
        return import_module("github.Requester")
    finally:
        for name in [name for name in sys.modules if name == "github" or name.startswith("github.")]:
            del sys.modules[name]
