import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from analysis.core.errors import DataError
from analysis.tools import crate
from tests.project import ROOT

SOURCES = ("dvc.lock", "dvc.yaml", "CITATION.cff")


def entities_of(folder: Path) -> list[dict]:
    files = (yaml.safe_load((folder / name).read_text()) for name in SOURCES)
    return crate.crate_of(*files).metadata.generate()["@graph"]


@pytest.fixture
def graph() -> dict[str, dict]:
    """The entities of the crate of the committed lock file, by identifier."""
    entities = entities_of(ROOT)
    assert len({one["@id"] for one in entities}) == len(entities)
    return {one["@id"]: one for one in entities}


def references(value):
    if isinstance(value, dict) and set(value) == {"@id"}:
        yield value["@id"]
    elif isinstance(value, dict | list):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from references(inner)


def test_the_descriptor_and_the_root_have_what_the_specification_demands(graph):
    descriptor, root = graph["ro-crate-metadata.json"], graph["./"]
    assert descriptor["conformsTo"]["@id"] == "https://w3id.org/ro/crate/1.1"
    assert descriptor["about"]["@id"] == "./"
    assert {"name", "description", "datePublished", "license"} <= set(root)
    parts = {one["@id"] for one in root["hasPart"]}
    assert parts == {key for key, one in graph.items() if one["@type"] in ("File", "Dataset") and key != "./"}
    outside = {"https://w3id.org/ro/crate/1.1"}
    assert set(references(list(graph.values()))) - outside <= set(graph)


def test_every_stage_and_output_of_the_lock_is_described(graph):
    lock = yaml.safe_load((ROOT / "dvc.lock").read_text())["stages"]
    for name, stage in lock.items():
        action = graph[f"#stage-{name}"]
        made = [one["@id"] for one in action["result"]]
        assert [path.rstrip("/") for path in made] == [out["path"] for out in stage["outs"]]
        for path, out in zip(made, stage["outs"], strict=True):
            assert graph[path]["identifier"] == f"md5:{out['md5']}"
            assert path.endswith("/") == out["md5"].endswith(".dir")
    read = {one["@id"] for one in graph["#stage-figures"]["object"]}
    assert {"results/layers.csv", "paper/plots/"} <= read  # the first lies within the folder that the stage names


def test_files_that_are_not_there_are_named_and_the_crate_has_the_same_bytes_again(tmp_path, monkeypatch):
    for name in (*SOURCES, "params.yaml"):
        (tmp_path / name).write_bytes((ROOT / name).read_bytes())
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError, match=r"analysis/.* not found"):
        crate.write_crate()
    for one in entities_of(tmp_path):
        if one["@type"] in ("File", "Dataset"):
            path = Path(one["@id"])
            (path if one["@type"] == "Dataset" else path.parent).mkdir(parents=True, exist_ok=True)
            path.exists() or path.touch()
    written = Path("ro-crate-metadata.json")
    assert crate.write_crate() == len(json.loads(written.read_text())["@graph"])
    first = written.read_bytes()
    environment = os.environ | {"PYTHONPATH": str(ROOT), "PYTHONHASHSEED": "7"}
    subprocess.run([sys.executable, "-m", "analysis", "crate", "--force"], env=environment, check=True)
    assert written.read_bytes() == first  # in another process, of another hash seed
