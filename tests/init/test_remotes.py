"""Which repository a checkout belongs to, from the addresses of its remotes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runnerkit.beginning.remotes import REPO, address, chosen, repository
from runnerkit.errors import ConfigError

WIDGETS = ("acme/widgets", "github.com", "")
SERVER = ("acme/widgets", "git.acme.example", "https://git.acme.example/api/v3")


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://github.com/acme/widgets.git", WIDGETS),
        ("https://github.com/acme/widgets", WIDGETS),
        ("https://github.com/acme/widgets/", WIDGETS),
        ("https://GitHub.com/acme/widgets.git", WIDGETS),
        ("https://x-access-token:ghp_secret@github.com/acme/widgets.git", WIDGETS),
        ("git@github.com:acme/widgets.git", WIDGETS),
        ("github.com:acme/widgets", WIDGETS),
        ("git@github.com-work:acme/widgets.git", WIDGETS),
        ("ssh://git@github.com/acme/widgets.git", WIDGETS),
        ("ssh://git@ssh.github.com:443/acme/widgets.git", WIDGETS),
        ("git://github.com/acme/widgets", WIDGETS),
        ("git@git.acme.example:acme/widgets.git", SERVER),
        ("ssh://git@git.acme.example:2222/acme/widgets.git", SERVER),
        ("https://git.acme.example/acme/widgets", SERVER),
        (
            "https://git.acme.example:8443/acme/widgets",
            ("acme/widgets", "git.acme.example:8443", "https://git.acme.example:8443/api/v3"),
        ),
        ("https://acme.ghe.com/acme/widgets", ("acme/widgets", "acme.ghe.com", "https://api.acme.ghe.com")),
        ("http://127.0.0.1:4000/acme/widgets.git", ("acme/widgets", "127.0.0.1:4000", "")),
        ("https://github.com/acme/widgets%2Egit", WIDGETS),
        ("https://gitlab.com/acme/widgets.git", None),
        ("git@bitbucket.org:acme/widgets.git", None),
        ("ssh://git-codecommit.eu-west-1.amazonaws.com/v1/repos/widgets", None),
        ("https://github.com/acme", None),
        ("https://github.com/acme/widgets/tree/main", None),
        ("https://github.com/acme/..", None),
        ("https://github.com/acme/wid gets", None),
        ("https://github.com/acme/$(id)", None),
        ("https://github.com/acme/${{github.token}}", None),
        ("https://github.com/acme/widgets%0Aname: evil", None),
        ("https://github.com/acme/widgets\nevil: true", None),
        ("https://github.com/äcme/widgets", None),
        ("https://git.acme.example\u202e/acme/widgets", None),
        ("https://github.com:99999/acme/widgets", None),
        ("https://[::1/acme/widgets", None),
        ("ext::sh -c evil% >&2", None),
        ("--upload-pack=evil", None),
        ("file:///srv/git/acme/widgets.git", None),
        ("/srv/git/acme/widgets.git", None),
        ("../widgets", None),
        ("C:\\git\\acme\\widgets", None),
        ("", None),
    ],
)
def test_an_address_names_a_repository_on_github_or_nothing(url: str, expected: tuple[str, str, str] | None) -> None:
    """All spellings of git; never another host's, never what could mean more in a file; no secret is kept."""
    found = address(url, "origin")
    assert expected == (found and (found.repo, found.host, found.api_url))
    assert "secret" not in repr(found)


@given(
    st.text(max_size=80), st.sampled_from(["", "https://github.com/", "git@github.com:", "ssh://h/", "https://h:1/"])
)
def test_whatever_an_address_says_the_repository_is_a_plain_name(text: str, start: str) -> None:
    """No text makes it fail, and what comes out can stand in a file, a command and an address."""
    found = address(start + text)
    assert found is None or (REPO.fullmatch(found.repo) and found.host.isascii() and " " not in found.host)


def test_of_several_remotes_the_usual_one_counts_and_the_others_are_told() -> None:
    """``origin`` first, whatever git lists first; the same repository under two names is one."""
    fork, main = ("fork", "git@github.com:me/widgets"), ("origin", "https://github.com/acme/widgets")
    found, notes = chosen([fork, main])
    assert ("acme/widgets", "origin") == (found.repo, found.remote)
    assert "me/widgets" in notes[0]
    assert () == chosen([main, ("again", "git@github.com:Acme/Widgets.git")])[1]
    assert "me/widgets" == chosen([("elsewhere", "git@gitlab.com:a/b"), fork])[0].repo


@pytest.mark.parametrize(
    ("remotes", "message"),
    [
        ([], "no remote"),
        ([("origin", "git@gitlab.com:acme/widgets")], "no remote"),
        ([("a", "git@github.com:acme/one"), ("b", "git@github.com:acme/two")], "several remotes"),
    ],
)
def test_what_cannot_be_known_is_asked_for(remotes: list[tuple[str, str]], message: str) -> None:
    """No remote of GitHub's, or two that could be meant: the error names the option that settles it."""
    with pytest.raises(ConfigError, match=message) as caught:
        chosen(remotes)
    assert "--repo OWNER/NAME" in caught.value.hint
    assert "acme/three" == chosen(remotes, "acme/three")[0].repo


def test_a_repository_that_is_named_keeps_the_host_of_the_remotes() -> None:
    """The server of an enterprise is not asked about at github.com."""
    found, _ = chosen([("origin", "git@git.acme.example:acme/widgets")], "acme/other")
    assert ("acme/other", "git.acme.example") == (found.repo, found.host)
    with pytest.raises(ConfigError, match="is not a repository"):
        repository("acme")
    for text in ("acme", "acme/widgets\n[policy]"):
        with pytest.raises(ConfigError, match="is not a repository"):
            chosen([], text)
