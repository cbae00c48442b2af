"""actions/checkout: fetches the repository from the local GitHub with git."""

from __future__ import annotations

import base64
import os
import re
import shutil
import subprocess
from pathlib import Path

from .toolkit import Failed, annotate, flag, given, mask, output, say

# Without these there is more in the workspace than asked for, which changes nothing.
UNSUPPORTED = ("sparse-checkout", "ssh-key", "filter")
# Without these something would be missing: the file that tells whether there is any, and the word in it.
MISSED = {"submodules": (".gitmodules", "[submodule"), "lfs": (".gitattributes", "filter=lfs")}


def main() -> None:
    """Check the repository out."""
    for name in UNSUPPORTED:
        if given(name) not in {"", "false"}:
            annotate("warning", f"The stand-in for actions/checkout ignores the input {name}.")
    Checkout().run()


def post() -> None:
    """Take the credentials out of the configuration again."""
    folder = _folder()
    if (folder / ".git").exists():
        subprocess.run(["git", "-C", str(folder), "config", "--unset-all", _header()], check=False)  # noqa: S603, S607 - git, as found


def _folder() -> Path:
    workspace = Path(os.environ["GITHUB_WORKSPACE"]).resolve()
    folder = (workspace / given("path", ".")).resolve()
    if not folder.is_relative_to(workspace):
        raise Failed(f"Repository path '{folder}' is not under '{workspace}'")
    return folder


def _header() -> str:
    return f"http.{os.environ['GITHUB_SERVER_URL']}/.extraheader"


class Checkout:
    """One checkout."""

    def __init__(self) -> None:
        self._folder = _folder()
        self._repository = given("repository", os.environ["GITHUB_REPOSITORY"])
        self._url = f"{os.environ['GITHUB_SERVER_URL']}/{self._repository}"
        self._token = given("token")
        self._own = self._repository.lower() == os.environ["GITHUB_REPOSITORY"].lower()
        depth = given("fetch-depth", "1")
        self._depth = [] if depth == "0" else [f"--depth={depth}"]

    def run(self) -> None:
        """Fetch and check out."""
        say(f"Syncing repository: {self._repository}")
        self._empty()
        self._git("init", "--quiet", "--initial-branch=main", str(self._folder))
        self._git("remote", "add", "origin", self._url)
        self._git("config", "gc.auto", "0")
        if self._token:
            mask(self._token)
            basic = base64.b64encode(f"x-access-token:{self._token}".encode()).decode()
            mask(basic)
            self._git("config", _header(), f"AUTHORIZATION: basic {basic}")
        self._fetch(*self._wanted())
        output("commit", self._git("rev-parse", "HEAD").strip())
        output("ref", given("ref", os.environ.get("GITHUB_REF", "") if self._own else ""))
        say(self._git("log", "-1", "--format=%H %s").strip())
        self._miss_nothing()
        if not flag("persist-credentials", default=True):
            post()

    def _miss_nothing(self) -> None:
        for name, (file, word) in MISSED.items():
            path = self._folder / file
            if given(name) not in {"", "false"} and path.exists() and word in path.read_text(errors="replace"):
                raise Failed(f"The stand-in for actions/checkout cannot fetch {name}, and {file} says that there are.")

    def _empty(self) -> None:
        # The real action keeps what it can of an earlier checkout; on a machine for one job there is none.
        self._folder.mkdir(parents=True, exist_ok=True)
        nested = self._folder != Path(os.environ["GITHUB_WORKSPACE"]).resolve()
        for each in self._folder.iterdir():
            if each.is_dir() and not each.is_symlink():
                if not nested and not (self._folder / ".git").exists() and (each / ".git").exists():
                    continue
                shutil.rmtree(each)
            else:
                each.unlink()

    def _wanted(self) -> tuple[str, str]:
        """Give what to fetch and the full ref it belongs to (empty for a bare commit)."""
        ref = given("ref")
        if not ref and self._own:
            return os.environ["GITHUB_SHA"], os.environ.get("GITHUB_REF", "")
        if re.fullmatch(r"[0-9a-f]{40}", ref):
            return ref, ""
        told = [line.split("\t") for line in self._git("ls-remote", "--symref", "origin").splitlines()]
        if not ref:
            head = next((each[0] for each in told if each[0].startswith("ref: ")), "ref: refs/heads/main")
            return head.removeprefix("ref: "), head.removeprefix("ref: ")
        known = {each[1] for each in told}
        for full in (ref, f"refs/heads/{ref}", f"refs/tags/{ref}"):
            if full in known:
                return full, full
        raise Failed(f"A branch or tag with the name '{ref}' could not be found in {self._repository}.")

    def _fetch(self, what: str, ref: str) -> None:
        local = re.sub(r"^refs/(heads|pull)/", lambda found: _REMOTES[found[1]], ref)
        tags = ["--tags"] if flag("fetch-tags") else ["--no-tags"]
        if not self._depth:
            everything = ("+refs/heads/*:refs/remotes/origin/*", "+refs/tags/*:refs/tags/*")
            self._git("fetch", "--quiet", "origin", *everything)
        # By its commit: the branch may have moved on since the run began.
        self._git("fetch", "--quiet", *tags, *self._depth, "origin", f"+{what}:{local}" if ref else what)
        if ref.startswith("refs/heads/"):
            branch = ref.removeprefix("refs/heads/")
            self._git("checkout", "--quiet", "--force", "-B", branch, f"refs/remotes/origin/{branch}")
        else:
            self._git("checkout", "--quiet", "--force", "--detach", local if ref else what)

    def _git(self, *arguments: str) -> str:
        where = [] if arguments[0] == "init" else ["-C", str(self._folder)]
        shown = " ".join(each for each in arguments if not each.startswith("AUTHORIZATION"))
        say(f"[command]git {shown}")
        environ = os.environ | {"GIT_TERMINAL_PROMPT": "0"}
        try:
            done = subprocess.run(  # noqa: S603 - git with our own arguments
                ["git", *where, *arguments],  # noqa: S607 - as found
                capture_output=True,
                text=True,
                env=environ,
                check=False,
            )
        except FileNotFoundError as error:
            raise Failed("git is not installed on this machine; actions/checkout needs it here.") from error
        if done.returncode:
            raise Failed(f"git {shown} failed with exit code {done.returncode}: {done.stderr.strip()}")
        return done.stdout


_REMOTES = {"heads": "refs/remotes/origin/", "pull": "refs/remotes/pull/"}
