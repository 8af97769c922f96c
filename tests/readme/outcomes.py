"""What the reader of a page does by hand before a command, and what there is to look at after it."""

import json
import math
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pypdf
import xarray as xr
import yaml

from benchmarks import table as speeds
from tests.project import ROOT
from tests.readme.commands import PAGES, code_blocks

RECORDING = "Mo210505"
FIGURES = "benchmarks/small"
"""Folder of the benchmarks' small figures."""


def set_parameter(group: str, **values) -> Callable[[Path], None]:
    """Return what edits one group of ``params.yaml``."""

    def edit(project: Path) -> None:
        path = project / "params.yaml"
        parameters = yaml.safe_load(path.read_text())
        parameters[group] |= values
        path.write_text(yaml.safe_dump(parameters, sort_keys=False))

    return edit


def add_own_model(project: Path) -> None:
    """Enter the model of ``docs/your-model.md`` in ``params.yaml``."""
    entry, _ = map(yaml.safe_load, code_blocks("yaml", PAGES["your-model"]))  # the other needs weights of the reader's
    models = yaml.safe_load((project / "params.yaml").read_text())["models"]
    set_parameter("models", **entry, run=[*models["run"], *entry])(project)


def save_data_set(project: Path) -> None:
    """Save the program of ``docs/your-data-set.md``."""
    [program] = code_blocks("python", PAGES["your-data-set"])
    (project / "make_mine.py").write_text(program)


def run_own_program(project: Path) -> None:
    """Save that program and run it, as a reader does."""
    save_data_set(project)
    subprocess.run([sys.executable, "make_mine.py"], cwd=project, check=True)


def add_own_data_set(project: Path) -> None:
    """Enter the data set of ``docs/your-data-set.md`` in ``params.yaml``."""
    [entry] = map(yaml.safe_load, code_blocks("yaml", PAGES["your-data-set"]))
    recorded = yaml.safe_load((project / "params.yaml").read_text())["recorded"]
    set_parameter("recorded", run=[*entry], datasets=recorded["datasets"] | entry)(project)


def own_units_are_predicted(project: Path) -> None:
    """The results are those of the example: its units, images and showings, and a model that predicts them."""
    about = json.loads((project / "recorded/mine/results/recorded.json").read_text())
    assert (about["units"], about["images"], about["presentations"]) == (5, 20, 79)
    assert about["models"]["pixels"]["median_r"] > 0.5


def train_on_others(project: Path) -> None:
    """Enter the folder of other images, as ``docs/your-data-set.md`` says."""
    recorded = yaml.safe_load((project / "params.yaml").read_text())["recorded"]
    mine = recorded["datasets"]["mine"] | {"training": "other"}
    set_parameter("recorded", datasets=recorded["datasets"] | {"mine": mine})(project)


def others_were_trained_on(project: Path) -> None:
    """The models are those of the other images, and units are predicted on all images."""
    about = json.loads((project / "recorded/mine/results/recorded.json").read_text())
    assert about["training"] == {"folder": "other", "images": 40}
    assert about["compared"]["images"] == about["images"] == 20


def choose_real_data(project: Path) -> None:
    """Set the source to real, and compare one model alone, to save time."""
    set_parameter("acquire", source="real")(project)
    set_parameter("models", run=["pixels"])(project)
    set_parameter("explain", models=["pixels"])(project)
    set_parameter("timing", models=["pixels"])(project)


def text_files(project: Path) -> list[Path]:
    """Return the pages of a clone and their pictures."""
    return [project / "README.md", *sorted((project / "docs").glob("*.md")), *sorted((project / "docs").glob("*.svg"))]


def spoil_pages(project: Path) -> None:
    """Empty all blocks that commands fill, and the pictures."""
    for path in text_files(project):
        text = re.sub(r"(<!-- \w+: [^>]*-->\n).*?(<!-- /)", r"\1\2", path.read_text(), flags=re.DOTALL)
        path.write_text("" if path.suffix == ".svg" else text)


def block(project: Path, name: str) -> str:
    """Return what stands in a block of a project's pages."""
    pattern = rf"<!-- {name}: [^>]*-->\n(.*?)<!-- /{name} -->"
    [text] = re.findall(pattern, "".join(path.read_text() for path in text_files(project)), re.DOTALL)
    return text


def values_are_filled(project: Path) -> None:
    """The answer and the table of figures hold values again."""
    assert re.match("On simulated data, .* classifies [0-9.]+ % of", block(project, "answer"))
    assert "| `predictivity` | `python -m analysis figures` |" in block(project, "expected")


def benchmarks_are_filled(project: Path) -> None:
    """The tables of what the benchmarks found are those of the pages here."""
    for name in ("speed", "gpu", "truth"):
        assert block(project, name) == block(ROOT, name)


