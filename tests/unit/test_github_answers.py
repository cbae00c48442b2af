from __future__ import annotations

import json
from dataclasses import replace

import pytest

from runnerkit.errors import (
    ForgeDenied,
    ForgeError,
    ForgeRejected,
    ForgeUnavailable,
    NameTaken,
    NotFound,
    RunnerBusy,
)
from runnerkit.github.answers import complaint, refused
from runnerkit.github.asks import AT_REPOSITORY, MESSAGE_LIMIT, THE_APP, Answer, Ask

REPO = "acme/train"


def ask(verb: str = "GET", meanings: dict[int, type[ForgeError]] | None = None, *, registers: bool = False) -> Ask:
    """A request to the runners of a repository."""
    return Ask(
        verb=verb,
        path=f"/repos/{REPO}/actions/runners",
        what="do something",
        repo=REPO,
        need=AT_REPOSITORY.runners,
        meanings=meanings or {},
        registers=registers,
    )


def answer(status: int, message: str = "", headers: dict[str, str] | None = None, **more: object) -> Answer:
    """What GitHub says."""
    return Answer(status, headers or {}, json.dumps({"message": message, **more}))


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (304 + 1, ForgeRejected),
        (400, ForgeRejected),
        (401, ForgeDenied),
        (403, ForgeDenied),
        (404, NotFound),
        (408, ForgeUnavailable),
        (409, ForgeRejected),
        (410, ForgeRejected),
        (422, ForgeRejected),
        (451, ForgeRejected),
        (500, ForgeUnavailable),
        (502, ForgeUnavailable),
        (503, ForgeUnavailable),
        (599, ForgeUnavailable),
    ],
)
def test_every_status_has_its_error(status: int, error: type[ForgeError]) -> None:
    """The table from statuses to errors, for requests without meanings of their own."""
    found = complaint(ask(), answer(status, "because"))
    assert type(found) is error
    assert "do something" in found.message
    assert "because" in found.message
    assert str(status) in found.message
    assert found.hint


@pytest.mark.parametrize(
    ("status", "meaning"), [(409, NameTaken), (422, RunnerBusy), (403, ForgeRejected)], ids=["taken", "busy", "running"]
)
def test_a_request_can_give_a_status_its_own_meaning(status: int, meaning: type[ForgeError]) -> None:
    """409 at registering, 422 at deleting, 403 at running again."""
    found = complaint(ask("POST", {status: meaning}), answer(status, "This workflow is already running"))
    assert type(found) is meaning
    assert "already running" in found.message


@pytest.mark.parametrize("words", ["Resource not accessible by integration", "Must have admin rights to Repository."])
def test_a_missing_permission_is_one_whatever_the_request_means_by_403(words: str) -> None:
    """Running again without the permission is denied, not rejected."""
    assert type(complaint(ask("POST", {403: ForgeRejected}), answer(403, words))) is ForgeDenied


def test_what_is_forbidden_for_another_reason_is_not_taken_for_a_missing_permission() -> None:
    """GitHub's words come first; a permission is what it may be, not what it is."""
    archived = complaint(ask(), answer(403, "Repository was archived so is read-only.")).hint
    assert archived.startswith("change what GitHub names")
    assert complaint(ask(), answer(403, "Must have admin rights to Repository.")).hint.startswith("give the token")


def test_githubs_own_list_of_permissions_comes_first() -> None:
    """The header names alternatives and combinations; they are written the way GitHub's settings do."""
    headers = {"x-accepted-github-permissions": "issues=write; pull_requests=write,contents=read"}
    hint = complaint(ask(), answer(403, "no", headers)).hint
    assert hint.endswith("issues: write or pull_requests: write and contents: read")


def test_without_githubs_list_the_table_names_the_permission() -> None:
    """Older servers send no such header."""
    hint = complaint(ask(), answer(403, "no", {"x-accepted-github-permissions": ""})).hint
    assert hint.endswith("administration: write (classic token: scope repo)")


def test_a_need_without_a_scope_names_none() -> None:
    """An App's key has no scopes, and what is wrong with it is seen at its installation."""
    found = Ask(verb="GET", path="/app", what="ask", repo=REPO, need=THE_APP)
    hint = complaint(found, answer(403, "This installation has been suspended")).hint
    assert "may be suspended" in hint
    assert hint.endswith("the App's own key")


@pytest.mark.parametrize(
    ("path", "place"),
    [
        (f"/repos/{REPO}/actions/runners", f"on {REPO}"),
        ("/orgs/acme/actions/runner-groups", "on the organisation acme"),
    ],
)
def test_what_is_not_there_is_told_with_its_place(path: str, place: str) -> None:
    """A missing group, or an organisation that is none, is not looked for in the repository's settings."""
    found = replace(ask(), path=path)
    assert complaint(found, answer(404, "Not Found")).hint.endswith(place)


def test_an_integration_is_only_advised_on_registering() -> None:
    """Elsewhere the same words mean a permission that a workflow could have."""
    words = "Resource not accessible by integration"
    assert "GITHUB_TOKEN" in complaint(ask("POST", registers=True), answer(403, words)).message
    assert "GITHUB_TOKEN" not in complaint(ask("POST"), answer(403, words)).message


def test_the_details_of_an_invalid_request_are_told() -> None:
    """GitHub's errors come as texts and as records; all of them are shown."""
    errors = ["too long", {"resource": "Issue", "field": "body", "code": "missing"}, {"message": "bad label"}, 7, None]
    found = complaint(ask(), answer(422, "Validation Failed", errors=errors))
    assert "Validation Failed; too long; Issue body missing; bad label (status 422)" in found.message


@pytest.mark.parametrize("text", ["", "<html>Bad Gateway</html>", "[1]", "null", '{"message": 7}', "[" * 100_000])
def test_a_body_that_is_not_githubs_has_no_message(text: str) -> None:
    """A proxy's page is not quoted, and an absurd one harms nobody."""
    assert Answer(502, {}, text).message == ""
    assert "status 502" in complaint(ask(), Answer(502, {}, text)).message


def test_a_message_is_one_short_line() -> None:
    """Whatever GitHub says fits into a log line and moves no cursor."""
    told = answer(400, "a\x1b[31m\n" + "b" * 9000).message
    assert len(told) == MESSAGE_LIMIT
    assert told.startswith("a[31mbbb")


def test_what_counts_as_refused() -> None:
    """Success and "unchanged" do not; redirects that led nowhere do."""
    assert [status for status in (200, 201, 202, 204, 304, 301, 307, 400, 404, 500) if refused(status)] == [
        301,
        307,
        400,
        404,
        500,
    ]
