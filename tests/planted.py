"""A project with small planted data, in the formats of the steps before `compare`."""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr
import yaml

from analysis import params
from analysis.neural import stage as neural_stage
from tests.project import ROOT

IMAGES, UNITS, PRESENTATIONS, FIXATIONS = 60, 8, 6, 3
RECORDINGS = {"Aa000001": ("Aa", ["V1"] * UNITS), "Bb000002": ("Bb", ["CIT"] * 4 + ["AIT"] * 4)} | {
    "Aa000003": ("Aa", ["AIT"] * UNITS)
}
MODELS = {"good": "corrected", "bad": "corrected", "reported": "report"}


@dataclass
class Planted:
    """The planted truth: noise-free mean responses of each recording, and the features behind them."""

    stems: list[str]
    features: np.ndarray
    means: dict[str, np.ndarray]


def _images(folder: Path, stems: list[str]) -> None:
    n = len(stems)
    face = np.arange(n) % 2 == 0
    split = np.resize(["train", "train", "train", "validation", "test"], n)
    table = pd.DataFrame(
        {
            "stem": stems,
            "path": [f"Stimuli/{stem}.png" for stem in stems],
            "extension": "png",
            "width": 10,
            "height": 10,
            "category": np.where(face, "face", "none"),
            "label": np.where(face, "face", "non-face"),
            "annotated": True,
            "group": np.arange(n) // 2 * (np.arange(n) < 6) + np.arange(n) * (np.arange(n) >= 6),
            "split": split,
            "label_report": np.where(face, "face", "non-face"),
            "split_report": np.resize(["train", "test"], n),
        }
    )
    folder.mkdir(parents=True)
    table.to_csv(folder / "images.csv", index=False)
    (folder / "missing.csv").write_text("path,reason,recordings\n")
    np.save(folder / "images.npy", np.zeros((n, 3, 4, 4), np.uint8))


