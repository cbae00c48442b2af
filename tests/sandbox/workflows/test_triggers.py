"""Which events start a workflow, and GitHub's patterns."""

from __future__ import annotations

import pytest

from runnerkit.sandbox.workflows import Event, triggered
from runnerkit.sandbox.workflows.events import EVENTS
from runnerkit.sandbox.workflows.globs import selects
from tests.sandbox.workflows.files import started_by

MAIN = "refs/heads/main"


@pytest.mark.parametrize(
    ("pattern", "fitting", "others"),
    [
        ("feature/*", ["feature/my-branch", "feature/your-branch"], ["feature/a/b", "feature", "xfeature/a"]),
        ("feature/**", ["feature/beta-a/my-branch", "feature/x"], ["feature"]),
        ("releases/mona-the-octocat", ["releases/mona-the-octocat"], ["releases/mona", "releases.mona-the-octocat"]),
        ("*", ["main", "releases"], ["all/the/branches"]),
        ("**", ["all/the/branches", "every/tag"], []),
        ("*feature", ["mona-feature", "feature", "ver-10-feature"], ["a/feature"]),
        ("v2*", ["v2", "v2.0", "v2.9"], ["v2/a", "xv2"]),
        ("v[12].[0-9]+.[0-9]+", ["v1.10.1", "v2.0.0"], ["v3.0.0", "v1.x.1", "v1-0-0"]),
        ("*.jsx?", ["page.js", "page.jsx"], ["page.jsxx", "a/page.js"]),
        ("**.js", ["index.js", "js/index.js", "src/js/app.js"], ["index.jsx"]),
        ("docs/*", ["docs/README.md", "docs/file.txt"], ["docs/a/b"]),
        ("docs/**", ["docs/README.md", "docs/mona/octocat.txt"], ["doc/a"]),
        ("docs/**/*.md", ["docs/README.md", "docs/mona/hello-world.md", "docs/a/markdown/file.md"], ["docs/a.txt"]),
        ("**/docs/**", ["docs/hello.md", "dir/docs/my-file.txt", "space/docs/plan/space.doc"], ["mydocs/a"]),
        ("**/README.md", ["README.md", "js/README.md"], ["js/XREADME.md"]),
        ("**/*src/**", ["a/src/app.js", "my-src/code/js/app.js"], ["src"]),
        ("**/*-post.md", ["my-post.md", "path/their-post.md"], ["post.md"]),
        ("**/migrate-*.sql", ["migrate-10909.sql", "db/migrate-v1.0.sql", "db/sept/migrate-v1.sql"], ["migrate.sql"]),
        (r"a\*b", ["a*b"], ["axb"]),
        ("?a", ["?a"], ["a"]),
        ("a+b", ["ab", "aaab"], ["b", "a+b"]),
    ],
)
def test_patterns(pattern: str, fitting: list[str], others: list[str]) -> None:
    """The table of GitHub's documentation, and what must not fit."""
    assert [each for each in [*fitting, *others] if selects([pattern], each)] == fitting


@pytest.mark.parametrize(
    ("patterns", "name", "expected"),
    [
        (["releases/**", "!releases/**-alpha"], "releases/10", True),
        (["releases/**", "!releases/**-alpha"], "releases/beta/3-alpha", False),
        (["!releases/**-alpha", "releases/**"], "releases/3-alpha", True),
        (["*.md", "!README.md", "README*"], "README.md", True),
        (["!main"], "dev", False),
    ],
)
def test_the_order_of_patterns_counts(patterns: list[str], name: str, expected: bool) -> None:
    """What ! takes back, a later pattern may give again."""
    assert selects(patterns, name) is expected


def push(ref: str = MAIN, *changed: str) -> Event:
    return Event("push", ref=ref, sha="1" * 40, changed=changed or None)


def pull(action: str = "opened", base: str = "main", *changed: str, name: str = "pull_request") -> Event:
    return Event(name, action, base_ref=base, head_ref="topic", changed=changed or None)


