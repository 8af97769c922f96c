import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from analysis.core import paths
from analysis.core.errors import DataError
from analysis.models import data, network, registry
from analysis.models.activations import extract
from analysis.models.activations import read as activations
from analysis.models.activations import stage as activations_stage
from analysis.models.network import unit_range
from analysis.models.train import stage as train
from analysis.models.train import training
from tests.project import ROOT


def digests(*folders):
    return {
        str(path): hashlib.sha256(path.read_bytes()).hexdigest()
        for folder in folders
        for path in sorted(Path(folder).rglob("*"))
        if path.is_file()
    }


@pytest.mark.parametrize("model", ["report_hmo", "untrained", "cnn", "resnet", "vit", "gabor", "pixels", "category"])
def test_two_runs_give_the_same_bytes_and_leave_no_work(project, model, tmp_path):
    values = project()
    folders = paths.MODELS / model, paths.ACTIVATIONS / model
    found = []
    for _ in range(2):
        train.run(values, model)
        activations_stage.run(values, model)
        found.append(digests(*folders))
    assert found[0] == found[1]
    names = {Path(name).name for name in found[0]}
    assert names >= {"model.safetensors", "config.json", "metrics.json", "predictions.csv", "history.csv", "index.csv"}
    assert not [name for name in names if name.endswith(".part")]
    left = list((tmp_path / "store" / "work").glob("*/*"))
    assert [path.name for path in left] == (["chosen.json"] if model in ("report_hmo", "untrained") else [])
    text = "".join((folders[0] / name).read_text() for name in ("config.json", "metrics.json", "history.csv"))
    assert str(Path.cwd()) not in text


def test_activations_are_those_of_the_trained_network(project):
    values = project()
    train.run(values, "cnn")
    activations_stage.run(values, "cnn")
    entry = values.models.entry("cnn")
    examples = data.load(entry.rules)
    config = network.read_config(paths.MODELS / "cnn")
    trained = registry.kind("simple_cnn").build(config["architecture"]).eval()
    network.load_weights(trained, paths.MODELS / "cnn" / network.WEIGHTS)
    x = unit_range(data.resized(examples.images, 16))
    with torch.no_grad():
        conv1 = torch.relu(trained.norms[0](trained.convolutions[0](x)))
        conv1 = torch.nn.functional.max_pool2d(conv1, 2)
    assert activations.layers("cnn") == ["conv1", "conv2", "top"]
    stems, found = activations.read("cnn", "conv1")
    assert stems == examples.table["stem"].tolist()
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, conv1.flatten(1).numpy(), atol=1e-5)
    described = json.loads((paths.ACTIVATIONS / "cnn" / "layers.json").read_text())
    assert described[0] == {"name": "conv1", "shape": [6, 8, 8], "features": 384, "reduction": "none"}


def test_scores_in_the_table_are_those_of_the_top_layer(project):
    values = project()
    train.run(values, "report_hmo")
    activations_stage.run(values, "report_hmo")
    config = network.read_config(paths.MODELS / "report_hmo")
    hmo = registry.kind("report_hmo").build(config["architecture"])
    network.load_weights(hmo, paths.MODELS / "report_hmo" / network.WEIGHTS)
    _, top = activations.read("report_hmo", "top")
    with torch.no_grad():
        score = torch.softmax(hmo.head(torch.tensor(np.array(top))), 1)[:, 1].numpy()
    table = pd.read_csv(paths.MODELS / "report_hmo" / "predictions.csv", keep_default_na=False)
    np.testing.assert_allclose(table["score"], score, atol=1e-5)
    described = json.loads((paths.ACTIVATIONS / "report_hmo" / "layers.json").read_text())
    assert [item["name"] for item in described] == ["N1", "N2", "N3", "top"]
    assert described[-1]["reduction"] == "none"


