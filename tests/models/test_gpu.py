"""What runs on a graphics card. The image's CUDA flavour runs these with ``docker run --gpus all IMAGE test``."""

import numpy as np
import pytest
import torch

from analysis.core import cluster, environment, paths
from analysis.models.activations import stage as activations_stage
from analysis.models.network import Standardise, glorot_
from analysis.models.report_hmo.random_cnn import CandidateCNN
from analysis.models.train import stage as train
from analysis.models.train import training
from analysis.models.train.augment import augmenter
from analysis.params.kinds import Augment

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device on this machine")


def layers(model) -> dict[str, np.ndarray]:
    folder = paths.ACTIVATIONS / model
    return {path.stem: np.load(path) for path in sorted(folder.glob("*.npy"))}


@pytest.mark.parametrize("model", ["report_hmo", "cnn", "resnet", "vit", "gabor"])
def test_a_card_gives_the_activations_of_the_processor(project, model, monkeypatch):
    values = project()
    train.run(values, model)
    activations_stage.run(values, model)
    on_processor = layers(model)
    monkeypatch.setenv("NNN_DEVICE", "cuda")
    activations_stage.run(values, model)
    on_card = layers(model)
    assert on_card.keys() == on_processor.keys()
    for name, expected in on_processor.items():
        # Convolutions on cards round their factors to 10 bits of mantissa (TF32), a part in 1,000 each.
        np.testing.assert_allclose(on_card[name], expected, rtol=0, atol=0.01 * np.abs(expected).max(), err_msg=name)


@pytest.mark.parametrize("model", ["report_hmo", "cnn", "resnet", "vit", "hmo"])
def test_a_card_trains_to_the_same_bytes_each_time(project, model, monkeypatch):
    monkeypatch.setenv("NNN_DEVICE", "cuda")
    found = []
    for at_once in (1, cluster.TASKS_PER_GPU):
        monkeypatch.setattr(cluster, "TASKS_PER_GPU", at_once)
        train.run(project(), model)
        found.append((paths.MODELS / model / "model.safetensors").read_bytes())
    assert found[0] == found[1]


def splits(n=70):
    generator = torch.Generator().manual_seed(3)
    x = torch.randint(0, 256, (n, 3, 16, 16), dtype=torch.uint8, generator=generator)
    x[::2, :, 4:8] //= 2
    return [training.Split(x.cuda(), (torch.arange(n) % 2).cuda())] * 2


def candidate(seed=1):
    network = CandidateCNN({"layers": 2, "filters": 8, "kernel": 3, "pool": "max", "normalise": True}, Standardise())
    glorot_(network, torch.Generator().manual_seed(seed))
    return network.to("cuda", memory_format=torch.channels_last)


def plan(**changed):
    values = {"epochs": 4, "batch": 16, "learning_rate": 0.01, "weight_decay": 0.01, "patience": 3}
    return training.Plan(augment=augmenter(Augment(flip=True, shift=0.1, contrast=0.2)), **values | changed)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_replayed_steps_are_the_steps_as_written(precision, monkeypatch):
    replayed, written = candidate(), candidate()
    found = training.train_network(replayed, *splits(), plan(precision=precision), 5)
    monkeypatch.setattr(training, "Replayed", lambda step: step)
    expected = training.train_network(written, *splits(), plan(precision=precision), 5)
    assert found == expected
    assert found[-1]["train_loss"] < found[0]["train_loss"]
    for name, value in written.state_dict().items():
        assert torch.equal(replayed.state_dict()[name], value), name


def test_a_training_that_was_cut_on_a_card_ends_with_the_same_bytes(tmp_path):
    whole, cut, resumed = candidate(), candidate(), candidate(seed=9)
    history = training.train_network(whole, *splits(), plan(), 5)
    checkpoint = tmp_path / "training.safetensors"
    training.train_network(cut, *splits(), plan(epochs=2), 5, checkpoint)
    assert training.train_network(resumed, *splits(), plan(), 5, checkpoint) == history
    for name, value in whole.state_dict().items():
        assert torch.equal(resumed.state_dict()[name], value), name


def test_a_loss_that_is_no_number_is_seen_on_a_card():
    with pytest.raises(training.TrainingFailed, match="NaN or infinite in epoch"):
        training.train_network(candidate(), *splits(), plan(learning_rate=1e38), 5)


def test_the_stamp_names_card_and_driver(monkeypatch):
    monkeypatch.setenv("NNN_DEVICE", "cuda")
    stamp = environment.stamp()
    assert stamp["device"] == torch.cuda.get_device_name()
    assert stamp["driver"]
    assert stamp["cuda"] == torch.version.cuda
