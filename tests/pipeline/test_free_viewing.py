"""Recordings of free viewing as a data set beside the experiment: here the tiny one, served as if published."""

import dataclasses
from itertools import product
from pathlib import Path

import pytest
import yaml

from analysis import run
from analysis.acquire.real import sources
from tests.paper.prose import text_of
from tests.paper.tables import says
from tests.project import ROOT
from tests.readme.published import PublishedExperiment

NAME = "freely"
FOLDER = Path("recorded", NAME)
MODELS = ["hmo_report", "pixels"]  # the first also sees patches at the gaze


def contents(*folders: Path) -> dict[str, bytes]:
    """Return the files below some folders."""
    found = [path for folder in folders for path in folder.rglob("*") if path.is_file() and ".locks" not in path.parts]
    return {path.as_posix(): path.read_bytes() for path in found}


def write_parameters() -> None:
    values = yaml.safe_load((ROOT / "tests/fixture/params.yaml").read_text())
    entry = {"source": "free_viewing", "images": "all"}
    entry |= {key: values["acquire"][key] for key in ("areas", "monkeys", "recordings", "limit", "kinds")}
    values["recordings"]["permutations"] = 50
    values["models"]["run"] = values["explain"]["models"] = values["timing"]["models"] = MODELS
    values["recorded"] |= {"run": [NAME], "models": MODELS, "datasets": {NAME: entry}}
    Path("params.yaml").write_text(yaml.safe_dump(values))


def analyse(dataset: str | None) -> None:
    """Run the stages that the experiment and a data set share."""
    run.run_stage("stimuli", dataset=dataset)
    run.run_stage("recordings", "corrected", dataset=dataset)
    for name, model in product(("train", "activations"), MODELS):
        run.run_stage(name, model, dataset=dataset)
    run.run_stage("neural", "corrected", dataset=dataset)
    for model in MODELS:
        run.run_stage("compare", model, dataset=dataset)


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A folder with both, and the files of the experiment as they were before the data set was added."""
    folder = tmp_path_factory.mktemp("project")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("NNN_STORE", "store")  # relative, as of the project's folder
        patch.setenv("NNN_WORKERS", "1")
        write_parameters()
        run.run_stage("acquire")
        analyse(None)
        before = contents(Path("data"), Path("models"), Path("results"))
        world = PublishedExperiment(tmp_path_factory.mktemp("published"), Path("data/raw"))
        pinned = world.pin(tmp_path_factory.mktemp("pins"))
        volumes = tuple(sorted(path.name for path in world.node.iterdir()))
        pinned["STIMULI"] = dataclasses.replace(pinned["STIMULI"], volumes=volumes)
        for name, source in pinned.items():
            patch.setattr(sources, name, source)
        with world.online() as addresses:
            for name, address in addresses.items():
                patch.setenv(name, address)
            run.run_stage("acquire", dataset=NAME)
        analyse(NAME)
        for name in ("audit", "summary", "report"):
            run.run_stage(name, dataset=NAME)
        yield before


def test_the_same_recordings_give_the_same_results_in_a_folder_of_their_own(project):
    computed = {path: data for path, data in project.items() if not path.startswith("data/raw/")}
    found = contents(FOLDER / "data", FOLDER / "models", FOLDER / "results/compare")
    here = {path.removeprefix(f"{FOLDER.as_posix()}/"): data for path, data in found.items()}
    drawn = {path for path in computed if path.endswith(("/levels.csv", "/decoding.csv"))}  # of scenes that it drew
    assert {path for path in computed if here.get(path) != computed[path]} == drawn
    assert any(path.startswith("data/activations/hmo_report/patches/") for path in computed)


def test_the_experiment_is_as_it_was(project):
    assert contents(Path("data"), Path("models"), Path("results")) == project


def test_the_report_says_what_free_viewing_has(project):
    text = text_of(str(FOLDER / "paper/report.pdf"))
    for said in (
        "Report on the data set freely (Xiao et al. 2024)",
        "in which the images were viewed freely (6 recordings)",
        "of all presentations receive their own image",
        "Units by area: all, visually selective by the criterion of Xiao et al.",
    ):
        assert says(text, said), said
    assert not says(text, "steady gaze")
