"""The stage geometry: a planted geometry is found, labels are held constant, and what lacks is said."""

import io
import json

import numpy as np
import pandas as pd
import pytest
import yaml
from PIL import Image

from analysis import params
from analysis.acquire.recorded import layout
from analysis.core import paths
from analysis.core.errors import DataError
from analysis.geometry import networks, scores, stage
from analysis.models.data import Examples
from analysis.models.network import save
from analysis.models.registry import kind
from analysis.statistics import RDM, compare_rdms, rdm
from tests.project import ROOT

N, SIDE = 24, 16
IMAGES = tuple(f"image{k:02}" for k in range(N))
KIND = np.resize(["face", "body part", "object"], N)
MODELS = ["pixels", "gabor", "category", "vit"]
GABOR = ("size", "wavelengths", "orientations", "stride", "pool", "sigma", "grid")


def pictures() -> np.ndarray:
    rng = np.random.default_rng(3)
    smooth = rng.normal(size=(N, 4, 4, 3)).repeat(SIDE // 4, axis=1).repeat(SIDE // 4, axis=2)
    return (128 + 40 * smooth).clip(0, 255).astype(np.uint8)


def grey_rdm(images: np.ndarray) -> RDM:
    """By definition: 1 - correlation of grey pixels."""
    grey = images.astype(float) @ [0.299, 0.587, 0.114]
    return rdm(grey.reshape(len(images), -1), "correlation", IMAGES)


@pytest.fixture
def settings(tmp_path):
    values = yaml.safe_load((ROOT / "params.yaml").read_text())
    values["models"]["pixels"]["size"] = values["models"]["gabor"]["size"] = values["stimuli"]["size"] = SIDE
    values["models"]["gabor"]["wavelengths"] = [3]
    values["recorded"] |= {"models": MODELS, "geometry": ["kriegeskorte92"]}
    values["compare"] |= {"bootstrap": 100, "permutations": 199}
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(values))
    return params.of_data_set(params.load(tmp_path / "params.yaml"), "kriegeskorte92")


@pytest.fixture
def project(tmp_path, monkeypatch, settings):
    """A data set whose monkey follows the grey pixels, and whose subjects follow the monkey, in its folder."""
    monkeypatch.setattr(stage, "ROOT", tmp_path)
    monkeypatch.chdir(tmp_path)
    images, rng = pictures(), np.random.default_rng(4)
    monkey = grey_rdm(images).distances
    noisy = [monkey + rng.uniform(0, 0.8, len(monkey)) for _ in range(3)]
    systems = {"monkey IT": monkey, "human IT": np.mean(noisy, axis=0)}
    systems |= {f"human IT{layout.SUBJECT}{name}": one for name, one in zip("ABC", noisy, strict=True)}
    table = pd.DataFrame(
        {"image_id": IMAGES, "file": [f"{name}.png" for name in IMAGES], "category": KIND, "object": "", "group": ""}
    )
    data = layout.Dissimilarities(np.stack(list(systems.values())), np.array(list(systems)), np.array(IMAGES))
    files = {}
    for name, image in zip(IMAGES, images, strict=True):
        files[f"{name}.png"] = io.BytesIO()
        Image.fromarray(image).save(files[f"{name}.png"], "PNG")
    folder = tmp_path / "recorded" / "kriegeskorte92"
    origin = layout.Origin("x", "https://example.org", "x", "x", {})
    layout.write(folder / paths.RAW, table, data, lambda name: files[name].getvalue(), "kriegeskorte92", origin)
    for name in ("pixels", "gabor"):
        entry = settings.models.entry(name)
        keys = {"size", "colour"} if name == "pixels" else {*GABOR}
        architecture = entry.model_dump(include=keys)
        network = kind(name).build(architecture)
        values = entry.model_dump()
        if name == "gabor":
            values["activations"]["patches"] = 120  # of the experiment with free viewing; they change no weights
        config = {"kind": name, "values": values, "architecture": architecture, "images": {}}
        save(tmp_path / paths.MODELS / name, network, config)
    return folder


def results(folder) -> tuple[pd.DataFrame, dict]:
    table = pd.read_csv(folder / "results" / "geometry.csv").set_index(["model", "layer", "system"])
    return table, json.loads((folder / "results" / "recorded.json").read_text())


def ran(settings, folder) -> tuple[pd.DataFrame, dict]:
    with paths.inside("kriegeskorte92"):
        stage.run(settings, "kriegeskorte92")
    return results(folder)


