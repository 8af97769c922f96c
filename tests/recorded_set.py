"""A small made-up data set with steady gaze: images of two kinds, and units that follow simple features of them."""

import dataclasses
import io
from functools import cache
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from PIL import Image

from analysis import params, run
from analysis.acquire.real import blobs
from analysis.acquire.recorded import layout, training, v4
from tests.project import ROOT

N_IMAGES, N_UNITS, SIDE = 40, 5, 48
ORIGIN = layout.Origin("made-up set", "https://example.org", "none", "nobody", {"responses.bin": "0" * 40})


def images(n: int = N_IMAGES) -> pd.DataFrame:
    """Return the table of images: every second one a face, groups of two."""
    names = [f"image{k:04d}" for k in range(n)]
    kind = ["face" if k % 2 else "car" for k in range(n)]
    groups = [k // 4 * 2 + k % 2 for k in range(n)]
    files = [f"{name}.png" for name in names]
    return pd.DataFrame({"image_id": names, "file": files, "category": kind, "object": kind, "group": groups})


@cache
def pixels(n: int = N_IMAGES) -> np.ndarray:
    """Return the images (n, SIDE, SIDE, 3): noise of varied brightness; faces have a bright disc, cars a dark bar."""
    rng = np.random.default_rng(5)
    y, x = np.mgrid[:SIDE, :SIDE] - SIDE / 2
    out = rng.integers(40, 216, (n, 1, 1, 1)) + rng.normal(0, 12, (n, SIDE, SIDE, 3))
    for k in range(n):
        dx, dy = rng.uniform(-8, 8, 2)
        inside = np.hypot(x - dx, y - dy) < 11 if k % 2 else (abs(x - dx) < 14) & (abs(y - dy) < 5)
        out[k][inside] += 70 if k % 2 else -70
    return out.clip(0, 255).astype(np.uint8)


def picture(name: str, n: int = N_IMAGES) -> bytes:
    """Return the file of an image by its name. Raises `KeyError` if there is none."""
    return files(n)[name]


@cache
def files(n: int = N_IMAGES) -> dict[str, bytes]:
    """Return all image files by name."""
    out = {}
    for name, image in zip(images(n)["file"], pixels(n), strict=True):
        file = io.BytesIO()
        Image.fromarray(image).save(file, "PNG")
        out[name] = file.getvalue()
    return out


def responses(n: int = N_IMAGES, n_units: int = N_UNITS, repeats: int = 4) -> layout.Responses:
    """Return Poisson responses to `repeats` showings of each image; units weigh brightness and category."""
    rng = np.random.default_rng(6)
    brightness = pixels(n).mean(axis=(1, 2, 3)) / 255
    face = np.arange(n) % 2
    weights = rng.uniform(0.2, 1, (2, n_units))
    mean = 30 * (brightness[:, None] * weights[0] + face[:, None] * weights[1])  # spikes/s, (n, n_units)
    shown = np.tile(np.arange(n), repeats)
    rates = rng.poisson(mean[shown] * 0.1) / 0.1
    units = np.array([f"unit{k}" for k in range(n_units)])
    return layout.Responses(
        rates.astype(np.float32),
        np.array(images(n)["image_id"])[shown].astype(str),
        np.repeat(np.arange(repeats), n),
        units,
        np.full(n_units, "Mo"),
        np.full(n_units, "V4"),
        np.full(n_units, "Mo200101"),
        100.0,
    )


def write(raw: Path, data: layout.Responses | None = None, table: pd.DataFrame | None = None) -> None:
    """Write the data set, or other responses to its images or another table of them, to `raw`, its folder data/raw."""
    layout.write(raw, images() if table is None else table, data or responses(), picture, "assembly", ORIGIN)


@pytest.fixture
def real_v4(reference) -> Path:
    """Put the real session 210325 into the store; return the folder of its files."""
    folder = reference / "v4"
    if not folder.is_dir():
        pytest.skip("the files of V4 (Cowley et al. 2023) are not at hand (shared/reference/v4 beside the project)")
    for name, pin in v4.files_of("210325").items():
        file = {"images": "images_210325.zip", "responses": "responses_raw_210325.npy"}[name]
        blobs.put((folder / file).read_bytes(), pin.digest)
    return folder


NAME = "made_up"
MODELS = ["hmo_report", "pixels", "category"]


def write_parameters(folder: Path, models: list[str], **changes) -> None:
    """Write params.yaml: the tiny values of the tests, with the made-up data set and the models compared with it.

    `changes` are of the entry of the data set.
    """
    values = yaml.safe_load((ROOT / "tests" / "fixture" / "params.yaml").read_text(encoding="utf-8"))
    entry = {"source": "assembly", "path": "nowhere", "stimuli": None, "images": "untrained"}
    entry |= {"response": "rate", "region": None, "window_ms": None} | changes
    values["recorded"] |= {"run": [NAME], "models": models, "datasets": {NAME: entry}}
    values["stimuli"] |= {"validation": 0.2, "test": 0.4}
    (folder / "params.yaml").write_text(yaml.safe_dump(values), encoding="utf-8")


def analyse(
    folder: Path, data: layout.Responses, models: list[str], table: pd.DataFrame | None = None, **changes
) -> Path:
    """Run every stage but ``acquire`` on responses to the made-up images; return the data set's folder.

    The data set is written to data/raw by `layout.write`, as a source does; `folder` is that of the project. `table` is
    another than `images`, `changes` are of the entry of the data set.
    """
    root = folder / "recorded" / NAME
    write_parameters(folder, models, **changes)
    write(root / "data" / "raw", data, table)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        entry = params.load().recorded.datasets.entry(NAME)
        if entry.training is not None:
            training.add(root / "data" / "raw", Path(entry.training), training.read(entry))
        patch.setenv("NNN_STORE", str(folder / "store"))
        patch.setenv("NNN_WORKERS", "1")
        run.run_stage("stimuli", dataset=NAME)
        for name in ("recordings", "neural"):
            run.run_stage(name, "corrected", dataset=NAME)
        for name, model in product(("train", "activations", "compare"), models):
            run.run_stage(name, model, dataset=NAME)
        run.run_stage("summary", dataset=NAME)
    return root


@pytest.fixture(scope="session")
def analysed(tmp_path_factory) -> Path:
    """Folder of a made-up data set with all its results: 5 units of V4 and 3 of IT, and `MODELS`."""
    given = responses(n_units=8)
    regions = np.array(["V4"] * 5 + ["IT"] * 3)
    return analyse(tmp_path_factory.mktemp("recorded"), dataclasses.replace(given, regions=regions), MODELS)
