"""The locks as sets of packages, held against the dependencies that ``pyproject.toml`` lists."""

import re
import tomllib
from pathlib import Path

NAMES = {part: f"requirements{part}.lock" for part in ("", "-cpu", "-cuda", "-test")}
ENTRY = re.compile(r"^([\w.-]+)==\S+(?: ; .*?)?((?: \\\n +--hash=sha256:[0-9a-f]{64})+)$", re.MULTILINE)
"""A package of a lock: its name and its hashes."""


def packages(text: str) -> set[str]:
    """Return the packages of a lock; each must have its hashes."""
    bare = ENTRY.sub("", re.sub(r"^#.*\n", "", text, flags=re.MULTILINE)).strip()
    assert not bare, f"not a package with its hashes: {bare[:200]}"
    return {normal(name) for name, _ in ENTRY.findall(text)}


def normal(name: str) -> str:
    """Return the name of a package as indexes write it."""
    return re.sub("[-_.]+", "-", name).lower()


def check(project: Path) -> None:
    """Every dependency is locked with hashes, in both flavours, and the groups add to the runtime alone."""
    listed = tomllib.loads((project / "pyproject.toml").read_text())
    runtime = names(listed["project"]["dependencies"])
    groups = names(requirement for group in listed["dependency-groups"].values() for requirement in group)
    most, cpu, cuda, test = (packages((project / name).read_text()) for name in NAMES.values())
    assert cpu == {"torch", "setuptools"}
    for flavour in (cpu, cuda):
        assert cpu <= flavour
        assert runtime <= most | flavour, f"not locked: {runtime - most - flavour}"
        assert not most & flavour, f"locked twice: {most & flavour}"
    assert groups <= most | test, f"not locked: {groups - most - test}"
    assert not test & (most | cuda), f"of the runtime and of the tests: {test & (most | cuda)}"


def names(requirements) -> set[str]:
    """Return the packages that requirements name."""
    return {normal(re.match(r"[\w.-]+", requirement)[0]) for requirement in requirements}
