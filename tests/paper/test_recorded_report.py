"""The report on one recorded data set: whatever was published, its sentences are true and nothing is missing."""

import base64
import io
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pypdf
import pytest
import xarray as xr
from PIL import Image

from analysis.core.errors import DataError
from paper.recorded import report
from tests.paper import tables
from tests.paper.prose import text_of
from tests.paper.test_audit import write as write_audit

CATEGORIES = ["face"] * 6 + ["car"] * 5 + [""]
RHO = "\N{GREEK SMALL LETTER RHO}"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The folder of a data set with images and origin, made the working folder."""
    monkeypatch.chdir(tmp_path)
    Path("data/raw/images").mkdir(parents=True)
    Path("results").mkdir()
    rng = np.random.default_rng(3)
    for k in range(len(CATEGORIES)):
        Image.fromarray(rng.integers(0, 255, (20, 30, 3), np.uint8)).save(f"data/raw/images/{k}.png")
    names = [f"i{k}" for k in range(len(CATEGORIES))]
    files = [f"{k}.png" for k in range(len(CATEGORIES))]
    images = {"image_id": names, "file": files, "category": CATEGORIES, "object": "", "group": ""}
    pd.DataFrame(images).to_csv("data/raw/images.csv", index=False)
    origin = {"citation": "A. Nobody, 2001.", "url": "https://example.org/data", "licence": "CC0"}
    Path("data/raw/manifest.json").write_text(json.dumps(origin))
    return tmp_path


def write(table: dict) -> None:
    Path("results/recorded.json").write_text(json.dumps(table))


def responses(**values) -> None:
    """Write the results of a data set with responses; `values` replace keys of its table."""
    performance = {"V4": {"rho": 0.8, "low": 0.2, "high": 1.0, "p": 0.333, "models": ["hmo", "simple_cnn", "pixels"]}}
    reference = {"images": 12, "median_reliability": 0.76, "pixels_side": 16, "pixels_median_r": 0.271}
    compared = {"images": 8, "median_reliability": 0.7}
    write(tables.table() | {"performance": performance, "reference": reference, "compared": compared} | values)
    rows = [
        {"model": model, "layer": layer, "region": "V4"}
        for model, layers in tables.LAYERS.items()
        for layer in [*layers, "best"]
    ]
    pd.DataFrame(rows).to_csv("results/layers.csv", index=False)
    shared = [
        {"model": "hmo", "recording": "all", "region": "V4", "measure": measure, "value": value}
        | {"ci_low": value - 0.1, "ci_high": value + 0.1}
        for measure, value in (("rho", 0.4), ("rho_given_both", 0.05))
    ]
    pd.DataFrame(shared).to_csv("results/beyond_label.csv", index=False)
    category = [name or "none" for name in CATEGORIES]
    jpeg = io.BytesIO()
    Image.new("RGB", (30, 20)).save(jpeg, "JPEG")
    one = {"category": "car", "jpeg": base64.b64encode(jpeg.getvalue()).decode()}
    counts = {name: category.count(name) for name in sorted(set(category))}
    Path("results/audit").mkdir(exist_ok=True)
    Path("results/audit/summary.json").write_text("{}")
    Path("results/examples.json").write_text(json.dumps({"categories": counts, "images": [one]}))
    matrix = np.abs(np.subtract.outer(np.arange(12.0), np.arange(12.0)))
    Path("results/compare/hmo").mkdir(parents=True, exist_ok=True)
    xr.Dataset(
        {"model_rdm": (("image", "other"), matrix), "neural_rdm": (("image", "other"), matrix**0.5)},
        coords={"category": ("image", category)},
        attrs={"region": "V4", "layer": "top", "n_units": 50, "recording": "x"},
    ).to_netcdf("results/compare/hmo/rdms.nc", engine="h5netcdf")


def dissimilarities() -> None:
    """Write the results of a data set of which dissimilarities alone were published."""
    table = tables.table("kriegeskorte92", ("monkey IT", "human IT"), "rho")
    for model in table["models"].values():
        del model["accuracy"]
    for key in ("units", "presentations", "median_reliability", "regions"):
        del table[key]
    for system in ("monkey IT", "human IT"):
        scores = table["models"]["hmo"]["layers"]["top"][system]
        scores |= {"partial": 0.2, "partial_low": 0.1, "partial_high": 0.3}
    reference = {
        "labels": {"face": {"monkey IT": 0.241, "human IT": 0.185}},
        "image_pixels": {"monkey IT": 0.145, "human IT": 0.107},
        "systems": {"monkey IT, human IT": 0.439},
        "ceilings": {"human IT": {"subjects": 4, "lower": 0.372, "upper": 0.666}},
    }
    row = {"model": "hmo", "other": "pixels", "layer": "top", "system": "monkey IT", "difference": 0.3}
    row |= {"low": 0.1, "high": 0.5, "p": 0.01, "p_holm": 0.01}
    write(table | {"reference": reference, "given": ["face"], "trained_in": ".", "contrasts": [row]})
    layers = [{"model": "hmo", "layer": layer} for layer in table["models"]["hmo"]["layers"]]
    pd.DataFrame(layers).to_csv("results/geometry.csv", index=False)
    pairs = np.random.default_rng(0).random((2, 66))
    xr.Dataset(
        {"rdm": (("system", "pair"), pairs)},
        coords={"system": ["monkey IT", "human IT"], "image_id": ("image", [f"i{k}" for k in range(12)])},
    ).to_netcdf("data/raw/rdms.nc", engine="h5netcdf")


def make() -> str:
    report.run(None)
    return text_of("paper/report.pdf")


def test_a_data_set_with_responses(folder):
    responses()
    text = make()
    assert 2 <= len(pypdf.PdfReader("paper/report.pdf").pages) <= 4
    for said in (
        "Report on the data set v4 (Cowley et al. 2023)",
        "A. Nobody, 2001.",
        "Licence of the data: CC0.",
        "responses of 50 units (V4: 50) to 640 images, in 4 838 presentations",
        "Models are compared on 8 of the images, where the median reliability is 0.700",
        "car (5), face (6) and none (1)",
        "In V4, the highest median noise-corrected r is that of HMO, 0.530 (0.430 to 0.630)",
        "Performance goes with predictivity: in 1 of 2 paired contrasts",
        "Over the 3 trained models, accuracy and predictivity have a rank correlation of 0.800",
        "grey pixels predicts the units of all images with a median r of 0.271",
        f"In V4, the highest {RHO} is that of HMO, 0.400 (0.300 to",  # the page ends here
        "with the labels held constant it is 0.050",
        "so that nothing beyond the labels is detectable",
        "abababababababab",
        "cdcdcdcdcdcdcdcd",
    ):
        assert tables.says(text, said), said
    assert "91.0" in text  # accuracy of HMO


REPEATABLE = {"units": 35, "visually_selective": 12, "listed": 11, "both": 10, "reliability": 0.181}
REPEATABLE |= {"rsc": 0.075, "rsc_selective": 0.201, "rsc_across_trials": 0.049}
FREE = {"recordings": ["An220105", "An220106"], "presentations": 850, "fixations": 3426, "missing": []}


def test_recordings_of_free_viewing_are_repeatable_beside_what_was_published(folder):
    table = tables.table("mine", ("V1",))
    responses(**table | FREE | {"repeatability": {"V1": REPEATABLE}})
    write_audit(folder / "results/audit", learned=True)
    text = make()
    for said in (
        "Report on the data set mine (Xiao et al. 2024)",
        "in 3 426 fixations of 850 presentations in which the images were viewed freely (2 recordings)",
        "we reprocessed An220105 and An220106 (V1, 35 units, 640 images). By their criterion, 12 of its units",
        "The median self-consistency of the selective units over return fixations is 0.201, and 0.2",
        "falls from 0.075 to 0.049",
        "The median reliability of the mean responses to images is 0.181",
        "row number, as in the report [",
        "3.0 % of all presentations receive their own image",
        "In 3 recordings of AIT, small networks reach a median r2 of \N{MINUS SIGN}3.000",
        "The interval excludes zero for images (3.300) in r2, and for match to images (0.200)",
    ):
        assert tables.says(text, said), said
    assert "steady gaze" not in text
    assert "not available" not in text


def test_recordings_whose_images_are_missing_say_so(folder):
    missing = ["300 of 309 images that the recordings show or the archive holds", "the training of pixels"]
    empty = {"models": {}, "contrasts": [], "performance": {}, "regions": {}, "median_reliability": None}
    compared = {"images": 0, "median_reliability": None}
    responses(**FREE | empty | {"missing": missing, "compared": compared, "repeatability": {"V1": REPEATABLE}})
    text = make()
    assert tables.says(text, "Some data were not available: 300 of 309 images that the recordings show or the archive")
    assert tables.says(text, "No model could be compared with the available data.")
    assert tables.says(text, "the median over all units falls from 0.075 to 0.049")


def test_the_task_of_the_models_and_what_they_were_trained_on_are_said(folder):
    responses(task="face", classes=["non-face", "face"], chance=0.5, training=None)
    said = "The models were trained to discriminate faces from other images on part of the images, and are compared"
    text = make()
    assert tables.says(text, said)
    assert "chance" not in text
    responses(task="object", classes=["bear", "car", "dog", "face"], chance=0.25, training=None)
    text = make()
    for said in (
        "Report on the data set v4 (Cowley et al. 2023, task of 4 objects)",
        "trained to tell 4 objects apart (bear, car, dog and face; guessing is right in 25.0 % of images) on part of",
        "V4: accuracy on test images (chance 25.0 %), median",
    ):
        assert tables.says(text, said), said
    responses(task="face", classes=["non-face", "face"], chance=0.5, training={"folder": "other", "images": 60})
    assert tables.says(make(), "trained to discriminate faces from other images on 60 other images (other).")


def test_a_data_set_of_the_readers_own_has_no_address(folder):
    responses()
    Path("data/raw/manifest.json").write_text(json.dumps({"citation": "", "url": "", "licence": ""}))
    text = make()
    assert "Source:" not in text
    assert "Licence of the data" not in text


def test_a_data_set_of_dissimilarities_alone(folder):
    dissimilarities()
    text = make()
    for said in (
        "What was published are the dissimilarities between 640 images in monkey IT and human IT",
        f"In monkey IT, the highest correlation of RDMs ({RHO}) is that of HMO, 0.520 (0.420 to 0.620)",
        "With the labels face held constant",
        "1 of 1 model does better and none worse",
        "so that not all of it is owed to the labels",
        "labels: face 0.241 0.185",
        "noise ceiling over subjects, lower \N{EN DASH} 0.372",
    ):
        assert tables.says(text, said), said
    assert "accuracy" not in text
    assert "ridge" not in text


def test_a_data_set_without_contrasts_or_shared_measures(folder):
    responses(contrasts=[], performance={"V4": None})
    table = Path("results/beyond_label.csv")
    table.write_text(table.read_text().splitlines()[0] + "\n")
    text = make()
    assert "Paired contrasts:" not in text
    assert "rank correlation of" not in text.replace("by the rank correlation", "")


@pytest.mark.parametrize(
    "name", ["beyond_label.csv", "layers.csv", "compare/hmo/rdms.nc", "examples.json", "recorded.json"]
)
def test_a_file_that_is_missing_or_cut_short_is_named(folder, name):
    responses()
    path = Path("results", name)
    data = path.read_bytes()
    for spoilt in (data[:60], b"", None):
        path.write_bytes(spoilt) if spoilt is not None else path.unlink()
        with pytest.raises(DataError, match=rf"results/{name}.* run the stage"):
            make()


def test_figures_have_a_text_that_holds_their_numbers(folder):
    responses()
    figures = report.context(report.read(report.COMPUTED))["figures"]
    assert list(figures) == ["examples", "scores", "rdms"]
    assert "HMO 0.530" in figures["scores"]["alt"]
    assert figures["rdms"]["alt"].startswith(
        "Dissimilarity matrices of 12 images, ordered by category: HMO, layer top; V4"
    )
    assert all("recorded data" in one["svg"] or "<svg" in one["svg"] for one in figures.values())


def test_the_report_has_the_same_bytes_twice(folder):
    responses()
    make()
    first = Path("paper/report.pdf").read_bytes()
    make()
    assert Path("paper/report.pdf").read_bytes() == first


@pytest.mark.parametrize(
    ("written", "path"),
    [
        (responses, "results/recorded.json"),
        (responses, "results/examples.json"),
        (responses, "data/raw/manifest.json"),
        (dissimilarities, "data/raw/images.csv"),
    ],
)
def test_a_missing_file_is_named(folder, written, path):
    written()
    Path(path).unlink()
    with pytest.raises(DataError, match=path) as error:
        report.run(None)
    assert "\n" not in str(error.value)
    assert not Path("paper/report.pdf").exists()
