"""Open a pull request that makes the API use the published package: ``python scripts/pin.py PIN-FILE``.

There is one such pull request at a time: a newer version takes its branch over. ``GITHUB_TOKEN`` opens it; the
checkout's own credentials push.
"""

import json
import os
import shutil
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Any

BRANCH = "update/acme-wine"
PINNED = "api/package.txt"
WHO = ("-c", "user.name=release", "-c", "user.email=release@users.noreply.github.com")


def git(*words: str) -> str:
    """What git says.

    Raises:
        CalledProcessError: it failed.
    """
    return subprocess.run(["git", *words], check=True, capture_output=True, text=True).stdout.strip()


def call(path: str, body: object = None) -> Any:  # noqa: ANN401 - JSON
    """Ask or tell GitHub's API about this repository.

    Raises:
        HTTPError: it refused.
    """
    url = f"{os.environ['GITHUB_API_URL']}/repos/{os.environ['GITHUB_REPOSITORY']}{path}"
    headers = {"Authorization": f"Bearer {os.environ['GITHUB_TOKEN']}", "Accept": "application/vnd.github+json"}
    data = None if body is None else json.dumps(body).encode()
    with urllib.request.urlopen(urllib.request.Request(url, data, headers), timeout=60) as answer:
        return json.load(answer)


def main(pins: str) -> int:
    """Commit the pin, push the branch, open the pull request unless it is open."""
    base = git("rev-parse", "--abbrev-ref", "HEAD")
    shutil.copyfile(pins, PINNED)
    if not git("status", "--porcelain", "--", PINNED):
        print(f"{PINNED} says so already.")
        return 0
    title = f"Use {Path(PINNED).read_text(encoding='utf-8').split()[0]}"
    git("checkout", "--quiet", "-B", BRANCH)
    git(*WHO, "commit", "--quiet", "--message", title, "--", PINNED)
    git("push", "--quiet", "--force", "origin", BRANCH)
    owner = os.environ["GITHUB_REPOSITORY_OWNER"]
    if call(f"/pulls?state=open&head={owner}:{BRANCH}&base={base}"):
        print(f"The open pull request of {BRANCH} now says: {title}")
        return 0
    body = "Published, installed from the index and asked. Merging this deploys it, once the API's tests pass with it."
    made = call("/pulls", {"title": title, "head": BRANCH, "base": base, "body": body})
    print(f"Opened {made['html_url']}: {title}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
