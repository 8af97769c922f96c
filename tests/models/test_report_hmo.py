"""The report's HMO: its networks, against the published code and a forward pass by loops."""

import numpy as np
import pytest
import torch

from analysis.models import network
from analysis.models.report_hmo import network as report_hmo
from analysis.models.report_hmo import random_cnn
from analysis.params import load
from tests.project import ROOT

# The published Keras layers, counted by hand: Conv2D(filters, kernel, padding="same") with bias, 2 x 2 pooling,
# LayerNormalization over channels (gain and shift), GlobalAveragePooling2D, Dense(64), Dense(2).
KERAS = [
    # layers, filters, kernel, pool, normalise: shape of the maps of a 112 x 112 image, parameters of maps, of head
    ((1, 16, 3, "max", False), (16, 56, 56), 448, 1218),
    ((1, 64, 7, "avg", True), (64, 56, 56), 9600, 4290),
    ((2, 32, 5, "soft", False), (32, 28, 28), 2432 + 25632, 2242),
    ((3, 16, 5, "max", True), (16, 14, 14), 1216 + 2 * 6416 + 3 * 32, 1218),
    ((3, 64, 7, "max", False), (64, 14, 14), 9472 + 2 * 200768, 4290),
]


def values(layers, filters, kernel, pool, normalise):
    return {"layers": layers, "filters": filters, "kernel": kernel, "pool": pool, "normalise": normalise}


def count(module):
    return sum(parameter.numel() for parameter in module.parameters())


@pytest.mark.parametrize(("drawn", "shape", "in_maps", "in_head"), KERAS)
def test_candidates_have_the_shapes_and_parameters_of_the_published_code(drawn, shape, in_maps, in_head):
    candidate = random_cnn.CandidateCNN(values(*drawn), network.Standardise())
    assert count(candidate.module) == in_maps
    assert count(candidate) == in_maps + in_head
    with torch.no_grad():
        assert candidate.module(torch.zeros(1, 3, 112, 112)).shape[1:] == shape
        assert candidate(torch.zeros(2, 3, 112, 112)).shape == (2, 2)


def test_full_hmo_has_the_shapes_and_parameters_of_the_published_code():
    cnns = {
        "N1": [values(1, 32, 3, "max", False)] * 10,  # 896 each, 320 channels stacked
        "N2": [values(2, 16, 5, "avg", True)] * 10,  # 128016 + 6416 + 64 each, 160 channels stacked
        "N3": [values(1, 64, 7, "max", False)] * 10,  # 501824 each, 640 channels stacked
    }
    hmo = report_hmo.build({"cnns": cnns, "grid": 8, "top": 1250})
    assert count(hmo.N1) == 8960
    assert count(hmo.N2) == 1344960
    assert count(hmo.N3) == 5018240
    assert count(hmo.dense) == 801250
    assert count(hmo.head) == 2502
    with torch.no_grad():
        maps = hmo.maps(torch.zeros((2, 3, 112, 112), dtype=torch.uint8))
    assert {name: tuple(value.shape[1:]) for name, value in maps.items()} == {
        "N1": (320, 8, 8),
        "N2": (160, 8, 8),
        "N3": (640, 8, 8),
        "top": (1250,),
    }
    assert list(maps) == list(hmo.layer_names)