@pytest.mark.parametrize(
    ("on", "event", "expected"),
    [
        ("push", push(), True),
        ("[push, pull_request]", push("refs/tags/v1"), True),
        ("pull_request", push(), False),
        ("{push: {branches: [main]}}", push(), True),
        ("{push: {branches: main}}", push("refs/heads/dev"), False),
        ("{push: {branches: [main]}}", push("refs/tags/main"), False),
        ("{push: {tags: ['v*']}}", push("refs/tags/v1"), True),
        ("{push: {tags: ['v*']}}", push(), False),
        ("{push: {branches: [main], tags: ['v*']}}", push("refs/tags/v1"), True),
        ("{push: {branches-ignore: [main]}}", push(), False),
        ("{push: {branches-ignore: [main]}}", push("refs/heads/topic/a"), True),
        ("{push: {branches-ignore: [main]}}", push("refs/tags/v1"), False),
        ("{push: {tags-ignore: ['v*']}}", push("refs/tags/v1"), False),
        ("{push: {tags-ignore: ['v*']}}", push("refs/tags/x"), True),
        ("{push: {paths: ['src/**']}}", push(MAIN, "README.md", "src/a/b.py"), True),
        ("{push: {paths: ['src/**']}}", push(MAIN, "README.md"), False),
        ("{push: {paths: ['**', '!docs/**']}}", push(MAIN, "docs/a", "docs/b"), False),
        ("{push: {paths: ['**', '!docs/**']}}", push(MAIN, "docs/a", "b"), True),
        ("{push: {paths: ['src/**']}}", push(), True),
        ("{push: {paths: ['src/**']}}", push("refs/tags/v1", "README.md"), True),
        ("{push: {paths-ignore: ['docs/**']}}", push(MAIN, "docs/a"), False),
        ("{push: {paths-ignore: ['docs/**']}}", push(MAIN, "docs/a", "x"), True),
        ("{push: {branches: [main], paths: ['a']}}", push("refs/heads/x", "a"), False),
        ("push", Event("push", ref=MAIN, sha="0" * 40), False),
        ("pull_request", pull(), True),
        ("pull_request", pull("synchronize"), True),
        ("pull_request", pull("reopened"), True),
        ("pull_request", pull("closed"), False),
        ("pull_request", pull("labeled"), False),
        ("{pull_request: {types: [labeled]}}", pull("labeled"), True),
        ("{pull_request: {types: labeled}}", pull("opened"), False),
        ("{pull_request: {branches: [main]}}", pull(), True),
        ("{pull_request: {branches: ['rel/**']}}", pull(), False),
        ("{pull_request: {branches-ignore: [topic]}}", pull(), True),
        ("{pull_request: {paths: [params.yaml]}}", pull("opened", "main", "params.yaml"), True),
        ("{pull_request: {paths: [params.yaml]}}", pull("opened", "main", "README.md"), False),
        ("pull_request_target", pull(name="pull_request_target"), True),
        ("pull_request_target", pull("closed", name="pull_request_target"), False),
        ("workflow_dispatch", Event("workflow_dispatch", ref=MAIN), True),
        ("{schedule: [{cron: '0 0 * * *'}]}", Event("schedule"), False),
        ("{schedule: [{cron: '0 0 * * *'}, {cron: '0 6 * * 1'}]}", Event("schedule", cron="0 6 * * 1"), True),
        ("{schedule: [{cron: '0 0 * * *'}]}", Event("schedule", cron="0 6 * * 1"), False),
        ("workflow_call", Event("workflow_call"), False),
        ("issue_comment", Event("issue_comment", "edited"), True),
        ("{issue_comment: {types: [created]}}", Event("issue_comment", "edited"), False),
        ("{release: {types: [published]}}", Event("release", "published"), True),
        ("deployment", Event("deployment"), True),
        ("{repository_dispatch: {types: [train]}}", Event("repository_dispatch", "train"), True),
        ("{repository_dispatch: {types: [train]}}", Event("repository_dispatch", "x"), False),
        ("{workflow_run: {workflows: [ci]}}", Event("workflow_run", "completed", workflow="ci"), True),
        ("{workflow_run: {workflows: [ci]}}", Event("workflow_run", "completed", workflow="cd"), False),
        (
            "{workflow_run: {workflows: [ci], types: [completed]}}",
            Event("workflow_run", "requested", workflow="ci"),
            False,
        ),
        (
            "{workflow_run: {workflows: [ci], branches: [main]}}",
            Event("workflow_run", "completed", workflow="ci", head_ref="dev"),
            False,
        ),
        (
            "{workflow_run: {workflows: ['c*'], branches: [main]}}",
            Event("workflow_run", "completed", workflow="ci", head_ref="main"),
            True,
        ),
    ],
)
def test_triggers(on: str, event: Event, expected: bool) -> None:
    """Types, branches, tags and paths decide together."""
    assert triggered(started_by(on), event) is expected


@pytest.mark.parametrize("name", sorted(set(EVENTS) - {"schedule", "workflow_run"}))
def test_every_event_is_accepted_by_name(name: str) -> None:
    """An event needs no filters."""
    assert list(started_by(name).on) == [name]
