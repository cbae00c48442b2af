"""What developers do: push, open pull requests, merge them."""

from pathlib import Path
from urllib.parse import urlsplit

from runnerkit.sandbox.github.git import noticing, queue, reading, requests, writing
from runnerkit.sandbox.github.people import add_account
from runnerkit.sandbox.github.records import Issue, Repository
from runnerkit.sandbox.github.refusals import invalid, missing
from runnerkit.sandbox.github.state import State

BRANCH = "refs/heads/"


def push_files(
    state: State, repository: Repository, files: writing.Files, *, branch: str, message: str, login: str
) -> str:
    """Commit files on a branch (made from the default one when it is new) and tell of the push."""
    full_name, ref = requests.ready(state, repository), BRANCH + branch
    tip = reading.resolve(state.git, full_name, ref)
    parent = tip or reading.resolve(state.git, full_name, BRANCH + repository.default_branch)
    author = writing.Author(add_account(state, login).login, state.now())
    sha = writing.commit_files(state.git, full_name, ref, parent, files, message, author)
    noticing.notice(state, full_name, author.login)
    return sha


class GitStories:
    """The stories that need git; the world mixes them in."""

    state: State

    def push(
        self,
        repository: str,
        files: writing.Files,
        *,
        branch: str = "main",
        message: str = "Change something",
        login: str = "octocat",
    ) -> str:
        """Push one commit that changes files (None deletes one) and give its SHA."""
        with self.state.open():
            found = self.state.repository(repository)
            return push_files(self.state, found, files, branch=branch, message=message, login=login)

    def tag(self, repository: str, name: str, *, ref: str = "main", message: str = "", login: str = "octocat") -> str:
        """Push a tag and give the SHA of its commit; with a message it is an annotated one.

        Raises:
            Refused: 422 when there is no such ref.
            GitFailed: the tag is there already.
        """
        with self.state.open():
            full_name = requests.ready(self.state, self.state.repository(repository))
            sha = reading.resolve(self.state.git, full_name, ref)
            if sha is None:
                raise invalid(f"No ref found for: {ref}")
            author = writing.Author(add_account(self.state, login).login, self.state.now())
            writing.tag(self.state.git, full_name, name, sha, message, author)
            noticing.notice(self.state, full_name, author.login)
            return sha

    def seed(
        self, repository: str, folder: Path, *, message: str = "Begin", login: str = "octocat", branch: str = "main"
    ) -> str:
        """Make a folder's content, without what its ``.gitignore`` names, the first commit of a branch."""
        with self.state.open():
            full_name = requests.ready(self.state, self.state.repository(repository))
            author = writing.Author(add_account(self.state, login).login, self.state.now())
            sha = writing.commit_folder(self.state.git, full_name, BRANCH + branch, folder, message, author)
            noticing.notice(self.state, full_name, author.login)
            return sha

    def open_pull_request(
        self,
        repository: str,
        *,
        head: str,
        title: str,
        body: str = "",
        base: str | None = None,
        login: str = "octocat",
        head_repository: str | None = None,
    ) -> Issue:
        """Open a pull request from a pushed branch; ``head_repository`` is the fork it is in."""
        with self.state.open():
            into = self.state.repository(repository)
            source = self.state.repository(head_repository) if head_repository else into
            return requests.open_request(
                self.state, into, head=head, title=title, body=body, login=login, into=base, source=source
            )

    def close_pull_request(self, repository: str, number: int, *, login: str = "octocat") -> None:
        """Close a pull request (or an issue) without merging it."""
        with self.state.open():
            requests.set_state(self.state, self._issue(repository, number), "closed", login)

    def merge_pull_request(self, repository: str, number: int, *, method: str = "merge", login: str = "octocat") -> str:
        """Merge a pull request and give the base branch's new SHA."""
        with self.state.open():
            issue = self._issue(repository, number)
            if issue.pull is None:
                raise missing()
            sha = requests.merge_request(self.state, issue, issue.pull, login, method=method)
            noticing.notice(self.state, issue.repository, login)
            return sha

    def queue_merge(self, repository: str, number: int, *, login: str = "octocat") -> str:
        """Put a pull request into the merge queue and give the SHA of what is checked there.

        Workflows that wait for ``merge_group`` run on it; nothing is merged until a test calls `merge_pull_request`.
        """
        with self.state.open():
            issue = self._issue(repository, number)
            if issue.pull is None:
                raise missing()
            return queue.enqueue(self.state, issue, issue.pull, login)

    def leave_merge_queue(self, repository: str, number: int, *, login: str = "octocat") -> None:
        """Take a pull request out of the merge queue; its branch there is deleted."""
        with self.state.open():
            issue = self._issue(repository, number)
            if issue.pull is not None:
                queue.dequeue(self.state, issue, issue.pull, login)

    def _issue(self, repository: str, number: int) -> Issue:
        return self.state.issue(self.state.repository(repository).full_name, number)

    def clone_url(self, repository: str, token: str | None = None) -> str:
        """Give the address to clone from; with a token it holds the credentials."""
        with self.state.open(reading=True):
            full_name = self.state.repository(repository).full_name
        place = urlsplit(self.state.web)
        host = place.netloc if token is None else f"x-access-token:{token}@{place.netloc}"
        return f"{place.scheme}://{host}/{full_name}.git"

    def read_file(self, repository: str, path: str, ref: str = "main") -> bytes | None:
        """Read a file of a repository; None where there is none."""
        with self.state.open(reading=True):
            return reading.read_file(self.state.git, self.state.repository(repository).full_name, ref, path)
