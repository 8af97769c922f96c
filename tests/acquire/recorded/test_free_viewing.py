"""DANDI 000628 as a data set of its own: the published files, and nothing of the experiment is touched."""

import json
from pathlib import Path

import pytest
import yaml

from analysis import params, run
from analysis.acquire import stage
from analysis.acquire.real import blobs, keep
from analysis.acquire.real.plan import plan_of
from analysis.core.errors import DataError
from tests.acquire.world import ROOT

NAME = "free_viewing"


@pytest.fixture
def project(tmp_path, monkeypatch):
    """Return a function that writes params.yaml with changes to the entry, and makes its folder the working folder."""
    folder = tmp_path / "project"
    folder.mkdir()
    monkeypatch.chdir(folder)

    def write(**changes) -> params.Params:
        values = yaml.safe_load((ROOT / "params.yaml").read_text())
        values["recorded"]["run"] = [NAME]
        values["recorded"]["datasets"][NAME] |= changes
        Path("params.yaml").write_text(yaml.safe_dump(values))
        return params.load_agreeing()

    return write


def content(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_it_holds_what_the_experiment_would_fetch_in_a_folder_of_its_own(world, wanted, project):
    stage.run(wanted(recordings=["An220105"]))
    experiment, asked = content(Path("data/raw")), world.asked()
    project()
    run.run_stage("acquire", dataset=NAME)
    found = content(Path("recorded", NAME, "data/raw"))
    of_set, of_experiment = (json.loads(one.pop("manifest.json")) for one in (found, experiment))
    assert found == experiment
    assert world.asked() == asked  # the store has them all
    assert of_set["source"] == NAME
    assert of_set["citation"].startswith("Xiao, W.")
    for key in ("files", "recordings", "recordings_published", "sources"):
        assert of_set[key] == of_experiment[key]
    experiment["manifest.json"] = Path("data/raw/manifest.json").read_bytes()
    assert content(Path("data/raw")) == experiment


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"recordings": ["An220106"]}, "recorded/free_viewing: recordings: unknown An220106; choose from An220105"),
        ({"areas": ["V2"]}, "recorded/free_viewing: areas, monkeys and recordings match no recording: widen one"),
    ],
)
def test_an_impossible_selection_is_one_line_and_fetches_no_data(world, project, changes, said):
    project(**changes)
    with pytest.raises(DataError, match=said) as error:
        run.run_stage("acquire", dataset=NAME)
    assert "\n" not in str(error.value)
    assert not world.dandi.asked("blobs")
    assert not Path("recorded", NAME, "data").exists()


def test_plan_is_of_the_entry(world, project):
    values = project(recordings="all", areas=["CIT"])
    text = plan_of(values, NAME)
    assert text.startswith("recorded.run names free_viewing\n2 of 5 recordings, 9 units")
    with pytest.raises(DataError, match=r"recorded\.datasets\.v4 is of the source v4: only free_viewing has a plan"):
        plan_of(values, "v4")
    with pytest.raises(DataError, match=r"recorded\.datasets\.free_viewing\.monkeys: unknown Xx"):
        plan_of(project(monkeys=["Xx"]), NAME)


def test_prune_keeps_what_the_entry_selects_while_it_runs(world, wanted, project):
    values = project(recordings=["Bf211114"])
    run.run_stage("acquire", dataset=NAME)
    stage.run(wanted(recordings=["An220105"]))
    kept = len(blobs.blobs())
    values = values.model_copy(update={"acquire": wanted(recordings=["An220105"]).acquire})
    keep.prune(keep.selections(values), days=30)
    assert len(blobs.blobs()) == kept
    idle = values.model_copy(update={"recorded": values.recorded.model_copy(update={"run": []})})
    keep.prune(keep.selections(idle), days=30)
    assert len(blobs.blobs()) == kept - 2  # main file and rasters of the recording
