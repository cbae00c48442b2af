"""What `runnerkit dvc run` costs, compared with the two DVC commands that it stands for.

Three small stages on the sandbox's S3, in four situations: everything runs, everything is restored on a fresh checkout
that has no ``dvc.lock``, nothing is to do since the same folder ran before, and everything runs where the remote holds
the run cache of 200 other results, which plain DVC sends again each time. The measure is what one would write
without us: `dvc repro --pull && dvc push --run-cache`. Both have checkouts, caches and remotes of their own, and run in
turn, so that whatever disturbs the one disturbs the other; the medians are compared.

A run that executes nothing pushes nothing, which is where we are faster. Where everything runs our own start counts in
full, because the stages take no time; on a busy machine a push beside the run may come to that. On fresh checkouts 10 %
or 5 s, whichever is more, are allowed on top of the two commands; with 200 entries nothing is.
"""

from __future__ import annotations

import hashlib
import shlex
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from figures import Figure, Spread, ratio
from processes import runnerkit, took
from world import World, world

if TYPE_CHECKING:
    from collections.abc import Sequence

ROUNDS = 3
BUCKET = "acme-bench"
DVC = Path(sys.executable).with_name("dvc")
PLAIN = f"{shlex.quote(str(DVC))} repro --pull && {shlex.quote(str(DVC))} push --run-cache"
CONFIG = "[core]\n    remote = s\n    analytics = false\n['remote \"s\"']\n    url = s3://{bucket}/{prefix}\n"
STAGES = """stages:
  prepare: {cmd: cp raw.txt data.txt, deps: [raw.txt], outs: [data.txt]}
  train: {cmd: cat data.txt params.yaml > model.txt, deps: [data.txt], params: [train], outs: [model.txt]}
  evaluate: {cmd: cp model.txt score.txt, deps: [model.txt], outs: [score.txt]}
"""
ENTRIES = 200
CROWDED = f"everything runs beside {ENTRIES} entries"
SITUATIONS = {"everything runs": 1.3, "everything is restored": 1.0, "nothing is to do": 1.0, CROWDED: 1.0}
FRESH = ("everything runs", "everything is restored", CROWDED)


def measure() -> list[Figure]:
    """Run both in turn, in every situation."""
    sides = {"ours": runnerkit("dvc", "run"), "plain": ["/bin/sh", "-c", PLAIN]}
    times: dict[tuple[str, str], list[float]] = {}
    with world() as there:
        _s3(there).create_bucket(Bucket=BUCKET)
        for number in range(ROUNDS):
            for side, command in sides.items():
                for situation, seconds in zip(SITUATIONS, _round(there, f"{side}-{number}", command), strict=True):
                    times.setdefault((situation, side), []).append(seconds)
    figures = []
    for situation, limit in SITUATIONS.items():
        ours, plain = (Spread.of(times[situation, side]) for side in sides)
        figures += [
            Figure(f"dvc run by repro --pull and push --run-cache, {situation}", ratio(ours, plain), "x", limit),
            Figure(f"dvc run, {situation}", ours.middle, "s", spread=ours),
            Figure(f"repro --pull and push --run-cache, {situation}", plain.middle, "s", spread=plain),
        ]
        if situation in FRESH:
            allowed = max(plain.middle * 1.1, plain.middle + 5.0)
            what = f"dvc run by what is allowed (10 % or 5 s more), {situation}"
            figures.append(Figure(what, ours.middle / allowed, "x", 1.0))
    return figures


def _s3(there: World) -> Any:  # noqa: ANN401 - boto3's clients are made at run time
    import boto3

    return boto3.client(
        "s3",
        endpoint_url=there.sandbox.ec2.url,
        aws_access_key_id="x",
        aws_secret_access_key="x",  # noqa: S106 - the sandbox takes anything
        region_name="us-east-1",
    )


def _crowd(there: World, prefix: str) -> None:
    """What many runs before this one left in the run cache."""
    s3 = _s3(there)
    for number in range(ENTRIES):
        stage, result = (hashlib.sha256(f"{word} {number}".encode()).hexdigest() for word in ("stage", "result"))
        entry = f"cmd: train {number}\nouts:\n- path: old-{number}.txt\n  hash: md5\n  md5: {stage[:32]}\n  size: 3\n"
        s3.put_object(Bucket=BUCKET, Key=f"{prefix}/runs/{stage[:2]}/{stage}/{result}", Body=entry.encode())


def _round(there: World, name: str, command: Sequence[str]) -> tuple[float, ...]:
    """Seconds for a first run, for the restoring of it elsewhere, for one more run there, and for one in a crowd."""
    environment = {
        **there.environment,
        "PATH": f"{DVC.parent}:{there.environment['PATH']}",
        "DVC_SITE_CACHE_DIR": str(there.sandbox.folder / "site" / name),
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": there.sandbox.ec2.url,
    }
    first, second = (_checkout(there.sandbox.folder / name / which, name) for which in ("first", "second"))
    crowded = _checkout(there.sandbox.folder / name / "crowded", f"{name}-crowded")
    _crowd(there, f"{name}-crowded")
    return tuple(took(command, environment, folder=folder).seconds for folder in (first, second, second, crowded))


def _checkout(folder: Path, prefix: str) -> Path:
    files = {
        ".dvc/config": CONFIG.format(bucket=BUCKET, prefix=prefix),
        ".dvc/.gitignore": "tmp\ncache\n",
        ".gitignore": "/data.txt\n/model.txt\n/score.txt\n",
        "dvc.yaml": STAGES,
        "params.yaml": "train: {depth: 3}\n",
        "raw.txt": "one\ntwo\n",
    }
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    git = ["git", "-C", str(folder), "-c", "user.name=octocat", "-c", "user.email=octocat@example.com"]
    for words in (["init", "-q"], ["add", "-A"], ["commit", "-q", "-m", "first"]):
        subprocess.run([*git, *words], check=True)
    return folder
