"""Are the machine and the bucket in one region? ``check_region.py BUCKET``; exit code 1 and the reason when not.

A model of 2 MB from another continent can take minutes; it is better to hear of that before the work than after it.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import boto3

FACTS = Path(os.environ.get("RUNNERKIT_ROOT") or "/") / "run/runnerkit/machine.json"


def here() -> str:
    """Give the region of this machine: its zone without the last letter, or else what is configured."""
    try:
        zone = str(json.loads(FACTS.read_text(encoding="utf-8")).get("zone") or "")
    except (OSError, ValueError):
        zone = ""
    return zone.rstrip("abcdefghijklmnopqrstuvwxyz") or os.environ.get("AWS_REGION", "")


def main() -> int:
    """Compare."""
    (bucket,) = sys.argv[1:]
    # No region is said as null, and is the oldest one.
    there = boto3.client("s3").get_bucket_location(Bucket=bucket)["LocationConstraint"] or "us-east-1"
    if here() == there:
        print(f"machine and bucket {bucket} are both in {there}")
        return 0
    print(
        f"::error title=Regions::This machine is in {here() or 'an unknown region'}, the bucket {bucket} in {there}."
        " Every model would cross regions, slowly and at a price."
        f" Ask for a machine there (region={there} in runs-on), or use a bucket here."
    )
    return 1


if __name__ == "__main__":
    sys.exit(main())