def pictures_are_drawn(project: Path) -> None:
    """Pictures and table of parameters are those of the pages here."""
    assert block(project, "parameters") == block(ROOT, "parameters")
    for path in (ROOT / "docs").glob("*.svg"):
        assert (project / "docs" / path.name).read_text() == path.read_text()


def write_response_table(project: Path) -> None:
    """Write a table of responses whose two recordings have levels of their own."""
    rng = np.random.default_rng(0)
    half = np.arange(80) < 40
    table = pd.DataFrame(rng.normal(size=(80, 6)) + 2 * half[:, None], columns=[f"unit{k}" for k in range(6)])
    table.insert(0, "image", [f"{k}.png" for k in range(80)])
    table["category"] = np.where(rng.random(80) < 0.5, "face", "other")
    table["recording"] = np.where(half, "first", "second")
    table.to_csv(project / "responses.csv", index=False)


def change_paper(project: Path) -> None:
    """Add a remark to the source of the paper, so that its stage is out of date."""
    with (project / "paper/report.typ").open("a") as file:
        file.write("// a remark\n")


def figures_are_kept(name: str, *parts: str) -> Callable[[Path], None]:
    """Return what looks at the small figures of a benchmark: parts (as in the full ones), finite, rows in the table."""

    def look(project: Path) -> None:
        full, small = (project / folder for folder in ("benchmarks", FIGURES))
        found, known = (json.loads((folder / f"{name}.json").read_text()) for folder in (small, full))
        there, wanted = names_in(found), set(parts) or names_in(known)
        assert there >= wanted, f"{name}.json lacks {wanted - there}"
        numbers = list(numbers_in(found))
        assert numbers, f"{name}.json holds no number"
        assert all(map(math.isfinite, numbers)), f"{name}.json holds a number that is not finite"
        rows = [[row[3].split()[0] for row in (*speeds.rows(one), *speeds.truths(one))] for one in (small, full)]
        assert (name in rows[0]) == (name in rows[1]), f"no row of the tables comes from {name}.json"

    return look


def names_in(found: dict | list) -> set[str]:
    """Return the names of the figures in a file: those of its entries, or of the fields of each where it is a list."""
    return set(found[0] if isinstance(found, list) else found)


def numbers_in(found) -> Iterator[float]:
    """Yield the numbers in what JSON holds."""
    if isinstance(found, dict | list):
        for one in found.values() if isinstance(found, dict) else found:
            yield from numbers_in(one)
    elif isinstance(found, int | float):
        yield found


def paper_has_pages(project: Path) -> None:
    """The PDF opens."""
    assert len(pypdf.PdfReader(project / "paper/report.pdf").pages) > 4


def assembly_opens(project: Path) -> None:
    """The export has BrainIO's dimensions."""
    with xr.open_dataarray(project / f"{RECORDING}.nc") as assembly:
        assert assembly.dims == ("presentation", "neuroid", "time_bin")
        assert assembly.size > 0


def recording_opens(project: Path) -> None:
    """The recording made by hand is the one that the pipeline made."""
    with (
        xr.open_dataset(project / "An220105.nc") as made,
        xr.open_dataset(project / f"data/recordings/corrected/{RECORDING}.nc") as known,
    ):
        assert made.rate.values.tolist() == known.rate.values.tolist()
        assert made.stimulus_id.values.tolist() == known.stimulus_id.values.tolist()


def crate_describes_the_lock(project: Path) -> None:
    """Every output of the lock file is an entity of the crate."""
    graph = json.loads((project / "ro-crate-metadata.json").read_text())["@graph"]
    names = {entity["@id"].rstrip("/") for entity in graph}
    stages = yaml.safe_load((project / "dvc.lock").read_text())["stages"].values()
    assert {out["path"] for stage in stages for out in stage["outs"]} <= names


def image_is_explained(project: Path) -> None:
    """Numbers and maps of the image are there."""
    assert json.loads((project / "explained/image.json").read_text())
    assert list((project / "explained").glob("*.png"))


def parameters_are_back(project: Path) -> None:
    """``params.yaml`` is that of the commit."""
    assert yaml.safe_load((project / "params.yaml").read_text())["compare"]["bootstrap"] == 50


def data_are_real(project: Path) -> None:
    """The receipt names the published files, and they lie where it says."""
    manifest = json.loads((project / "data/raw/manifest.json").read_text())
    assert manifest["source"] == "real"
    assert manifest["recordings"]
    assert all((project / "data/raw" / name).is_file() for name in manifest["files"])


def remote_has_files(project: Path) -> None:
    """The remote holds what was pushed."""
    assert any((project.parent / "remote").rglob("*.dir"))
