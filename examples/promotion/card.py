"""The model card: a file in git that says everything about a model but what it weighs.

``card.py write s3://BUCKET/PREFIX`` uploads the model of ``made/`` under its own hash and writes ``model.yaml``.
Nothing asks anybody anything. ``test_card.py`` holds ``model.yaml`` against this code and the bucket.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import boto3
import yaml
from botocore.exceptions import ClientError

CARD = Path("model.yaml")
MODEL = Path("made/model.joblib")
NAME = "tumours"


def place(uri: str) -> tuple[str, str]:
    """Split an S3 URI into bucket and key."""
    parts = urlsplit(uri)
    return parts.netloc, parts.path.lstrip("/")


def write(prefix: str) -> None:
    """Upload, look whether it arrived, write the card."""
    body = MODEL.read_bytes()
    digest = hashlib.sha256(body).hexdigest()
    uri = f"{prefix.rstrip('/')}/models/{digest}.joblib"
    bucket, key = place(uri)
    s3 = boto3.client("s3")
    s3.put_object(Bucket=bucket, Key=key, Body=body)
    if s3.head_object(Bucket=bucket, Key=key)["ContentLength"] != len(body):
        raise SystemExit(f"{uri} did not arrive whole")
    params = yaml.safe_load(Path("params.yaml").read_text(encoding="utf-8"))
    told = {
        "name": NAME,
        "uri": uri,
        "sha256": digest,
        "bytes": len(body),
        "metrics": json.loads(Path("metrics.json").read_text(encoding="utf-8")),
        "params": json.loads(Path("made/search.json").read_text(encoding="utf-8")),
        "split": {"seed": params["seed"], "share": params["test_share"]},
        "trained": {"commit": os.environ.get("GITHUB_SHA", ""), "run": os.environ.get("GITHUB_RUN_ID", "")},
        "features": json.loads(Path("made/features.json").read_text(encoding="utf-8")),
    }
    CARD.write_text(yaml.safe_dump(told, sort_keys=False), encoding="utf-8")
    print(f"{CARD} says {uri}")


def read() -> dict[str, Any]:
    """Give the card of this checkout."""
    found: dict[str, Any] = yaml.safe_load(CARD.read_text(encoding="utf-8"))
    return found


def fetch(card: dict[str, Any]) -> bytes:
    """Fetch the model that a card names.

    Raises:
        SystemExit: It is not there, or it is another one.
    """
    bucket, key = place(card["uri"])
    try:
        body: bytes = boto3.client("s3").get_object(Bucket=bucket, Key=key)["Body"].read()
    except ClientError as error:
        raise SystemExit(f"{card['uri']} cannot be had: {error.response['Error']['Code']}") from error
    if hashlib.sha256(body).hexdigest() != card["sha256"]:
        raise SystemExit(f"{card['uri']} is not the model of the card: its hash differs")
    return body


def wrong(card: dict[str, Any], metrics: dict[str, Any], features: list[dict[str, str]]) -> list[str]:
    """Say what does not fit in a card."""
    found = []
    if card["metrics"] != metrics:
        found.append("the card's metrics are not those of metrics.json")
    if card["features"] != features:
        found.append("the card's features are not those of this code")
    return found


if __name__ == "__main__":
    if sys.argv[1:2] != ["write"] or len(sys.argv) != 3:
        raise SystemExit("usage: card.py write s3://BUCKET/PREFIX")
    write(sys.argv[2])
