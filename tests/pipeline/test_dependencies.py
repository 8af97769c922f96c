"""What ``dvc.yaml`` lists for a stage is all that the stage can reach, so that no result is stale without a word."""

import subprocess
from pathlib import PurePosixPath

import pytest
import yaml

from analysis.run import RECORDED, STAGES, declared
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
        item, stage = STAGES[name].item, name.removeprefix(RECORDED)
        recorded = stage != name
        of = "--dataset ${item.dataset} " if recorded else ""
        if recorded and item == "protocol":
            assert entry["cmd"] == f"python -m analysis {of}{stage} corrected"
            item = None
        else:
            assert entry["cmd"] == f"python -m analysis {of}{stage}" + (f" ${{item.{item}}}" if item else "")
        assert list(entry.get("matrix", {})) == [*(["dataset"] if recorded else []), *([item] if item else [])]


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


def test_parameters_are_checked_before_any_stage_runs():
    """DVC removes the outputs of a stage, whose paths may hold names, before it runs the stage."""
    before, made = set(), {*CHECK["outs"]}

    def reads(entry: dict) -> bool:
        return any(covered(dep, [*made]) or any(covered(out, [dep]) for out in made) for dep in entry["deps"])

    while new := {name for name, entry in ENTRIES.items() if name not in before and reads(entry)}:
        before |= new
        made |= {out.partition("/${")[0] for name in new for out in ENTRIES[name]["outs"]}
    assert before == set(ENTRIES)
    assert "params.yaml" in CHECK["deps"]


@pytest.mark.parametrize("stage", STAGES)
def test_the_locked_environment_is_a_dependency(stage):
    assert set(ENTRIES[stage]["deps"]) >= LOCKS


def test_all_code_is_a_dependency_of_the_paper_which_names_its_state():
    listed = subprocess.run(
        ["git", "ls-files", "analysis", "paper"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert [path for path in listed.stdout.split() if not covered(path, ENTRIES["report"]["deps"])] == []


@pytest.mark.parametrize("stage", [name for name in STAGES if name.startswith(RECORDED)])
def test_a_recorded_stage_reads_and_writes_in_the_folder_of_its_data_set(stage):
    """And depends on its own entry alone, so that adding a data set leaves the others as they are."""
    entry = ENTRIES[stage]
    folder = "recorded/${item.dataset}/"
    assert all(path.startswith(folder) for path in entry["outs"])
    code = ("analysis", "paper", "requirements", "data/checked")
    elsewhere = ["${recorded.models_from}/models"] if stage == "recorded-geometry" else []
    assert [path for path in entry["deps"] if not path.startswith((folder, *code))] == elsewhere
    assert not {"recorded", "recorded.datasets", "recorded.run"} & set(entry["params"])


@pytest.mark.parametrize("stage", ["recorded-neural", "recorded-compare"])
def test_stages_that_compare_images_depend_on_the_choice_of_images(stage):
    """It is taken from the entry of the data set (`params.of_data_set`)."""
    assert "recorded.datasets.${item.dataset}" in ENTRIES[stage]["params"]
