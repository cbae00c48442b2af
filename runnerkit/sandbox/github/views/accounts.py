"""Users, organisations, repositories, Apps and installations as GitHub shows them."""

import base64
from typing import Any

from runnerkit.sandbox.github.clock import stamp
from runnerkit.sandbox.github.exchange import Links
from runnerkit.sandbox.github.records import Account, App, Group, Installation, Repository
from runnerkit.sandbox.github.state import State

Json = dict[str, Any]

_USER_LINKS = {
    "events_url": "/events{/privacy}",
    "followers_url": "/followers",
    "following_url": "/following{/other_user}",
    "gists_url": "/gists{/gist_id}",
    "organizations_url": "/orgs",
    "received_events_url": "/received_events",
    "repos_url": "/repos",
    "starred_url": "/starred{/owner}{/repo}",
    "subscriptions_url": "/subscriptions",
}
_REPOSITORY_LINKS = {
    "archive_url": "/{archive_format}{/ref}",
    "assignees_url": "/assignees{/user}",
    "blobs_url": "/git/blobs{/sha}",
    "branches_url": "/branches{/branch}",
    "collaborators_url": "/collaborators{/collaborator}",
    "comments_url": "/comments{/number}",
    "commits_url": "/commits{/sha}",
    "compare_url": "/compare/{base}...{head}",
    "contents_url": "/contents/{+path}",
    "contributors_url": "/contributors",
    "deployments_url": "/deployments",
    "downloads_url": "/downloads",
    "events_url": "/events",
    "forks_url": "/forks",
    "git_commits_url": "/git/commits{/sha}",
    "git_refs_url": "/git/refs{/sha}",
    "git_tags_url": "/git/tags{/sha}",
    "hooks_url": "/hooks",
    "issue_comment_url": "/issues/comments{/number}",
    "issue_events_url": "/issues/events{/number}",
    "issues_url": "/issues{/number}",
    "keys_url": "/keys{/key_id}",
    "labels_url": "/labels{/name}",
    "languages_url": "/languages",
    "merges_url": "/merges",
    "milestones_url": "/milestones{/number}",
    "notifications_url": "/notifications{?since,all,participating}",
    "pulls_url": "/pulls{/number}",
    "releases_url": "/releases{/id}",
    "stargazers_url": "/stargazers",
    "statuses_url": "/statuses/{sha}",
    "subscribers_url": "/subscribers",
    "subscription_url": "/subscription",
    "tags_url": "/tags",
    "teams_url": "/teams",
    "trees_url": "/git/trees{/sha}",
}
_NOTHING_COUNTED = ("forks", "forks_count", "open_issues", "open_issues_count", "size", "stargazers_count", "watchers")


def node_id(kind: str, number: int) -> str:
    """Make up the opaque id GraphQL would know the record by."""
    return base64.b64encode(f"{kind}:{number}".encode()).decode()


def user(links: Links, account: Account) -> Json:
    """Show an account in the short form (``simple-user``)."""
    url = f"{links.api}/users/{account.login}"
    return {
        "login": account.login,
        "id": account.id,
        "node_id": node_id("User", account.id),
        "avatar_url": f"{links.web}/avatars/{account.id}",
        "gravatar_id": "",
        "url": url,
        "html_url": f"{links.web}/{account.login}",
        "type": account.kind,
        "site_admin": False,
        "user_view_type": "public",
        **{name: url + rest for name, rest in _USER_LINKS.items()},
    }


def public_user(links: Links, account: Account) -> Json:
    """Show an account with its profile (``public-user``)."""
    profile = dict.fromkeys(("name", "company", "blog", "location", "email", "hireable", "bio"))
    counts = dict.fromkeys(("public_repos", "public_gists", "followers", "following"), 0)
    since = stamp(account.created_at)
    return user(links, account) | profile | counts | {"created_at": since, "updated_at": since}


def organization(links: Links, account: Account) -> Json:
    """Show an organisation (``organization-full``)."""
    url, since = f"{links.api}/orgs/{account.login}", stamp(account.created_at)
    return {
        "login": account.login,
        "id": account.id,
        "node_id": node_id("Organization", account.id),
        "url": url,
        **{f"{part}_url": f"{url}/{part}" for part in ("events", "hooks", "issues", "repos")},
        "members_url": f"{url}/members{{/member}}",
        "public_members_url": f"{url}/public_members{{/member}}",
        "avatar_url": f"{links.web}/avatars/{account.id}",
        "html_url": f"{links.web}/{account.login}",
        "description": None,
        "type": account.kind,
        "has_organization_projects": True,
        "has_repository_projects": True,
        **dict.fromkeys(("public_repos", "public_gists", "followers", "following"), 0),
        "created_at": since,
        "updated_at": since,
        "archived_at": None,
    }


