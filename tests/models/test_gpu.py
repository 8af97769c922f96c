"""What runs on a graphics card. The image's CUDA flavour runs these with ``docker run --gpus all IMAGE test``."""

import numpy as np
import pytest
import torch

from analysis import environment, paths
from analysis.models import activations, train

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device on this machine")


def layers(model) -> dict[str, np.ndarray]:
    folder = paths.ACTIVATIONS / model
    return {path.stem: np.load(path) for path in sorted(folder.glob("*.npy"))}


@pytest.mark.parametrize("model", ["hmo", "cnn", "resnet", "vit", "gabor"])
def test_a_card_gives_the_activations_of_the_processor(project, model, monkeypatch):
    values = project()
    train.run(values, model)
    activations.run(values, model)
    on_processor = layers(model)
    monkeypatch.setenv("NNN_DEVICE", "cuda")
    activations.run(values, model)
    on_card = layers(model)
    assert on_card.keys() == on_processor.keys()
    for name, expected in on_processor.items():
        # Convolutions on cards round their factors to 10 bits of mantissa (TF32), a part in 1,000 each.
        np.testing.assert_allclose(on_card[name], expected, rtol=0, atol=0.01 * np.abs(expected).max(), err_msg=name)


@pytest.mark.parametrize("model", ["hmo", "cnn", "resnet", "vit"])
def test_a_card_trains(project, model, monkeypatch):
    monkeypatch.setenv("NNN_DEVICE", "cuda")
    train.run(project(), model)
    assert (paths.MODELS / model / "model.safetensors").is_file()


def test_the_stamp_names_card_and_driver(monkeypatch):
    monkeypatch.setenv("NNN_DEVICE", "cuda")
    stamp = environment.stamp()
    assert stamp["device"] == torch.cuda.get_device_name()
    assert stamp["driver"]
    assert stamp["cuda"] == torch.version.cuda