def test_the_planted_geometry_is_found(settings, project):
    table, about = ran(settings, project)
    assert set(table.index.get_level_values("model")) == {"pixels", "gabor"}
    found = table.loc["pixels", "pixels", "monkey IT"]
    assert found["rho"] == pytest.approx(1, abs=2e-3)  # the monkey's is that of these pixels, but for rounding
    assert found["partial"] > 0.99
    assert found["p"] == found["p_partial"] == pytest.approx(1 / 200)
    other = table.loc["gabor", "energy", "monkey IT"]
    assert other["rho_low"] < other["rho"] < other["rho_high"] < found["rho_low"]
    assert about["models"]["gabor"]["layer"] == "normalised"
    shown = about["models"]["gabor"]["layers"]["energy"]["monkey IT"]
    assert shown["rho"] == pytest.approx(other["rho"])
    [one] = [row for row in about["contrasts"] if row["system"] == "monkey IT"]
    assert (one["model"], one["other"]) == ("gabor", "pixels")
    assert one["difference"] == pytest.approx(table.loc["gabor", "normalised", "monkey IT"]["rho"] - found["rho"])
    assert one["high"] < 0


def test_what_bounds_the_scores_is_that_of_the_subjects(settings, project):
    _, about = ran(settings, project)
    with paths.inside("kriegeskorte92"):
        data = layout.read_dissimilarities(paths.RAW)
    by_name = {name: RDM(row, "x", IMAGES) for name, row in zip(data.systems, data.distances, strict=True)}
    subjects = [by_name[f"human IT{layout.SUBJECT}{name}"] for name in "ABC"]
    held = about["reference"]
    mean = np.mean([compare_rdms(by_name["monkey IT"], one, "rho-a") for one in subjects])
    assert held["with_subjects"] == {"monkey IT, human IT": pytest.approx(mean)}
    assert held["ceilings"]["human IT"]["subjects"] == 3
    assert held["ceilings"]["human IT"]["lower"] < held["ceilings"]["human IT"]["upper"] < 1
    assert held["systems"]["monkey IT, human IT"] > mean
    face = np.array([kind == "face" for kind in KIND])
    apart = RDM(np.array([float(face[i] != face[j]) for i in range(N) for j in range(i + 1, N)]), "label", IMAGES)
    assert held["labels"]["face"]["monkey IT"] == pytest.approx(compare_rdms(by_name["monkey IT"], apart, "rho-a"))


def test_what_is_absent_is_said(settings, project):
    _, about = ran(settings, project)
    assert set(about["absent"]) == {"responses", "training", "category", "vit"}
    assert not {"units", "presentations", "median_reliability"} & set(about)


def test_models_of_other_values_and_data_sets_with_responses_are_refused(settings, project, monkeypatch):
    changed = settings.models.model_copy()
    changed.__pydantic_extra__ |= {"pixels": settings.models.entry("pixels").model_copy(update={"C": 2.0})}
    with pytest.raises(DataError, match="pixels was trained with other parameters"):
        ran(settings.model_copy(update={"models": changed}), project)
    monkeypatch.setattr(layout, "read_dissimilarities", lambda raw: None)
    with pytest.raises(DataError, match=r"list it under recorded\.run"):
        ran(settings, project)


def test_without_any_trained_model_the_stage_says_what_to_do(settings, project, tmp_path):
    for name in ("pixels", "gabor"):
        (tmp_path / "models" / name / "model.safetensors").unlink()
    with pytest.raises(DataError, match="none of pixels, gabor, vit is trained there"):
        ran(settings, project)


def test_labels_alone_leave_nothing_beyond_them():
    """A model and a system that share the labels and nothing else correlate; with the labels held constant, not."""
    rng, n = np.random.default_rng(0), 60
    face = np.resize([True, False, False], n)
    labels = {"face": face, "animal": face | np.resize([False, True, False], n)}
    shared = np.stack(list(labels.values()), axis=1).astype(float) @ rng.normal(size=(2, 30)) * 2
    names = tuple(f"i{k:02}" for k in range(n))
    model, system = (rdm(shared + rng.normal(size=(n, 30)), "correlation", names) for _ in range(2))
    limits = params.load(ROOT / "params.yaml").compare.model_copy(update={"bootstrap": 100, "permutations": 199})
    models = {("m", "top"): model}
    drawn = scores.draws(models, "monkey IT", system, limits, 1)
    row = scores.rows(models, drawn, "monkey IT", system, labels, limits, 1).iloc[0]
    assert row["rho_low"] > 0.2
    assert row["p"] == pytest.approx(1 / 200)
    assert row["partial_low"] < 0 < row["partial_high"]
    assert row["p_partial"] > 0.05


def test_images_are_taken_whatever_their_labels():
    """The inputs of networks need no split and no label."""
    from analysis.models.data import image_inputs

    examples = Examples(pictures().transpose(0, 3, 1, 2), pd.DataFrame(), np.zeros(N), np.full(N, ""), "", {})
    assert image_inputs(examples, {"size": 8}).shape == (N, 3, 8, 8)
    assert networks.labels(pd.DataFrame({"category": KIND}))["animal"].sum() == 16
