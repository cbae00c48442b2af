"""Looking at GitHub: token, permissions, repositories, runner group, webhooks, environments and workflows.

Permissions are asked for by requests that cannot do anything: reads, and writes about what does not exist. GitHub looks
at the permission first (403) and then for the thing (404), so nothing is ever changed. An App tells its permissions
itself. Sources: GitHub's OpenAPI description; "Authenticating with a token" for the prefixes of tokens.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from runnerkit.doctor import workflows
from runnerkit.doctor.facts_github import EnvironmentSeen, Power, Rate, RunnerGroup, TokenSeen
from runnerkit.doctor.gathering import Once
from runnerkit.doctor.look_aws import skew
from runnerkit.doctor.look_repositories import RepositoryLooks
from runnerkit.ec2.parallel import each
from runnerkit.errors import ConfigError, ForgeDenied, ForgeError, NotFound
from runnerkit.github.asks import FILES, REPOSITORIES, THE_APP, Ask, Need
from runnerkit.github.views import integer, items, record, text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from runnerkit.doctor.facts_github import WorkflowSeen
    from runnerkit.doctor.facts_here import Skew
    from runnerkit.github.asks import Answer
    from runnerkit.github.client import Client
    from runnerkit.settings import GitHubSettings

MOST_FILES = 30
MISSING = 404
# Statuses with which GitHub says that it would have done it, if only the thing were there.
WOULD = frozenset({200, 204, 404, 409, 410, 422})
ENDS = "github-authentication-token-expiration"
PREFIXES = {"github_pat_": "fine-grained", "ghp_": "classic", "ghs_": "app", "ghu_": "user", "gho_": "user"}


class GitHubLooks:
    """The looks at GitHub; each may be called from a thread of its own.

    Args:
        client: Who we are there.
        settings: Section ``[github]``.
        repos: The repositories to serve; ``owner/*`` is all of an owner's.
        environment: Tells whether this is a workflow.
        gated: Whether policy asks for environments.
    """

    def __init__(
        self,
        client: Client,
        settings: GitHubSettings,
        repos: Sequence[str],
        environment: Mapping[str, str],
        *,
        gated: bool = False,
    ) -> None:
        self._client = client
        self._settings = settings
        self._served = tuple(repos)
        self._any = (self._served or (settings.organization or "",))[0]
        self._environment = environment
        self._gated = gated
        self._called = Once(self._call)
        self._looked = RepositoryLooks(client, settings, self._served, self._good)
        self.repositories = Once(self._looked.repositories)

    def _ask(self, path: str, what: str, need: Need = REPOSITORIES, repo: str = "", **more: Any) -> Answer:  # noqa: ANN401 - of Ask
        verb = more.pop("verb", "GET")
        return self._client.ask(Ask(verb=verb, path=path, what=what, repo=repo or self._any, need=need, **more))

    # --- the token ----------------------------------------------------------------------------------------------------

    def _call(self) -> tuple[Answer, datetime]:
        # A server without limits has no such page (404), and has told the time and the token's end all the same.
        asked = self._ask("/rate_limit", "tell what is left of the hourly limit", fine=frozenset({MISSING}))
        return asked, datetime.now(tz=UTC)

    def rate(self) -> Rate:
        """What is left of the hourly budget, 0 of 0 where there is none; asking is free."""
        core = record(record(record(self._called()[0].json("read the limits")).get("resources")).get("core"))
        reset = datetime.fromtimestamp(integer(core.get("reset")) or 0, tz=UTC)
        return Rate(integer(core.get("limit")) or 0, integer(core.get("remaining")) or 0, reset)

    def skew(self) -> Skew:
        """How far this computer's clock is from GitHub's."""
        answer, at = self._called()
        return skew("GitHub", answer.headers.get("date", ""), at)

    def token(self) -> TokenSeen:
        """What signs in."""
        answer, _ = self._called()
        if self._settings.app_id is not None:
            app = record(self._ask("/app", "look at the App", THE_APP).json("look at the App"))
            return TokenSeen("app", text(app.get("slug")) or self._settings.app_id)
        kind = self._kind()
        scopes = tuple(each for each in answer.headers.get("x-oauth-scopes", "").split(", ") if each)
        who = "" if kind in {"actions", "app"} else self._login()
        return TokenSeen(kind, who, _moment(answer.headers.get(ENDS, "")), scopes)

    def _kind(self) -> str:
        secret = self._settings.token.get_secret_value() if self._settings.token is not None else ""
        kind = next((kind for prefix, kind in PREFIXES.items() if secret.startswith(prefix)), "other")
        # A workflow's token looks like an App's; only what is around it tells.
        in_workflow = self._environment.get("GITHUB_ACTIONS") == "true" and secret == self._environment.get(
            "GITHUB_TOKEN"
        )
        return "actions" if kind == "app" and in_workflow else kind

    def _login(self) -> str:
        try:
            return text(record(self._ask("/user", "see who the token is of").json("see who it is")).get("login"))
        except ForgeError:
            return ""

    # --- permissions --------------------------------------------------------------------------------------------------

    def powers(self) -> tuple[Power, ...]:
        """Whether the token has the permission of each feature."""
        if not self.names() and not self._settings.runner_group:
            raise ConfigError(
                f"{', '.join(self._served)} names no repository that can be seen"
                if self._served
                else "no repository is named",
                hint="--repo OWNER/NAME, or repositories under [github]",
            )
        return tuple(each(self._power, self._probes()))

    def _probes(self) -> list[tuple[str, str, bool, str, str, Any, str]]:
        """Feature, permission, whether it is a must, verb, path, body, why."""
        repo = f"/repos/{self._first()}"
        group = f"/orgs/{self._settings.organization}"
        runners, needs = (
            (f"{group}/actions/runners/0", "organization_self_hosted_runners: write")
            if self._settings.runner_group
            else (f"{repo}/actions/runners/0", "administration: write")
        )
        none = {"body": "never written"}
        found = [
            ("register runners", needs, True, "DELETE", runners, None, "without a runner no job starts"),
            ("read runs and jobs", "actions: read", True, "GET", f"{repo}/actions/runs", None, "jobs are not seen"),
            (
                "repeat interrupted runs", "actions: write", False, "POST", f"{repo}/actions/runs/0/rerun-failed-jobs",
                None, "what AWS interrupts is not run again",
            ),
            (
                "comment", "issues: write", False, "PATCH", f"{repo}/issues/comments/0", none,
                "reports and refusals do not reach the pull request",
            ),
            (
                "read files", "contents: read", False, "GET", f"{repo}/contents/.github", None,
                "a repository's own specs and workflows are not seen",
            ),
        ]  # fmt: skip
        if not self.names():
            return found[:1]
        if self._gated:
            why = "policy wants environments, and nobody sees whether one let a job through"
            found.append(("read deployments", "deployments: read", True, "GET", f"{repo}/deployments", None, why))
        return found

    def _power(self, probe: tuple[str, str, bool, str, str, Any, str]) -> Power:
        feature, needs, required, verb, path, body, why = probe
        need = Need(needs, "", self._held(needs))
        try:
            status = self._ask(path, feature, need, self._first(), verb=verb, body=body, fine=WOULD).status
        except ForgeDenied as error:
            return Power(feature, needs, allowed=False, required=required, why=f"{why} ({error.message})")
        except ForgeError as error:
            return Power(feature, needs, None, required, error.message)
        return Power(feature, needs, allowed=status in WOULD, required=required, why=why)

    def _held(self, needs: str) -> tuple[tuple[str, str], ...]:
        """The permission for which an App asks a token: with one that it lacks it gets none."""
        name, _, level = needs.partition(": ")
        return (("metadata", "read"), (name, level))

    # --- repositories -------------------------------------------------------------------------------------------------

    def names(self) -> tuple[str, ...]:
        """The repositories that are looked at, those of `owner/*` among them."""
        return self._looked.names()

    def more(self) -> int:
        """How many others are served."""
        return self._looked.more()

    def _first(self) -> str:
        return (*self.names(), self._any)[0]

    def _good(self) -> None:
        """Raise what is wrong with what signs in, whatever it may see."""
        if self._settings.app_id is None:
            self._called()
        else:
            self._ask("/app", "look at the App", THE_APP)

    def runner_group(self) -> RunnerGroup:
        """The group of the configuration."""
        name, org = self._settings.runner_group or "", self._settings.organization
        if not name:
            return RunnerGroup("", exists=False)
        need = Need(
            "organization_self_hosted_runners: read", "admin:org", (("organization_self_hosted_runners", "read"),)
        )
        path = f"/orgs/{org}/actions/runner-groups"
        ask = Ask(verb="GET", path=path, what=f"list the runner groups of {org}", repo=self._any, need=need)
        rows = self._client.rows(ask, "runner_groups")
        names = tuple(text(record(row).get("name")) for row in rows)
        row = next((record(row) for row in rows if text(record(row).get("name")).lower() == name.lower()), None)
        if row is None:
            return RunnerGroup(name, exists=False, others=names)
        return RunnerGroup(
            name,
            exists=True,
            open_to=self._open_to(f"{path}/{row.get('id')}/repositories", row, need),
            public=bool(row.get("allows_public_repositories")),
        )

    def _open_to(self, path: str, row: Mapping[str, Any], need: Need) -> frozenset[str] | None:
        if row.get("visibility") == "all":
            return None
        if row.get("visibility") == "private":
            return frozenset(each.name.lower() for each in self.repositories() if each.private)
        ask = Ask(verb="GET", path=path, what="list the group's repositories", repo=self._any, need=need)
        rows = self._client.rows(ask, "repositories")
        return frozenset(text(record(each).get("full_name")).lower() for each in rows)

    # --- environments and workflows -----------------------------------------------------------------------------------

    def environments(self) -> tuple[EnvironmentSeen, ...]:
        """The environments of the repositories that can be seen."""
        seen = [repo.name for repo in self.repositories() if repo.visible]
        return tuple(one for found in each(self._environments, seen) for one in found)

    def _environments(self, repo: str) -> list[EnvironmentSeen]:
        need = Need("actions: read", "repo", (("actions", "read"), ("metadata", "read")))
        path = f"/repos/{repo}/environments"
        ask = Ask(verb="GET", path=path, what=f"list the environments of {repo}", repo=repo, need=need)
        return [_environment(repo, record(row)) for row in self._client.rows(ask, "environments")]

    def workflows(self) -> tuple[WorkflowSeen, ...]:
        """The workflow files on the default branches."""
        seen = [repo.name for repo in self.repositories() if repo.visible]
        return tuple(one for found in each(self._workflows, seen) for one in found)

    def _workflows(self, repo: str) -> list[WorkflowSeen]:
        path = f"/repos/{repo}/contents/{workflows.FOLDER}"
        try:
            rows = items(self._ask(path, f"list the workflows of {repo}", FILES, repo).json("list them"))
        except NotFound:
            return []
        names = [text(record(row).get("path")) for row in rows]
        wanted = [name for name in names if name.endswith((".yml", ".yaml"))][:MOST_FILES]
        return each(lambda name: workflows.read(repo, name, self._looked.file(repo, name)), wanted)


def _environment(repo: str, row: Mapping[str, Any]) -> EnvironmentSeen:
    rules = [record(rule) for rule in items(row.get("protection_rules"))]
    reviewed = any(rule.get("type") == "required_reviewers" and rule.get("reviewers") for rule in rules)
    return EnvironmentSeen(repo, text(row.get("name")), reviewed)


def _moment(told: str) -> datetime | None:
    """``2026-11-29 10:00:00 UTC``, or with an offset instead of the word."""
    try:
        found = datetime.fromisoformat(told.replace(" UTC", "+00:00"))
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)