def test_pooling_and_projection():
    maps = torch.rand((3, 5, 7, 7), generator=torch.Generator().manual_seed(0))
    assert torch.equal(extract.pooled(maps, 0), maps.flatten(1))
    np.testing.assert_allclose(extract.pooled(maps, 1), maps.mean((2, 3)), atol=1e-6)
    assert extract.pooled(maps, 2).shape == (3, 20)
    assert torch.equal(extract.pooled(maps[:, :, :1, :1], 2), maps[:, :, 0, 0])  # never enlarged
    x = np.random.default_rng(0).normal(size=(40, 2000)).astype(np.float32)
    small = extract.projection(2000, 600, 1).transform(x)
    full = ((x[:, None] - x[None]) ** 2).sum(-1)
    reduced = ((small[:, None] - small[None]) ** 2).sum(-1)
    off = ~np.eye(40, dtype=bool)
    assert np.abs(reduced[off] / full[off] - 1).max() < 0.35  # distances kept (Johnson-Lindenstrauss)
    assert (extract.projection(2000, 600, 1).components_ != extract.projection(2000, 600, 2).components_).nnz > 0


def test_stale_or_missing_models_are_refused(project, tiny):
    values = project()
    with pytest.raises(DataError, match="run the stage train"):
        activations_stage.run(values, "cnn")
    train.run(values, "cnn")
    with pytest.raises(DataError, match="trained on other images or parameters"):
        activations_stage.run(project(cnn=tiny["cnn"] | {"dense": 9}), "cnn")
    weights = paths.MODELS / "cnn" / network.WEIGHTS
    whole = weights.read_bytes()
    weights.write_bytes(whole[:-10])
    with pytest.raises(DataError, match=r"model\.safetensors is damaged .* run the stage train for \w+ again"):
        activations_stage.run(project(), "cnn")
    network.write_tensors(weights, {"other": torch.zeros(2)})
    with pytest.raises(DataError, match="does not fit the network"):
        activations_stage.run(project(), "cnn")
    weights.write_bytes(whole)
    table = pd.read_csv("data/stimuli/images.csv")
    table["category"] = "x"
    table.to_csv("data/stimuli/images.csv", index=False)
    with pytest.raises(DataError, match="trained on other images"):
        activations_stage.run(project(), "cnn")


def test_reading_names_what_is_missing(project):
    with pytest.raises(DataError, match=r"layers\.json not found: run the stage activations for cnn"):
        activations.layers("cnn")
    with pytest.raises(DataError, match="run the stage activations for cnn"):
        activations.read("cnn", "top")


