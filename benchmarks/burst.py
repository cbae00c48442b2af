"""Send webhooks all at once and write down how long each took: ``burst.py URL SECRET REPO COUNT TURN``.

A process of its own, so that nothing but the sending takes its time. Prints the seconds as a JSON list.
"""

import asyncio
import hashlib
import hmac
import json
import sys
import time
from urllib.parse import urlsplit


async def main() -> None:
    """Prepare every request, then send them together, each on a connection of its own as GitHub does."""
    url, secret, repo, count, turn = sys.argv[1:]
    prepared = [request(url, secret.encode(), repo, f"{turn}-{number}") for number in range(int(count))]
    print(json.dumps(await asyncio.gather(*(send(url, each) for each in prepared))))


async def send(url: str, prepared: bytes) -> float:
    """Send one and read the answer; the seconds it took."""
    where = urlsplit(url)
    began = time.monotonic()
    reader, writer = await asyncio.open_connection(where.hostname, where.port)
    writer.write(prepared)
    answer = await reader.read()
    took = time.monotonic() - began
    writer.close()
    assert answer.startswith(b"HTTP/1.1 202"), answer
    return took


def request(url: str, secret: bytes, repo: str, guid: str) -> bytes:
    """A signed delivery about a queued job, as it goes over the wire."""
    job = {"id": 1, "run_id": 1, "status": "queued", "labels": ["runnerkit=1/gpu=t4"], "steps": [], "name": "train"}
    # As large as GitHub's: the repository and the sender are most of it.
    body = {"action": "queued", "workflow_job": job, "repository": {"full_name": repo}, "sender": {"x": "y" * 8_000}}
    text = json.dumps(body).encode()
    signature = hmac.new(secret, text, hashlib.sha256).hexdigest()
    lines = [
        "POST /hooks HTTP/1.1",
        f"Host: {urlsplit(url).netloc}",
        "Content-Type: application/json",
        "X-GitHub-Event: workflow_job",
        f"X-GitHub-Delivery: {guid}",
        f"X-Hub-Signature-256: sha256={signature}",
        f"Content-Length: {len(text)}",
        "Connection: close",
    ]
    return "\r\n".join([*lines, "", ""]).encode() + text


if __name__ == "__main__":
    asyncio.run(main())
