"""The contract of what else a forge knows: annotations, approvals, an owner's repositories, files."""

# ruff: noqa: S101 - a suite asserts

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from runnerkit.errors import NotFound

if TYPE_CHECKING:
    from runnerkit.testing.contracts.benches import ForgeBench

GPU = ("runnerkit=77/gpu=t4",)
UNKNOWN_ID = 4711


class FactContract:
    """What a forge tells besides runners, runs and jobs. Needs a fixture ``bench``."""

    # --- annotations --------------------------------------------------------------------------------------------------

    def test_a_silent_job_has_no_annotations(self, bench: ForgeBench) -> None:
        """Nothing said is an empty list."""
        (job_id,) = bench.queue(bench.repo, GPU)
        assert list(bench.forge.annotations(bench.repo, job_id)) == []

    def test_what_a_job_said_is_told(self, bench: ForgeBench) -> None:
        """In the order in which it was said, and nothing of its siblings; it stays when the job is over."""
        first, second = bench.queue(bench.repo, GPU, GPU)
        bench.annotate(first, "AWS takes this machine back", "Saved the checkpoint")
        bench.annotate(second, "Fine")
        bench.finish(first, "failure")
        assert list(bench.forge.annotations(bench.repo, first)) == [
            "AWS takes this machine back",
            "Saved the checkpoint",
        ]

    def test_annotations_of_an_unknown_job_are_not_found(self, bench: ForgeBench) -> None:
        """Silence must not be told from ignorance."""
        with pytest.raises(NotFound):
            bench.forge.annotations(bench.repo, UNKNOWN_ID)

    # --- gates --------------------------------------------------------------------------------------------------------

    def test_a_job_is_known_by_the_environment_that_let_it_through(self, bench: ForgeBench) -> None:
        """In lower case, whatever the environment's own spelling."""
        job = bench.forge.job(bench.repo, bench.gated(bench.repo, GPU, "Production"))
        assert job is not None
        assert bench.forge.gates(bench.repo, job) == frozenset({"production"})

    def test_a_job_without_an_environment_passed_no_gate(self, bench: ForgeBench) -> None:
        """Whether that is known or not: nothing that policy could rely on is told."""
        (job_id,) = bench.queue(bench.repo, GPU)
        bench.gated(bench.repo, GPU, "production")
        job = bench.forge.job(bench.repo, job_id)
        assert job is not None
        assert not bench.forge.gates(bench.repo, job)

    # --- repositories -------------------------------------------------------------------------------------------------

    def test_an_owners_repositories_are_found(self, bench: ForgeBench) -> None:
        """Each once, by its full name, whatever the case in which the owner is asked for."""
        for repo in (bench.repo, bench.public_repo):
            bench.queue(repo, GPU)
        owner = bench.repo.partition("/")[0]
        found = bench.forge.repositories(owner.upper())
        assert {bench.repo, bench.public_repo} <= set(found)
        assert len(found) == len(set(found))

    def test_an_archived_repository_is_left_out(self, bench: ForgeBench) -> None:
        """Nothing runs there any more."""
        for repo in (bench.repo, bench.public_repo):
            bench.queue(repo, GPU)
        bench.archive(bench.public_repo)
        found = bench.forge.repositories(bench.repo.partition("/")[0])
        assert bench.repo in found
        assert bench.public_repo not in found

    # --- files --------------------------------------------------------------------------------------------------------

    def test_a_file_is_read_as_text(self, bench: ForgeBench) -> None:
        """As it is now on the default branch, letters of other alphabets included."""
        for text in ("spot: true\n# größer\n", "spot: false\n"):
            bench.write_file(bench.repo, ".github/runnerkit.yml", text)
            assert bench.forge.file(bench.repo, ".github/runnerkit.yml") == text

    def test_a_file_that_is_not_there_is_none(self, bench: ForgeBench) -> None:
        """Neither in an empty repository, nor beside another file, nor in another repository."""
        assert bench.forge.file(bench.repo, "runnerkit.yml") is None
        bench.write_file(bench.repo, "runnerkit.yml", "spot: true\n")
        assert bench.forge.file(bench.repo, "other.yml") is None
        assert bench.forge.file(bench.public_repo, "runnerkit.yml") is None
