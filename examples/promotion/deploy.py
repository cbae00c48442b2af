"""Let an environment serve the model of this checkout's card: ``deploy.py staging|production s3://BUCKET/PREFIX``.

The model is fetched, its hash compared, its answer to known rows compared with its metrics; then one object is written,
``PREFIX/environments/ENVIRONMENT.json``, which the environment's servers follow. Until then they keep the old model.
"""

from __future__ import annotations

import io
import json
import os
import sys

import boto3
import card
import data
import joblib
from train import measure

KNOWN = ("staging", "production")


def main() -> None:
    """Check, then point.

    Raises:
        SystemExit: The model is missing, another one, or not as good as its card says.
    """
    environment, prefix = sys.argv[1:]
    if environment not in KNOWN:
        raise SystemExit(f"there is no environment {environment}; known are {', '.join(KNOWN)}")
    told = card.read()
    model = joblib.load(io.BytesIO(card.fetch(told)))
    # By the rows that the card was measured by: params.yaml may have moved on since.
    test = data.split(data.load(), **told["split"])[1]
    measured = measure(model, test)
    if measured != told["metrics"]["test"]:
        raise SystemExit(f"the model gives {measured} here, its card says {told['metrics']['test']}")
    bucket, key = card.place(f"{prefix.rstrip('/')}/environments/{environment}.json")
    pointer = {name: told[name] for name in ("name", "uri", "sha256")} | {"run": os.environ.get("GITHUB_RUN_ID", "")}
    boto3.client("s3").put_object(Bucket=bucket, Key=key, Body=json.dumps(pointer).encode())
    print(f"{environment} serves {told['uri']}")


if __name__ == "__main__":
    main()
