"""What ``dvc.yaml`` lists for a stage is all that the stage can reach, so that no result is stale without a word."""

import subprocess
from pathlib import PurePosixPath

import pytest
import yaml

from analysis.run import STAGES, declared
from tests.pipeline.graph import reachable
from tests.project import ROOT

ENTRIES = yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"]
CHECK = ENTRIES.pop("check")  # of parameters; `analysis.run` runs the others
LOCKS = {"requirements.lock", "requirements-cpu.lock"}


def covered(path: str, deps: list[str]) -> bool:
    return path in deps or any(parent.as_posix() in deps for parent in PurePosixPath(path).parents)


def test_every_stage_is_in_the_table_and_runs_by_its_name():
    assert list(ENTRIES) == list(STAGES)
    for name, entry in ENTRIES.items():
        item = STAGES[name].item
        assert entry["cmd"] == f"python -m analysis {name}" + (f" ${{item.{item}}}" if item else "")
        assert list(entry.get("matrix", {})) == ([item] if item else [])


@pytest.mark.parametrize("stage", STAGES)
def test_all_code_that_a_stage_can_reach_is_among_its_dependencies(stage):
    files = reachable(stage)
    assert len(files) > 8
    assert [path for path in sorted(files) if not covered(path, ENTRIES[stage]["deps"])] == []


@pytest.mark.parametrize("stage", sorted(set(STAGES) - {"report"}))  # the paper names the state of all code
def test_no_dependency_on_code_is_out_of_reach(stage):
    """A file that the stage never reads would make its results stale for nothing."""
    code, _ = declared(stage)
    named = {path.relative_to(ROOT).as_posix() for path in code if path.suffix == ".py" or list(path.rglob("*.py"))}
    files = reachable(stage)
    folders = {parent.as_posix() for path in files for parent in PurePosixPath(path).parents}
    assert sorted(named - files - folders) == []


def test_parameters_are_checked_before_any_stage_with_a_name_from_them_runs():
    """DVC removes the outputs of a stage, whose paths hold names, before it runs the stage."""
    before, frontier = set(), {out for out in CHECK["outs"]}
    while new := {
        name
        for name, entry in ENTRIES.items()
        if name not in before and any(covered(dep, [*frontier]) for dep in entry["deps"])
    }:
        before |= new
        frontier |= {out.partition("/${")[0] for name in new for out in ENTRIES[name]["outs"]}
    named = {name for name, entry in ENTRIES.items() if "models" in str(entry.get("matrix"))}
    assert named
    assert named <= before
    assert "params.yaml" in CHECK["deps"]


@pytest.mark.parametrize("stage", STAGES)
def test_the_locked_environment_is_a_dependency(stage):
    assert set(ENTRIES[stage]["deps"]) >= LOCKS


def test_all_code_is_a_dependency_of_the_paper_which_names_its_state():
    listed = subprocess.run(
        ["git", "ls-files", "analysis", "paper"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert [path for path in listed.stdout.split() if not covered(path, ENTRIES["report"]["deps"])] == []