@pytest.mark.parametrize("bytes_", [0, 60, None])
def test_damaged_files_of_a_model_are_named(project, bytes_):
    values = project()
    train.run(values, "cnn")
    activations_stage.run(values, "cnn")
    for path, read in {
        paths.MODELS / "cnn" / "config.json": lambda: activations_stage.run(values, "cnn"),
        paths.MODELS / "cnn" / "metrics.json": lambda: activations_stage.run(values, "cnn"),
        paths.ACTIVATIONS / "cnn" / "layers.json": lambda: activations.layers("cnn"),
        paths.ACTIVATIONS / "cnn" / "layers.json ": lambda: activations.reductions("cnn"),
    }.items():
        path = path.with_name(path.name.strip())
        whole = path.read_bytes()
        path.write_bytes(whole[: len(whole) // 2 if bytes_ is None else bytes_])
        with pytest.raises(DataError, match=f"^{path} is damaged .*: run the stage") as caught:
            read()
        assert "\n" not in str(caught.value)
        path.write_bytes(whole)


def test_diverging_model_ends_in_one_line(project, tiny):
    values = project(cnn=tiny["cnn"] | {"learning_rate": 1e9, "epochs": 9, "patience": 0})
    with pytest.raises(
        DataError, match=r"model cnn: the loss is NaN or infinite in .*; lower learning_rate in models\.cnn$"
    ) as caught:
        train.run(values, "cnn")
    assert "\n" not in str(caught.value)


def kill_when(code, ready, seconds=100):
    """Run Python code in another process and kill it as soon as `ready()`; it must not have ended by itself."""
    process = subprocess.Popen([sys.executable, "-c", code], env=os.environ | {"PYTHONPATH": str(ROOT)})
    limit = time.monotonic() + seconds
    while not ready() and process.poll() is None and time.monotonic() < limit:
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL, "the stage ended before it was killed"


def test_killed_in_search_training_and_activations_it_ends_with_the_same_bytes(project, tiny, tmp_path, monkeypatch):
    """SIGKILL at three places; nothing finished is done again and no byte differs from an undisturbed run."""
    values = project(report_hmo=tiny["report_hmo"] | {"candidates": 9, "epochs": [1, 4], "final_epochs": 15})
    monkeypatch.setattr(extract, "BATCH", 4)
    folders = (paths.MODELS / "report_hmo", paths.ACTIVATIONS / "report_hmo")
    train.run(values, "report_hmo")
    activations_stage.run(values, "report_hmo")
    undisturbed = digests(*folders)
    for folder in folders:
        shutil.rmtree(folder)  # as dvc does before it runs a stage
    work = tmp_path / "store" / "work"
    stage = (
        "from analysis import params; from analysis.models.{0} import stage; {1}; "
        "stage.run(params.load(), 'report_hmo')"
    )
    smaller = "from analysis.models.activations import extract; extract.BATCH = 4"
    training, extracting = stage.format("train", "0"), stage.format("activations", smaller)

    def finished():
        return sorted(work.glob("train-*/rung0/candidate-*.safetensors"))

    kill_when(training, lambda: len(finished()) >= 3)
    kept = {path: path.stat().st_mtime_ns for path in finished()}
    assert 3 <= len(kept) < 9
    assert not (folders[0] / "config.json").exists()
    kill_when(training, lambda: list(work.glob("train-*/upper.safetensors")))
    assert {path: path.stat().st_mtime_ns for path in finished()}.items() >= kept.items()
    assert not (folders[0] / "config.json").exists()
    train.run(values, "report_hmo")
    kill_when(extracting, lambda: list(work.glob("activations-*/done.json")))
    assert not (folders[1] / "layers.json").exists()
    activations_stage.run(values, "report_hmo")
    assert digests(*folders) == undisturbed


@pytest.mark.parametrize("model", ["cnn", "resnet", "vit"])
def test_killed_in_training_end_to_end_it_ends_with_the_same_bytes(project, tiny, tmp_path, monkeypatch, model):
    """SIGKILL between two epochs of a network; the epochs that its checkpoint holds are not trained again."""
    values = project(**{model: tiny[model] | {"epochs": 40, "patience": 0}})
    train.run(values, model)
    undisturbed = digests(paths.MODELS / model)
    shutil.rmtree(paths.MODELS / model)
    work = tmp_path / "store" / "work"
    code = f"from analysis import params; from analysis.models.train import stage; stage.run(params.load(), '{model}')"
    kill_when(code, lambda: list(work.glob("train-*/training.safetensors")))
    assert not (paths.MODELS / model / "config.json").exists()
    [checkpoint] = work.glob("train-*/training.safetensors")
    finished = len(network.read_tensors(checkpoint)[1]["history"])
    assert 1 <= finished < 40
    real, epochs = training.batches, []
    monkeypatch.setattr(training, "batches", lambda *given: epochs.append(given) or real(*given))
    train.run(values, model)
    assert len(epochs) == 40 - finished
    assert digests(paths.MODELS / model) == undisturbed


def test_finished_batches_are_not_computed_again(project, monkeypatch):
    values = project()
    monkeypatch.setattr(extract, "BATCH", 16)
    train.run(values, "cnn")
    activations_stage.run(values, "cnn")
    undisturbed = digests(paths.ACTIVATIONS / "cnn")
    real, seen = extract.pooled, []

    def cut(maps, pool):
        if len(seen) == 10:
            raise KeyboardInterrupt
        seen.append(len(maps))
        return real(maps, pool)

    monkeypatch.setattr(extract, "pooled", cut)
    with pytest.raises(KeyboardInterrupt):
        activations_stage.run(values, "cnn")
    rows = []
    monkeypatch.setattr(extract, "pooled", lambda maps, pool: rows.append(len(maps)) or real(maps, pool))
    activations_stage.run(values, "cnn")
    assert sum(rows) == 3 + 3 * 48  # one image for the shapes, then the last three batches, each for three layers
    assert digests(paths.ACTIVATIONS / "cnn") == undisturbed


def test_work_on_other_weights_or_with_another_reduction_is_not_gone_on_with(project, tiny, monkeypatch):
    monkeypatch.setattr(extract, "BATCH", 16)
    entry = tiny["cnn"] | {"activations": {"pool": 2, "features": 1000, "patches": 0}}
    values = project(cnn=entry)
    train.run(values, "cnn")
    weights, real = paths.MODELS / "cnn" / network.WEIGHTS, extract.write_text

    def cut(path, text):
        real(path, text)
        raise KeyboardInterrupt

    def cut_run():
        with monkeypatch.context() as patched:
            patched.setattr(extract, "write_text", cut)
            with pytest.raises(KeyboardInterrupt):
                activations_stage.run(values, "cnn")

    def rows():
        return {layer: np.array(activations.read("cnn", layer)[1]) for layer in activations.layers("cnn")}

    cut_run()
    tensors, _ = network.read_tensors(weights)
    network.write_tensors(weights, {name: 2 * value for name, value in tensors.items()})
    activations_stage.run(values, "cnn")
    other = rows()
    activations_stage.run(values, "cnn")
    assert all(np.array_equal(value, other[name]) for name, value in rows().items())
    cut_run()
    whole = project(cnn=entry | {"activations": entry["activations"] | {"pool": 0}})
    train.run(whole, "cnn")
    network.write_tensors(weights, {name: 2 * value for name, value in tensors.items()})
    activations_stage.run(whole, "cnn")
    assert rows()["conv1"].shape == (80, 6 * 8 * 8)


@pytest.mark.parametrize("model", ["hmo", "report_hmo", "cnn", "gabor"])
def test_no_label_of_a_test_image_changes_a_model(project, model):
    train.run(project(), model)
    before = network.read_tensors(paths.MODELS / model / network.WEIGHTS)[0]
    table = pd.read_csv("data/stimuli/images.csv")
    swapped = table["label"].replace({"face": "non-face", "non-face": "face"})
    table["label"] = table["label"].where(table["split"] != "test", swapped)
    table.to_csv("data/stimuli/images.csv", index=False)
    train.run(project(), model)
    after = network.read_tensors(paths.MODELS / model / network.WEIGHTS)[0]
    assert all(torch.equal(value, after[name]) for name, value in before.items())


PLAIN = {"flip": False, "shift": 0.0, "contrast": 0.0}
TRAINING = {"learning_rate": 0.02, "batch": 12, "precision": "bfloat16", "augment": PLAIN}
FILTERS = {"epochs": 2, "batch": 16, "learning_rate": 0.01}


@pytest.mark.parametrize(
    ("model", "base", "changes"),
    [
        ("cnn", {"epochs": 12}, TRAINING | {"inputs": "standardised", "weight_decay": 0.5, "epochs": 2, "patience": 0}),
        ("report_hmo", {}, TRAINING | {"inputs": "unit", "copies": 1, "final_epochs": 1, "epochs": [1, 3]}),
        ("hmo", {"filters": "trained"}, {"training": FILTERS | {"epochs": 3}, "Cs": [0.01], "grid": 3}),
        ("hmo", {"filters": "trained"}, {"training": FILTERS | {"batch": 12}}),
        ("hmo", {"filters": "trained"}, {"training": FILTERS | {"learning_rate": 0.02}}),
    ],
)
def test_every_value_of_an_entry_reaches_the_training(project, tiny, model, base, changes):
    def tensors(**changed):
        train.run(project(**{model: tiny[model] | base | changed}), model)
        found, _ = network.read_tensors(paths.MODELS / model / network.WEIGHTS)
        return torch.cat([value.flatten().float() for _, value in sorted(found.items())])

    whole = tensors()
    for key, value in changes.items():
        assert not torch.equal(tensors(**{key: value}), whole), key


def test_a_class_that_is_missing_with_its_images_leaves_a_model_untrained(project):
    table = pd.read_csv("data/stimuli/images.csv")
    table["label"] = table["label"].replace("non-face", "unlabelled")
    table.to_csv("data/stimuli/images.csv", index=False)
    missing = Path("data/stimuli/missing.csv")
    missing.write_text("path,reason,recordings\n")
    with pytest.raises(DataError, match="no image labelled non-face"):
        train.run(project(), "pixels")
    missing.write_text("path,reason,recordings\nStimuli/x.png,not in the archive,2\n")
    train.run(project(), "pixels")
    metrics = json.loads((paths.MODELS / "pixels" / "metrics.json").read_text())
    assert "no image labelled non-face" in metrics["untrained"]
    assert metrics["splits"] == {}
    assert activations.untrained("pixels")
    activations_stage.run(project(), "pixels")
    assert activations.layers("pixels") == []
