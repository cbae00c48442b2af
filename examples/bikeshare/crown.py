"""Let the challenger of ``challenger.json`` serve: move the alias.

``--back`` lets the champion before this one serve again.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import deciding
import registry


def main() -> int:
    """Move it, unless the gate says no."""
    if "--back" in sys.argv[1:]:
        version = registry.version_of("previous")
        if version is None:
            print("there is no champion before this one", file=sys.stderr)
            return 1
    else:
        result = json.loads(Path("challenger.json").read_text(encoding="utf-8"))
        version = result["version"]
        wins, why = deciding.better(result)
        if not wins:
            print(f"version {version} is not better: roc_auc {why}", file=sys.stderr)
            return 1
    registry.crown(version)
    print(f"::notice title=Champion::version {version} serves from now on")
    return 0


if __name__ == "__main__":
    sys.exit(main())
