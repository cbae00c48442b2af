"""What ``promote`` works with: the repository, its remote, and the model's tags."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from runnerkit import extras

if TYPE_CHECKING:
    from runnerkit.job.pipeline import Project
    from runnerkit.job.place import Place
    from runnerkit.versioning import Registry


@dataclass(frozen=True, slots=True)
class Bench:
    """What all commands need: the repository, its remote, the model's tags."""

    project: Project
    place: Place
    remote: str
    registry: Registry

    @classmethod
    def of(cls, model: str) -> Bench:
        """The bench in the current folder, with the remote's tags of this model.

        Raises:
            ConfigError: GTO is missing, this is no repository, or its tags cannot be fetched.
        """
        extras.need("promote")
        from runnerkit.job.checks import check_git, git
        from runnerkit.job.place import Place
        from runnerkit.job.versions import ground
        from runnerkit.versioning import Registry
        from runnerkit.versioning.registry import author
        from runnerkit.versioning.sharing import fetch_tags, remote_of

        project = ground(Path.cwd())
        check_git(project)
        top = (git(project.root, "rev-parse", "--show-toplevel") or "").strip()
        root = Path(top) if top else project.root
        remote = remote_of(root)
        registry = Registry(root, model, author(root, os.environ))
        if remote:
            fetch_tags(root, remote, model)
        return cls(project, Place.of(os.environ), remote, registry)

    @property
    def note(self) -> str:
        """Who did it, in which run."""
        who = os.environ.get("GITHUB_ACTOR") or os.environ.get("USER") or "somebody"
        return f"by {who}" + (f" in {self.place.url}" if self.place.url else "")

    def head(self) -> str:
        """The commit that is checked out."""
        from runnerkit.job.checks import git

        return (git(self.registry.root, "rev-parse", "HEAD") or "").strip()

    def reasons(self, commit: str, gate: str | None, *, at_head: bool) -> list[str]:
        """Everything that speaks against this commit's model; ``gate`` is the gate file, None: no gate is asked."""
        from runnerkit.job.promoting import absent, declared_models, dirty, unpushed
        from runnerkit.stores import remote_store

        root = self.registry.root
        models = declared_models(root, commit)
        model = models.get(self.registry.model)
        found = dirty(root) if at_head else []
        found += unpushed(root, commit, self.remote)
        if model is not None:
            found += absent(root, commit, model, self.project.settings(), remote_store)
        elif not self.registry.versions():
            known = f"it knows {', '.join(sorted(models))}" if models else "it knows none"
            found.append(f"dvc.yaml at {commit[:8]} declares no model {self.registry.model} under artifacts: {known}")
        return found + (self._gate(gate) if gate is not None and at_head else [])

    def _gate(self, file: str) -> list[str]:
        from runnerkit.job.gatefile import Rules, judged

        found = judged(self.project, self.place, Rules(file))
        return [] if found.holds else [found.sentence()]

    def share(self, tags: list[str], made: list[str], *, push: bool) -> None:
        """Send tags to the git remote, if that is wanted; those that were made go again when it does not work."""
        from runnerkit.versioning.sharing import push_tags

        if push and tags:
            push_tags(self.registry.root, self.remote, tags, made)
