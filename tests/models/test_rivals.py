"""The rivals of HMO: each against a direct calculation, a case planned by hand, or what its source says."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from analysis.core import paths
from analysis.core.errors import DataError
from analysis.models import data, network, registry
from analysis.models.activations import read as activations
from analysis.models.activations import stage as activations_stage
from analysis.models.baselines import category, gabor
from analysis.models.end_to_end import resnet, vit
from analysis.models.read_out import LinearReadOut, fit_logistic
from analysis.models.report_hmo import first_layer, random_cnn
from analysis.models.train import stage as train


def trained(model):
    """Return a network of models/ with its weights, and its config."""
    config = network.read_config(paths.MODELS / model)
    built = registry.kind(config["kind"]).build(config["architecture"]).eval()
    network.load_weights(built, paths.MODELS / model / network.WEIGHTS)
    return built, config


def test_the_untrained_twin_is_the_trained_hmo_before_training(project, monkeypatch):
    values = project()
    train.run(values, "report_hmo")
    ran = []
    monkeypatch.setattr(first_layer, "fit_candidate", lambda *a, **k: ran.append(a))
    train.run(values, "untrained")
    assert not ran  # the choice of the search was at hand
    (hmo, of_hmo), (twin, of_twin) = trained("report_hmo"), trained("untrained")
    assert of_twin["architecture"] == of_hmo["architecture"]
    assert of_twin["notes"]["kept_candidates"] == of_hmo["notes"]["kept_candidates"]
    assert of_twin["layers"] == of_hmo["layers"]
    # Its first stage starts from the weights from which the candidates were trained.
    number = of_hmo["notes"]["kept_candidates"][0]
    drawn = random_cnn.random_module(values.models.entry("report_hmo"), values.seed, "candidate", number)
    seed = first_layer.seed_of(values.seed, "hmo_report", "candidate", number)
    start = first_layer.initial(drawn, network.Standardise(), seed).module.state_dict()
    for name, value in twin.N1.modules_[0].state_dict().items():
        assert torch.equal(value, start[name])
    assert not torch.equal(twin.N1.modules_[0].convolutions[0].weight, hmo.N1.modules_[0].convolutions[0].weight)
    assert not torch.equal(twin.N2.modules_[0].convolutions[0].weight, hmo.N2.modules_[0].convolutions[0].weight)
    assert torch.equal(twin.standardise.mean, hmo.standardise.mean)


def test_the_twin_searches_itself_where_no_choice_is_kept(project, tmp_path):
    values = project()
    train.run(values, "untrained")
    alone = {path.name: path.read_bytes() for path in (paths.MODELS / "untrained").glob("*.*")}
    chosen = trained("untrained")[1]["notes"]["kept_candidates"]
    train.run(values, "report_hmo")
    assert trained("report_hmo")[1]["notes"]["kept_candidates"] == chosen
    train.run(values, "untrained")
    assert {path.name: path.read_bytes() for path in (paths.MODELS / "untrained").glob("*.*")} == alone


def test_read_out_of_the_twin_is_the_regression_on_its_top_layer(project):
    from sklearn.linear_model import LogisticRegression
    from sklearn.preprocessing import StandardScaler

    values = project()
    train.run(values, "untrained")
    activations_stage.run(values, "untrained")
    examples = data.load(values.models.entry("untrained").rules)
    top = np.asarray(activations.read("untrained", "top")[1], float)
    rows = examples.rows("train")
    scale = StandardScaler().fit(top[rows])
    fitted = LogisticRegression(C=0.01, class_weight="balanced", max_iter=2000)
    fitted.fit(scale.transform(top[rows]), examples.label[rows])
    table = pd.read_csv(paths.MODELS / "untrained" / "predictions.csv")
    expected = fitted.predict_proba(scale.transform(top))[:, 1]
    np.testing.assert_allclose(table["score"], expected, atol=1e-3)


def test_constant_features_do_not_spoil_a_read_out():
    x = torch.randn((60, 3), generator=torch.Generator().manual_seed(0))
    y = (x[:, 0] > 0).numpy().astype(int)
    x[:, 1] = 0.3  # in float32 its standard deviation is not exactly 0
    out = LinearReadOut(3)
    out.set(fit_logistic(x, y, 1.0)[0])
    moved = x.clone()
    moved[:, 1] += 1e-7
    torch.testing.assert_close(out(x), out(moved), atol=0.1, rtol=0)
    assert ((out(x).argmax(1).numpy() == y).mean()) > 0.95


def test_resnet_has_the_shapes_and_parameters_of_its_definition():
    net = resnet.ResNet([16, 32, 64], 2)
    maps = net.eval().maps(torch.zeros((2, 3, 64, 64), dtype=torch.uint8))
    assert {name: tuple(value.shape[1:]) for name, value in maps.items()} == {
        "stem": (16, 32, 32), "stage1": (16, 32, 32), "stage2": (32, 16, 16), "stage3": (64, 8, 8), "top": (64,),
    }  # fmt: skip
    # By hand: convolutions 9 c c', batch norms 2 c', shortcuts c c' + 2 c', head 64 * 2 + 2.
    stem = 9 * 3 * 16 + 32
    stage1 = 4 * (9 * 16 * 16 + 32)
    stage2 = 9 * 16 * 32 + 3 * 9 * 32 * 32 + 4 * 64 + 16 * 32 + 64
    stage3 = 9 * 32 * 64 + 3 * 9 * 64 * 64 + 4 * 128 + 32 * 64 + 128
    assert sum(p.numel() for p in net.parameters()) == stem + stage1 + stage2 + stage3 + 130
    # A block starts as the identity (after ReLU).
    resnet.initialise_(net, torch.Generator().manual_seed(0))
    x = torch.rand((1, 16, 8, 8), generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(net.stages[0][1](x), x)


def attention_by_loops(block, x):
    """Softmax(q k / sqrt(d)) v for each head and token, in float64."""
    weights = {name: value.detach().numpy().astype(float) for name, value in block.state_dict().items()}
    tokens, width = x.shape
    d = width // block.heads

    def norm(v, which):
        v = (v - v.mean(-1, keepdims=True)) / np.sqrt(v.var(-1, keepdims=True) + 1e-5)
        return v * weights[f"{which}.weight"] + weights[f"{which}.bias"]

    qkv = norm(x, "norm1") @ weights["qkv.weight"].T + weights["qkv.bias"]
    mixed = np.zeros_like(x)
    for head in range(block.heads):
        q, k, v = (qkv[:, part * width + head * d : part * width + (head + 1) * d] for part in range(3))
        for token in range(tokens):
            score = np.exp(k @ q[token] / np.sqrt(d))
            mixed[token, head * d : (head + 1) * d] = score @ v / score.sum()
    x = x + mixed @ weights["project.weight"].T + weights["project.bias"]
    from scipy.stats import norm as normal

    hidden = norm(x, "norm2") @ weights["expand.weight"].T + weights["expand.bias"]
    return x + (hidden * normal.cdf(hidden)) @ weights["contract.weight"].T + weights["contract.bias"]


def test_vit_block_equals_attention_by_loops():
    block = vit.Block(8, 2, 12)
    generator = torch.Generator().manual_seed(3)
    for parameter in block.parameters():
        torch.nn.init.normal_(parameter, std=0.7, generator=generator)
    x = torch.randn((2, 5, 8), generator=generator)
    with torch.no_grad():
        found = block(x).numpy()
    for one, expected in zip(found, x.numpy().astype(float), strict=True):
        np.testing.assert_allclose(one, attention_by_loops(block, expected), atol=1e-4)


def test_vit_knows_places():
    net = vit.ViT(32, [4, 8], 8, 2, 2, 12).eval()
    x = torch.rand((1, 3, 32, 32), generator=torch.Generator().manual_seed(1))
    assert net.maps(x)["block1"].shape == (1, 8, 8, 8)
    vit.initialise_(net, torch.Generator().manual_seed(0))
    with torch.no_grad():
        tokens = net.embed(net.stem(net.standardise(x))).flatten(2).transpose(1, 2) + net.place
        expected = net.norm(net.blocks[1](net.blocks[0](tokens)).mean(1))
        torch.testing.assert_close(net.maps(x)["top"], expected)
        before = net(x)
        net.place.copy_(net.place.flip(1) * 50)
        assert not torch.allclose(net(x), before, atol=1e-4)


def grating(turn, wavelength, phase=0.0, size=64):
    y, x = np.mgrid[:size, :size]
    wave = np.cos(2 * np.pi * (x * np.cos(turn) + y * np.sin(turn)) / wavelength + phase)
    return torch.from_numpy(np.round(127.5 + 60 * wave).astype(np.uint8)).expand(1, 3, size, size)


def test_gabor_energy_is_tuned_to_orientation_and_wavelength_and_blind_to_phase():
    net = gabor.Gabor([4.0, 8.0, 16.0], 4, 2, 9, 0.1, 4)
    for scale, wavelength in enumerate((4.0, 8.0, 16.0)):
        for number in range(4):
            energy = net.maps(grating(number * np.pi / 4, wavelength))["energy"][0, :, 12:-12, 12:-12].mean((1, 2))
            assert int(energy.argmax()) == scale * 4 + number
            best = net.maps(grating(number * np.pi / 4, wavelength, 1.1))["energy"][0, scale * 4 + number, 16, 16]
            other = net.maps(grating(number * np.pi / 4, wavelength, 2.9))["energy"][0, scale * 4 + number, 16, 16]
            assert float(best) == pytest.approx(float(other), rel=0.03)
    blank = net.maps(torch.full((1, 3, 64, 64), 90, dtype=torch.uint8))
    assert float(blank["normalised"].abs().max()) < 1e-3


def test_gabor_normalisation_saturates_with_contrast_and_divides_by_the_neighbours():
    net = gabor.Gabor([8.0], 2, 2, 3, 0.1, 4)
    full = grating(0, 8.0)
    half = ((full.float() - 127.5) / 2 + 127.5).round().to(torch.uint8)
    a, b = net.maps(full), net.maps(half)
    place = (0, 0, 16, 16)
    assert float(a["energy"][place] / b["energy"][place]) == pytest.approx(2, rel=0.05)
    assert 1 < float(a["normalised"][place] / b["normalised"][place]) < 1.5
    window = a["energy"][0, :, 15:18, 15:18].mean()
    assert float(a["normalised"][place]) == pytest.approx(float(a["energy"][place] / (0.1 + window)), rel=1e-5)


def test_category_is_the_labels_and_nothing_else(project):
    values = project()
    train.run(values, "category")
    activations_stage.run(values, "category")
    table = pd.read_csv("data/stimuli/images.csv")
    stems, codes = activations.read("category", "category")
    assert stems == table["stem"].tolist()
    np.testing.assert_array_equal(codes, np.column_stack([table.category == "face", table.category == "none"]))
    _, labels = activations.read("category", "label")
    np.testing.assert_array_equal(
        labels, np.column_stack([table.label == v for v in ("non-face", "face", "unlabelled")])
    )
    metrics = json.loads(Path("models/category/metrics.json").read_text())
    assert metrics["accuracy"] == 1
    examples = data.load(values.models.entry("category").rules)
    with pytest.raises(DataError, match="category 'none' is new"):
        category.inputs(examples, {"categories": ["face"]})


@pytest.mark.parametrize(
    ("model", "change", "said"),
    [
        ("vit", {"heads": 3}, "models.vit: heads = 3 does not divide width = 8"),
        ("vit", {"size": 18}, "models.vit: size = 18 cannot be halved 2 times"),
        ("gabor", {"pool": 4}, "models.gabor: pool = 4: give an odd size"),
        ("gabor", {"wavelengths": [3, 40]}, "longer than an image of size = 32 can hold"),
        ("category", {"size": 9}, "unknown key models.category.size"),
    ],
)
def test_impossible_values_of_rivals_are_named(project, tiny, model, change, said):
    with pytest.raises(DataError) as caught:
        project(**{model: tiny[model] | change})
    assert said in str(caught.value)


def test_pixels_is_sklearns_regression(project):
    from sklearn.linear_model import LogisticRegression
    from sklearn.preprocessing import StandardScaler

    values = project()
    train.run(values, "pixels")
    activations_stage.run(values, "pixels")
    examples = data.load(values.models.entry("pixels").rules)
    _, grey = activations.read("pixels", "pixels")
    rgb = data.resized(examples.images, 8).numpy().astype(float) / 255
    np.testing.assert_allclose(
        grey, (rgb * np.array([0.299, 0.587, 0.114])[:, None, None]).sum(1).reshape(80, -1), atol=1e-6
    )
    rows = examples.rows("train")
    scale = StandardScaler().fit(grey[rows].astype(float))
    regression = LogisticRegression(C=1.0, class_weight="balanced", max_iter=2000)
    regression.fit(scale.transform(grey[rows].astype(float)), examples.label[rows])
    expected = regression.predict_proba(scale.transform(grey.astype(float)))[:, 1]
    table = pd.read_csv(paths.MODELS / "pixels" / "predictions.csv")
    np.testing.assert_allclose(table["score"], expected, atol=1e-4)
