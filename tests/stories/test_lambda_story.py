"""The Lambda function as it is shipped: the zip alone, in a process of its own, against the whole sandbox."""

from __future__ import annotations

import hashlib
import hmac
import json
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path
from typing import Any

import pytest

from runnerkit.sandbox.together import Sandbox

ROOT = Path(__file__).parents[2]
SECRET = "a-secret-of-the-webhook"

# Nothing but the zip's content and Python itself: no site-packages, no checkout.
PROGRAM = """
import json, sys, time
sys.path.insert(0, sys.argv[1])
began = time.monotonic()
from runnerkit.aws.handler import handler
imported = time.monotonic() - began

class Context:
    def get_remaining_time_in_millis(self):
        return 100_000

out = []
for batch in json.load(open(sys.argv[2])):
    began = time.monotonic()
    out.append({"answer": handler(batch, Context()), "seconds": time.monotonic() - began})
allowed = (sys.argv[1], sys.argv[3], sys.argv[4])
files = [getattr(each, "__file__", None) for each in list(sys.modules.values())]
out.append({"strange": [each for each in files if each and not each.startswith(allowed)], "imported": imported})
json.dump(out, open(sys.argv[2] + ".out", "w"))
"""


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The function's code, built from the packages that are installed here."""
    folder = tmp_path_factory.mktemp("lambda")
    command = [sys.executable, str(ROOT / "scripts/build_lambda.py"), "--from", sysconfig.get_path("purelib")]
    names = [folder / "one.zip", folder / "two.zip"]
    for out in names:
        done = subprocess.run([*command, "--out", str(out)], capture_output=True, text=True, timeout=120, check=False)
        assert (0, "") == (done.returncode, done.stderr)
        assert " MB unpacked" in done.stdout
    assert names[0].read_bytes() == names[1].read_bytes()
    with zipfile.ZipFile(names[0]) as file:
        file.extractall(folder / "code")
    return folder / "code"


def webhook(body: str, secret: str = SECRET) -> dict[str, Any]:
    signature = "sha256=" + hmac.new(secret.encode(), body.encode(), hashlib.sha256).hexdigest()
    said = {"signature": signature, "event": "workflow_job", "content-type": "application/json"}
    attributes = {name: {"stringValue": value, "dataType": "String"} for name, value in said.items()}
    return {"messageId": f"m-{len(body)}-{secret[:1]}", "body": body, "messageAttributes": attributes}


@pytest.mark.slow
def test_the_zip_alone_serves_a_webhook(unpacked: Path, tmp_path: Path) -> None:
    """Settings from SSM, a signed webhook: the machine is launched, the journal is on S3; a forged one is dropped."""
    schedule = {"messageId": "m-s", "body": json.dumps({"source": "aws.events", "detail-type": "Scheduled Event"})}
    with Sandbox(machines="hollow", boot=0.2, work=0.2) as world:
        given = world.environment()
        ssm, s3 = world.aws("ssm"), world.aws("s3")
        s3.create_bucket(Bucket="acme-journal")
        for key, value in {"github/token": given.pop("GITHUB_TOKEN"), "serve/webhook_secrets": SECRET}.items():
            ssm.put_parameter(Name=f"/runnerkit-controller/{key}", Value=value, Type="SecureString")
        job = world.github.queue_job(world.repository, ["runnerkit=7/gpu=t4"])
        said = {"status": "queued", "labels": ["runnerkit=7/gpu=t4"], "id": job.id}
        body = json.dumps({"workflow_job": said, "repository": {"full_name": world.repository}})
        batches = [{"Records": [webhook(body), webhook(body, "forged")]}, {"Records": [schedule]}]
        (tmp_path / "batches").write_text(json.dumps(batches))
        environment = {
            **given,
            "RUNNERKIT_PARAMETERS": "/runnerkit-controller",
            "RUNNERKIT_GITHUB__REPOSITORIES": world.repository,
            "RUNNERKIT_JOURNAL__WHERE": "s3://acme-journal/ml",
            "LAMBDA_TASK_ROOT": str(unpacked),
        }
        stdlib = [sysconfig.get_path("stdlib"), sysconfig.get_path("platstdlib")]
        done = subprocess.run(
            [sys.executable, "-I", "-S", "-c", PROGRAM, str(unpacked), str(tmp_path / "batches"), *stdlib],
            env=environment,
            capture_output=True,
            text=True,
            timeout=90,
            check=False,
        )
        assert (0, "") == (done.returncode, done.stderr)
        first, second, about = json.loads((tmp_path / "batches.out").read_text())
        assert [{"batchItemFailures": []}] * 2 == [first["answer"], second["answer"]]
        assert [] == about["strange"]
        events = [json.loads(line) for line in done.stdout.splitlines()]
        names = [event["event"] for event in events]
        assert (1, 1, 2) == tuple(names.count(name) for name in ("instance-launched", "message-dropped", "pass-ended"))
        assert SECRET not in done.stdout
        objects = s3.list_objects_v2(Bucket="acme-journal", Prefix="ml/").get("Contents", [])
        assert len(objects) >= 1
        assert second["seconds"] < first["seconds"]