def write_recording(folder: Path, name: str, subject: str, regions: list[str], stems, mean: np.ndarray, rng) -> None:
    """Write a recording whose rates are Poisson around `mean` with noise shared within a presentation."""
    image = np.repeat(np.tile(np.arange(len(stems)), PRESENTATIONS), FIXATIONS)
    trial = np.repeat(np.arange(len(stems) * PRESENTATIONS), FIXATIONS)
    shared = rng.normal(0, 1.0, (trial.max() + 1, mean.shape[1]))[trial]
    rate = mean[image] + shared + rng.normal(0, 2.0, (len(image), mean.shape[1]))
    selected = np.arange(len(image)) % 7 != 3
    rate[~selected] += 500  # shows at once if the selection is ignored
    units = [f"{k + 1}a" for k in range(len(regions))]
    data = xr.Dataset(
        {"rate": (("fixation", "unit"), rate.astype(np.float32))},
        coords={
            "trial": ("fixation", trial.astype(np.int32)),
            "ordinal": ("fixation", np.tile(np.arange(FIXATIONS), len(image) // FIXATIONS)),
            "stimulus_id": ("fixation", np.array(stems)[image]),
            "selected": ("fixation", selected),
            "unit": ("unit", units),
            "neuroid_id": ("unit", [f"{name}-{unit}" for unit in units]),
            "region": ("unit", regions),
            "stable": ("unit", np.ones(len(units), bool)),
            "rsc_across_trials": ("unit", mean.var(axis=0) / (mean.var(axis=0) + 1.0 + 4.0)),
        },
        attrs={
            "recording": name,
            "subject": subject,
            "session": name,
            "fixations_in_file": np.int64(len(image)),
            "fixations_selected": np.int64(selected.sum()),
        },
    )
    (folder / "corrected").mkdir(parents=True, exist_ok=True)
    data.to_netcdf(folder / "corrected" / f"{name}.nc", engine="h5netcdf")
    order = rng.permutation(len(stems))  # another order than in images.csv: rows must be joined by stem
    data["image_count"] = (("image", "unit"), rng.poisson(30, (len(stems), len(units))))
    data = data.assign_coords(image=("image", np.array(stems)[order]), region=("unit", [regions[0]] * len(units)))
    (folder / "report").mkdir(parents=True, exist_ok=True)
    data.to_netcdf(folder / "report" / f"{name}.nc", engine="h5netcdf")


def _patches(folder: Path, recordings: Path, stems: list[str], features: np.ndarray, rng) -> None:
    """Write features of the fixated patch for half the fixations of two recordings; here, of the whole image."""
    folder.mkdir()
    for name in ("Aa000001", "Aa000003"):
        with xr.open_dataset(recordings / f"{name}.nc", engine="h5netcdf") as recording:
            shown = recording["stimulus_id"].values.astype(str)
        rows = np.sort(rng.permutation(len(shown))[: len(shown) // 2])
        image = np.array([stems.index(stem) for stem in shown[rows]])
        seen = features[image] @ rng.normal(size=(4, 12)) + 0.1 * rng.normal(size=(len(rows), 12))
        xr.Dataset(
            {"features": (("fixation", "feature"), seen.astype(np.float32))},
            coords={"row": ("fixation", rows), "stimulus_id": ("fixation", shown[rows])},
            attrs={"layer": "top", "field_x_dva": 0.0, "field_y_dva": 0.0},
        ).to_netcdf(folder / f"{name}.nc", engine="h5netcdf")


@pytest.fixture(scope="session")
def planted(tmp_path_factory) -> tuple[Path, Planted]:
    """A folder of data: the model ``good`` has the features of the units, ``bad`` has none of them."""
    rng = np.random.default_rng(3)
    root = tmp_path_factory.mktemp("planted")
    stems = [f"{k:032x}" for k in rng.permutation(IMAGES)]
    features = rng.normal(size=(IMAGES, 4))
    _images(root / "data/stimuli", stems)
    means = {}
    for name, (subject, regions) in RECORDINGS.items():
        means[name] = 20 + features @ rng.normal(0, 1.0, (4, len(regions)))
        write_recording(root / "data/recordings", name, subject, regions, stems, means[name], rng)
        truth = xr.Dataset(
            {"image_mean": (("image", "unit"), means[name])},
            coords={"image": stems, "unit": [f"{k + 1}a" for k in range(len(regions))], "region": ("unit", regions)},
        ).assign_coords(second_half=("unit", [0.4] + [1.0] * (len(regions) - 1)))
        (root / "data/raw/truth").mkdir(parents=True, exist_ok=True)
        truth.to_netcdf(root / "data/raw/truth" / f"{name}.nc", engine="h5netcdf")
    (root / "data/raw/manifest.json").write_text("{}")
    for model in MODELS:
        folder = root / "data/activations" / model
        folder.mkdir(parents=True)
        order = rng.permutation(IMAGES)
        mixed = features @ rng.normal(size=(4, 24)) if model == "good" else rng.normal(size=(IMAGES, 24))
        first, top = rng.normal(size=(IMAGES, 40)), mixed + 0.1 * rng.normal(size=(IMAGES, 24))
        np.save(folder / "first.npy", first[order].astype(np.float32))
        np.save(folder / "top.npy", top[order].astype(np.float32))
        pd.DataFrame({"stem": np.array(stems)[order]}).to_csv(folder / "index.csv", index=False)
        (folder / "layers.json").write_text(
            json.dumps([{"name": "first", "reduction": "2x2 average pool"}, {"name": "top", "reduction": "none"}])
        )
        if model == "good":
            _patches(folder / "patches", root / "data/recordings/corrected", stems, features, rng)
        share = {"n": 12, "accuracy": 0.9, "accuracy_low": 0.8, "accuracy_high": 0.95, "balanced_accuracy": 0.88}
        (root / "models" / model).mkdir(parents=True)
        metrics = {"protocol": MODELS[model], "splits": {"train": share, "test": share}}
        (root / "models" / model / "metrics.json").write_text(json.dumps(metrics))
        called = np.where(np.arange(IMAGES) % 4 < 3, np.arange(IMAGES) % 2 == 0, np.arange(IMAGES) % 2 == 1)
        predictions = pd.DataFrame({"stem": stems, "split": np.resize(["train", "test"], IMAGES)})
        predictions["label"] = np.where(np.arange(IMAGES) % 2 == 0, "face", "non-face")
        predictions["predicted"] = np.where(called, "face", "non-face")
        predictions.to_csv(root / "models" / model / "predictions.csv", index=False)
    return root, Planted(stems, features, means)


def write_parameters(path: Path):
    """Write parameters that match the planted data; return them as read."""
    values = yaml.safe_load((ROOT / "params.yaml").read_text())
    pixels = next(v for k, v in values["models"].items() if k != "run" and v["kind"] == "pixels")
    values["models"] = {"run": list(MODELS)} | {m: pixels | {"protocol": p} for m, p in MODELS.items()}
    values["recorded"]["models"] = [m for m, p in MODELS.items() if p == "corrected"]
    values["compare"] |= {
        "fixed_components": 4,
        "yamins_components": 9,
        "folds": 4,
        "repeats": 1,
        "readout_draws": 2,
        "split_halves": 10,
        "bootstrap": 60,
        "permutations": 99,
    }
    path.write_text(yaml.safe_dump(values))
    return params.load(path)


@pytest.fixture(scope="session")
def measured(planted, tmp_path_factory):
    """The planted folder once the stage ``neural`` has run on it."""
    root, truth = planted
    values = write_parameters(tmp_path_factory.mktemp("values") / "params.yaml")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        for protocol in ("corrected", "report"):
            neural_stage.run(values, protocol)
    return root, truth


@pytest.fixture
def project(measured, tmp_path, monkeypatch):
    """The planted project as working folder (links to its data), with parameters to match."""
    root, truth = measured
    (tmp_path / "data").mkdir()
    for name in ("models", *(f"data/{folder.name}" for folder in (root / "data").iterdir())):
        (tmp_path / name).symlink_to(root / name)
    # Copies, as some tests change them.
    for name in ("data/stimuli", "data/neural"):
        (tmp_path / name).unlink()
        shutil.copytree(root / name, tmp_path / name)
    monkeypatch.chdir(tmp_path)
    return write_parameters(Path("params.yaml")), truth