def forward_by_loops(x, module, drawn):
    """Convolution, ReLU, pooling and normalisation as sums over positions, in float64."""
    for number in range(drawn["layers"]):
        weight = module.convolutions[number].weight.detach().numpy().astype(float)
        bias = module.convolutions[number].bias.detach().numpy().astype(float)
        k = weight.shape[-1]
        padded = np.pad(x, ((0, 0), (k // 2, k // 2), (k // 2, k // 2)))
        out = np.empty((len(weight), *x.shape[1:]))
        for i in range(x.shape[1]):
            for j in range(x.shape[2]):
                window = padded[:, i : i + k, j : j + k]
                out[:, i, j] = [max(0.0, (w * window).sum() + b) for w, b in zip(weight, bias, strict=True)]
        h, w = out.shape[1] // 2, out.shape[2] // 2
        blocks = out[:, : 2 * h, : 2 * w].reshape(len(out), h, 2, w, 2)
        x = blocks.max((2, 4)) if drawn["pool"] == "max" else blocks.mean((2, 4))
        if drawn["normalise"]:
            norm = module.norms[number]
            gain, shift = norm.weight.detach().numpy(), norm.bias.detach().numpy()
            mean, variance = x.mean(0), x.var(0)
            x = (x - mean) / np.sqrt(variance + 1e-3) * gain[:, None, None] + shift[:, None, None]
    return x


@pytest.mark.parametrize("pool", ["max", "avg", "soft"])
@pytest.mark.parametrize("normalise", [True, False])
def test_module_equals_a_direct_numpy_forward(pool, normalise):
    drawn = values(2, 5, 3, pool, normalise)
    generator = torch.Generator().manual_seed(2)
    module = random_cnn.RandomCNN(3, drawn)
    for parameter in module.parameters():
        torch.nn.init.normal_(parameter, std=0.5, generator=generator)
    x = torch.randn((1, 3, 11, 9), generator=generator)
    with torch.no_grad():
        found = module(x)[0].numpy()
    np.testing.assert_allclose(found, forward_by_loops(x[0].numpy().astype(float), module, drawn), atol=2e-5)


@pytest.mark.parametrize("side", [3, 8, 14, 28])
def test_maps_are_resized_at_half_pixel_centres(side):
    """As tf.image.resize: sample (i + 1/2) n / 8 - 1/2 by linear interpolation, edges held, no smoothing."""
    stage = report_hmo.ParallelCNNs(1, [values(1, 1, 1, "max", False)], 8)
    with torch.no_grad():
        stage.modules_[0].convolutions[0].weight.fill_(1)
        stage.modules_[0].convolutions[0].bias.zero_()
        x = torch.rand((1, 1, side, side), generator=torch.Generator().manual_seed(1))
        found = stage(x.repeat_interleave(2, 2).repeat_interleave(2, 3))[0, 0].numpy()
    at = np.clip((np.arange(8) + 0.5) * side / 8 - 0.5, 0, side - 1)
    rows = np.stack([np.interp(at, np.arange(side), row) for row in x[0, 0].numpy()])
    expected = np.stack([np.interp(at, np.arange(side), column) for column in rows.T]).T
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_the_upper_layers_see_augmented_copies_of_the_images():
    from analysis.models.train.augment import augmenter
    from analysis.models.train.training import Split
    from analysis.params.kinds import Augment

    hmo = report_hmo.build(
        {"cnns": {n: [values(1, 4, 3, "max", False)] for n in report_hmo.LAYERS}, "grid": 4, "top": 5}
    )
    x = torch.randint(0, 256, (6, 3, 16, 16), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    split, change = Split(x, torch.arange(6) % 2), augmenter(Augment(flip=True, shift=0.2, contrast=0.3))
    plain, copies = (report_hmo.frozen_maps(hmo, split, n, change, 1, batch=4) for n in (1, 3))
    torch.testing.assert_close(plain.x, hmo.n1(x).detach())
    assert copies.y.tolist() == split.y.tolist() * 3
    maps = [plain.x, *copies.x.split(6)]
    assert all(not torch.allclose(a, b, atol=1e-3) for k, a in enumerate(maps) for b in maps[:k])


def test_random_values_come_from_all_choices_and_from_the_seed(project):
    entry = project().models.entry("report_hmo")
    drawn = [random_cnn.random_module(entry, 1, "candidate", number) for number in range(60)]
    assert {item["layers"] for item in drawn} == {1, 2}
    assert {item["filters"] for item in drawn} == {4, 6}
    assert {item["kernel"] for item in drawn} == {3, 5}
    assert {item["pool"] for item in drawn} == {"max", "avg", "soft"}
    assert {item["normalise"] for item in drawn} == {True, False}
    assert drawn[7] == random_cnn.random_module(entry, 1, "candidate", 7)
    assert drawn != [random_cnn.random_module(entry, 2, "candidate", number) for number in range(60)]


def test_standardised_images_have_mean_zero_and_standard_deviation_one():
    x = torch.randint(20, 140, (9, 3, 6, 5), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    x[:, 1] = 7  # a constant channel stays finite
    rule = network.Standardise()
    torch.testing.assert_close(rule(x), x / 255)
    found = rule.fit(x)(x)
    assert abs(float(found[:, 0].mean())) < 1e-5
    assert float(found[:, 2].std(correction=0)) == pytest.approx(1, abs=1e-5)
    assert torch.isfinite(found).all()


def test_committed_search_is_the_reports_but_for_its_size():
    entry = load(ROOT / "params.yaml").models.entry("as_reported")
    assert entry.layers == [1, 2, 3]
    assert entry.kernels == [3, 5, 7]
    assert (entry.kept, entry.modules, entry.grid, entry.top, entry.learning_rate) == (10, 10, 8, 1250, 0.001)
