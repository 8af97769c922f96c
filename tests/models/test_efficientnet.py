"""EfficientNet-Lite0 with its ImageNet weights."""

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from analysis.core.errors import DataError
from analysis.models.activations import read as activations
from analysis.models.activations import stage as activations_stage
from analysis.models.network import read_tensors
from analysis.models.pretrained import efficientnet
from analysis.models.pretrained.weights import load_file
from analysis.models.train import stage as train
from analysis.stimuli.read import read_images

LAYERS = ["stem", *(f"block{number}" for number in range(16)), "head"]


def entry(size: int) -> dict:
    return {
        "kind": "efficientnet", "protocol": "corrected", "size": size, "C": 0.01,
        "activations": {"pool": 2, "features": 100, "patches": 0},
    }  # fmt: skip


@pytest.fixture
def published() -> torch.nn.Module:
    """The package's own network with the published weights."""
    inner = efficientnet.architecture_alone(224).eval()
    load_file(inner, efficientnet.WEIGHTS, efficientnet.SHA256)
    return inner


@torch.no_grad()
def test_layers_are_those_of_the_package_and_see_what_is_there(project, photographs, published):
    x = torch.from_numpy(np.array(read_images()))
    standardised = (x.float() - 127) / 128
    whole, logits = published.extract_features(standardised), published._fc
    first = published._blocks[0](published._swish(published._bn0(published._conv_stem(standardised))))
    maps = efficientnet.EfficientNetLite0(published).eval().maps(x)
    assert list(maps) == LAYERS
    torch.testing.assert_close(maps["block0"], first, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(maps["head"], whole.mean((2, 3)), atol=1e-4, rtol=1e-4)
    named = logits(maps["head"]).argmax(1).tolist()
    assert named[:5] == [985] * 5  # ImageNet's daisy
    assert set(named[5:]) <= {442, 663, 668, 698, 832}  # bell cote, monastery, mosque, palace, stupa


def test_weights_stay_as_published_and_the_read_out_is_fitted(project, published):
    values = project(lite0=entry(32))
    train.run(values, "lite0")
    activations_stage.run(values, "lite0")
    assert activations.layers("lite0") == LAYERS
    found, _ = read_tensors("models/lite0/model.safetensors")
    for name, tensor in published.state_dict().items():
        assert name.startswith("_fc.") or torch.equal(found[f"inner.{name}"], tensor)
    stored = activations.read("lite0", "head")[1]
    assert stored.shape == (80, 1280)
    table = pd.read_csv("models/lite0/predictions.csv")
    rows = (table.split == "train") & (table.label != "unlabelled")
    plain = make_pipeline(StandardScaler(), LogisticRegression(C=0.01, class_weight="balanced", max_iter=2000))
    assert table.predicted.tolist() == plain.fit(stored[rows], table.label[rows]).predict(stored).tolist()
    assert activations.reductions("lite0")["block15"] == "random projection to 100"  # 320 maps of one cell
    assert activations.reductions("lite0")["stem"] == "2x2 average pool, random projection to 100"


def test_other_weights_are_refused(project, monkeypatch):
    monkeypatch.setattr(efficientnet, "SHA256", "0" * 64)
    with pytest.raises(DataError, match="its SHA-256 is 5793442"):
        train.run(project(lite0=entry(32)), "lite0")


def test_an_image_smaller_than_the_stride_is_an_error(project):
    with pytest.raises(DataError, match=r"models\.lite0\.size = 31"):
        project(lite0=entry(31))