def minimal_repository(state: State, links: Links, repository: Repository) -> Json:
    """Show a repository as other objects embed it (``minimal-repository``)."""
    url = f"{links.api}/repos/{repository.full_name}"
    return {
        "id": repository.id,
        "node_id": node_id("Repository", repository.id),
        "name": repository.name,
        "full_name": repository.full_name,
        "private": repository.private,
        "owner": user(links, state.account(repository.owner)),
        "html_url": f"{links.web}/{repository.full_name}",
        "description": None,
        "fork": repository.parent is not None,
        "url": url,
        **{name: url + rest for name, rest in _REPOSITORY_LINKS.items()},
    }


def repository(state: State, links: Links, found: Repository) -> Json:
    """Show a repository in the long form (``repository``)."""
    html, since = f"{links.web}/{found.full_name}", stamp(found.created_at)
    features = ("has_issues", "has_projects", "has_wiki", "has_downloads")
    return minimal_repository(state, links, found) | {
        "git_url": f"git:{html.partition(':')[2]}.git",
        "ssh_url": f"git@{links.web.partition('//')[2]}:{found.full_name}.git",
        "clone_url": f"{html}.git",
        "svn_url": html,
        **dict.fromkeys(("homepage", "language", "mirror_url", "license"), None),
        **dict.fromkeys((*_NOTHING_COUNTED, "watchers_count"), 0),
        **dict.fromkeys(features, True),
        **dict.fromkeys(("has_pages", "has_discussions", "disabled"), False),
        "archived": found.archived,
        "default_branch": found.default_branch,
        "visibility": "private" if found.private else "public",
        **dict.fromkeys(("created_at", "updated_at", "pushed_at"), since),
    }


def full_repository(state: State, links: Links, found: Repository) -> Json:
    """Show a repository asked for by name (``full-repository``)."""
    body = repository(state, links, found) | {"network_count": 0, "subscribers_count": 0}
    owner = state.account(found.owner)
    if owner.kind == "Organization":
        body["organization"] = user(links, owner)
    if found.parent is not None:
        parent = repository(state, links, state.repository(found.parent))
        body |= {"parent": parent, "source": parent}
    return body


def group(links: Links, found: Group) -> Json:
    """Show a runner group."""
    url = f"{links.api}/orgs/{found.org}/actions/runner-groups/{found.id}"
    body: Json = {
        "id": found.id,
        "name": found.name,
        "visibility": found.visibility,
        "default": found.name == "Default",
        "runners_url": f"{url}/runners",
        "inherited": False,
        "allows_public_repositories": found.allows_public,
        "restricted_to_workflows": False,
        "selected_workflows": [],
        "workflow_restrictions_read_only": False,
    }
    return body | ({"selected_repositories_url": f"{url}/repositories"} if found.visibility == "selected" else {})


def app(state: State, links: Links, found: App) -> Json:
    """Show an App (``integration``)."""
    since = stamp(found.created_at)
    return {
        "id": found.id,
        "client_id": found.client_id,
        "slug": found.slug,
        "node_id": node_id("App", found.id),
        "owner": user(links, state.account(found.owner)),
        "name": found.name or found.slug,
        "description": None,
        "external_url": f"{links.web}/{found.slug}",
        "html_url": f"{links.web}/apps/{found.slug}",
        "created_at": since,
        "updated_at": since,
        "permissions": found.permissions,
        "events": list(found.events),
        "installations_count": sum(1 for each in state.installations.values() if each.app_id == found.id),
    }


def installation(state: State, links: Links, found: Installation) -> Json:
    """Show an App's installation on an account."""
    account, owner = state.account(found.account), state.apps[found.app_id]
    since = stamp(found.created_at)
    return {
        "id": found.id,
        "account": user(links, account),
        "repository_selection": "all" if found.repositories is None else "selected",
        "access_tokens_url": f"{links.api}/app/installations/{found.id}/access_tokens",
        "repositories_url": f"{links.api}/installation/repositories",
        "html_url": f"{links.web}/settings/installations/{found.id}",
        "app_id": found.app_id,
        "client_id": owner.client_id,
        "target_id": account.id,
        "target_type": account.kind,
        "permissions": found.permissions,
        "events": list(owner.events),
        "single_file_name": None,
        "app_slug": owner.slug,
        "created_at": since,
        "updated_at": since,
        "suspended_at": None,
        "suspended_by": None,
    }
