"""What the package says about itself is true, and said once."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from email.parser import HeaderParser
from functools import cache
from typing import TYPE_CHECKING, Any

import pytest
from packaging.requirements import Requirement
from packaging.version import Version
from trove_classifiers import classifiers, deprecated_classifiers

import runnerkit
from runnerkit.extras import EXTRAS
from tests.packaging.conftest import ROOT

if TYPE_CHECKING:
    from pathlib import Path

    from tests.packaging.conftest import Built

# Imported under another name than that of the package that brings it.
BROUGHT_BY = {
    "dvc_s3": "dvc-s3",
    "github": "pygithub",
    "jsonschema_path": "jsonschema-path",
    "jwt": "pyjwt",
    "markdown_it": "markdown-it-py",
    "nacl": "pynacl",
    "prometheus_client": "prometheus-client",
    "sklearn": "scikit-learn",
    "vl_convert": "vl-convert-python",
    "yaml": "pyyaml",
}
# Come with another requirement for certain, and are of no use without it.
WITH = {"botocore": "boto3", "scmrepo": "gto", "dvc-s3": "dvc"}
OURS = {*sys.stdlib_module_names, "runnerkit"}
# An exception from a rule with nothing behind it.
SILENT = re.compile(
    r"^.*# *(?:noqa(?!: [A-Z]+[0-9]+(?:, [A-Z]+[0-9]+)* - \S)|"
    r"type: ignore(?!\[[a-z-]+(?:, ?[a-z-]+)*\] {1,2}# \S)).*$",
    re.MULTILINE,
)
# Not for us to bring, each with its reason.
NOT_OURS = {
    "pytest": "fixtures and contract suites are for who has it",
    "runnerkit_agent": "the agent on the machine, beside its script",
    "tomlkit": "comes with DVC, and is asked for by name where it is missing",
}


@cache
def project() -> dict[str, Any]:
    """What pyproject.toml says."""
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def needs(texts: list[str]) -> dict[str, Requirement]:
    """Requirements by their plain names; an extra of our own brings what is in it."""
    found: dict[str, Requirement] = {}
    for one in map(Requirement, texts):
        if one.name == "runnerkit":
            for extra in one.extras:
                found |= needs(project()["project"]["optional-dependencies"][extra])
        else:
            found[plain(one.name)] = one
    return found


def imported(path: Path, may: set[str]) -> set[str]:
    """The libraries that a file imports beside those it may, as they are called there; types alone do not count."""
    text = path.read_text(encoding="utf-8")
    named = set(re.findall(r"^ *(?:from|import) (\w+)", text, re.MULTILINE)) - OURS
    if all(_brought(name, may) for name in named):
        return set()  # so most files need not be parsed, which takes seconds
    tree = ast.parse(text)
    hidden = [node for node in ast.walk(tree) if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)]
    inside = {below for node in hidden for each in node.body for below in ast.walk(each)}
    names = [
        name
        for node in ast.walk(tree)
        if node not in inside
        for name in (
            [each.name for each in node.names]
            if isinstance(node, ast.Import)
            else [node.module or ""]
            if isinstance(node, ast.ImportFrom) and not node.level
            else []
        )
    ]
    return {name.partition(".")[0] for name in names} - OURS


def _brought(name: str, may: set[str]) -> bool:
    return bool({package(name), WITH.get(package(name), "")} & may)


def test_the_version_stands_in_one_place(built: Built) -> None:
    """The package, its description and its files agree, because the others are made from the first."""
    assert "version" not in project()["project"]
    assert f"Version: {runnerkit.__version__}\n" in built.described("METADATA")
    assert f"runnerkit-{runnerkit.__version__}-py3-none-any.whl" == built.wheel.name
    assert f"runnerkit-{runnerkit.__version__}.tar.gz" == built.sdist.name
    spelt = [path for path in ROOT.glob("*.toml") if runnerkit.__version__ in path.read_text()]
    assert [] == spelt
    assert str(Version(runnerkit.__version__)) == runnerkit.__version__


def test_the_description_is_right(built: Built) -> None:
    """Known classifiers, a licence, the README, the versions of Python that CI tries, and no invented address."""
    told = HeaderParser().parsestr(built.described("METADATA"))
    assert set(told.get_all("Classifier", [])) <= classifiers - set(deprecated_classifiers)
    assert ("Apache-2.0", ">=3.11") == (told["License-Expression"], told["Requires-Python"])
    assert "Copyright" in built.described("licenses/LICENSE")
    assert ("text/markdown", True) == (told["Description-Content-Type"], "# runnerkit" in str(told.get_payload()))
    tried = re.findall(r'"(3\.\d+)"', (ROOT / ".github/workflows/ci.yml").read_text())
    named = {each.rpartition(" ")[2] for each in told.get_all("Classifier", []) if ":: 3." in each}
    assert set(tried) <= named
    assert not told.get_all("Project-URL")
    assert {"console_scripts", "pytest11"} == set(re.findall(r"\[(.+)\]", built.described("entry_points.txt")))


def test_every_requirement_is_pinned_in_the_constraints() -> None:
    """What CI installs is one known set of versions, and each fits what the package asks for."""
    pins = dict(line.split("==") for line in (ROOT / "constraints.txt").read_text().split() if "==" in line)
    pins = {plain(name): version for name, version in pins.items()}
    asked = {**needs(project()["project"]["dependencies"]), **needs(["runnerkit[dev]"])}
    asked |= needs([each for many in project()["project"]["optional-dependencies"].values() for each in many])
    assert not [name for name, each in asked.items() if name not in pins or not each.specifier.contains(pins[name])]
    assert {plain(Requirement(each).name) for each in project()["build-system"]["requires"]} <= set(pins)


def test_the_constraints_name_versions_and_no_addresses() -> None:
    """Whichever index a computer is set to serves them: names with one version each, no address, no option."""
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    assert [] == [line for line in lines if not re.fullmatch(r"[a-z0-9][a-z0-9._-]*==[a-z0-9.!+]+", line)]
    assert len({line.partition("==")[0] for line in lines}) == len(lines)


def test_every_exception_from_a_rule_has_its_reason() -> None:
    """What is ignored for all files or some says why beside it, and so does every single line."""
    lint = (ROOT / "pyproject.toml").read_text(encoding="utf-8").split("[tool.ruff.lint]")[1].split(".pydocstyle]")[0]
    rules = re.findall(r'^ +"([A-Z]+[0-9]*)",(.*)$', lint, re.MULTILINE)
    assert 'select = ["ALL"]' in lint
    assert len(rules) > 20
    assert [] == [rule for rule, why in rules if not re.fullmatch(r" *# \S.+", why)]
    silent = []
    for folder in ("runnerkit", "tests", "benchmarks", "scripts", "docs", "examples"):
        for path in (ROOT / folder).rglob("*.py"):
            text = path.read_text(encoding="utf-8")
            silent += [f"{path.relative_to(ROOT)}: {line}" for line in SILENT.findall(text)]
    assert [] == silent


def test_what_the_code_imports_is_declared() -> None:
    """Base requirements for all of it; the sandbox, and files that ask for an extra, may use what that brings."""
    base, extras = needs(project()["project"]["dependencies"]), project()["project"]["optional-dependencies"]
    brought = {name: set(needs([f"runnerkit[{name}]"])) for name in extras}
    undeclared = []
    for path in sorted((ROOT / "runnerkit").rglob("*.py")):
        may = set(base) | (brought["sandbox"] if "sandbox" in path.relative_to(ROOT).parts else set())
        may |= {name for each, modules in EXTRAS.items() if each != "demo" for name in map(package, modules)}
        undeclared += [
            f"{path.relative_to(ROOT)}: {name}"
            for name in imported(path, may) - set(NOT_OURS)
            if not _brought(name, may)
        ]
    assert [] == undeclared


def package(module: str) -> str:
    return BROUGHT_BY.get(module, plain(module))


@pytest.mark.parametrize("extra", EXTRAS)
def test_what_an_extra_is_said_to_bring_it_brings(extra: str) -> None:
    """The table behind "install runnerkit with its extra" names packages of that extra, and no others."""
    brought = needs([f"runnerkit[{extra}]"])
    for module in EXTRAS[extra]:
        assert {package(module), WITH.get(package(module))} & set(brought), f"{extra} does not bring {module}"


def test_every_extra_is_explained() -> None:
    """The page about installing has a line for each."""
    page = (ROOT / "docs/install.md").read_text(encoding="utf-8")
    rows = set(re.findall(r"^\| `\[([a-z]+)\]` \|", page, re.MULTILINE))
    assert set(project()["project"]["optional-dependencies"]) == rows


def test_the_changelog_knows_this_version() -> None:
    """A version that is being made has its changes under "Unreleased"; a released one under its number and date."""
    said = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    headings = re.findall(r"^## (.+)$", said, re.MULTILINE)
    assert "Unreleased" == headings[0]
    released = [re.fullmatch(r"(\S+) - \d{4}-\d{2}-\d{2}", each) for each in headings[1:]]
    assert all(released)
    versions = [Version(each[1]) for each in released if each]
    assert versions == sorted(versions, reverse=True)
    own = Version(runnerkit.__version__)
    assert own.is_devrelease or own in versions
