"""Every action that runnerkit asks AWS for in the whole run is in a policy; whoever stands in the sandbox notes them.

The process that began the run names a folder in the environment, which all workers and all sandboxes of other processes
inherit. At its end it alone compares. What tests ask by clients of their own is not noted.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from runnerkit.permissions import Place, Use, actions
from runnerkit.sandbox.ec2.recording import VARIABLE, noted

if TYPE_CHECKING:
    import pytest

ROLE, KEY = "arn:aws:iam::123456789012:role/machine", "arn:aws:kms:eu-west-1:123456789012:key/1"
_ours: list[Path] = []
_lacking: list[str] = []


def begin() -> None:
    """Have actions noted, unless the process that started this one does, or a person who wants to see them."""
    if VARIABLE not in os.environ:
        _ours.append(Path(tempfile.mkdtemp(prefix="runnerkit-actions-")))
        os.environ[VARIABLE] = str(_ours[0])


def end() -> list[str]:
    """The actions that no policy allows; empty in all processes but the one that began."""
    if _ours:
        folder = _ours.pop()
        os.environ.pop(VARIABLE, None)
        _lacking.extend(sorted(noted(folder) - actions(Use, Place(roles=(ROLE,), key=KEY))))
        shutil.rmtree(folder, ignore_errors=True)
    return _lacking


def tell(reporter: pytest.TerminalReporter) -> None:
    """Say which they are, and where policies come from."""
    if _lacking:
        reporter.section("asked of AWS, and in no policy of runnerkit/permissions")
        for action in _lacking:
            reporter.line(action)
