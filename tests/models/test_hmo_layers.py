import numpy as np
import pytest
import torch
from torch.nn import functional

from analysis.models.yamins_hmo import layers as hmo_layers

VALUES = {
    "n_filt": 4, "k_filt": 3, "fmean": 0.05, "fnorm": 1.1, "min_out": -0.1, "max_out": 0.9,
    "pool_k": 5, "pool_p": 3.0, "norm_k": 5, "stretch": 0.5, "threshold": 0.3, "remove_mean": True,
}  # fmt: skip


def windows(x, k, stride=1):
    """Yield (i, j, values (channels, k, k)) around every `stride`-th position; zeros outside."""
    before = (k - 1) // 2
    padded = np.pad(x, ((0, 0), (before, k), (before, k)))
    for i in range(0, x.shape[1], stride):
        for j in range(0, x.shape[2], stride):
            yield i // stride, j // stride, padded[:, i : i + k, j : j + k]


def pool_by_loops(x, k, p):
    out = np.zeros((len(x), -(-x.shape[1] // 2), -(-x.shape[2] // 2)))
    for i, j, window in windows(x, k, 2):
        window = np.abs(window)
        top = window.max((1, 2))
        for c in np.flatnonzero(top > 0):
            out[c, i, j] = top[c] * ((window[c] / top[c]) ** p).sum() ** (1 / p)
    return out


def normalise_by_loops(x, k, stretch, threshold, remove_mean):
    out = np.zeros_like(x)
    size = len(x) * k * k
    for i, j, window in windows(x, k):
        total = (window**2).sum() - (window.sum() ** 2 / size if remove_mean else 0)
        divisor = stretch * (1e-4 + np.sqrt(max(0, total)))
        divisor = 1 if divisor < (threshold or 0) + 1e-4 else divisor
        out[:, i, j] = stretch * (x[:, i, j] - (window.sum() / size if remove_mean else 0)) / divisor
    return out


@pytest.mark.parametrize("power", [3.0, 20.0])
@pytest.mark.parametrize("k", [4, 5, 8, 9])
def test_pooling_has_the_bits_of_the_plain_layout(monkeypatch, k, power):
    """Wide windows are summed channels-last, which is to change time alone, in the forward and the backward pass."""
    x = torch.randn((3, 20, 21, 24), generator=torch.Generator().manual_seed(k), requires_grad=True)
    pooled = hmo_layers.pool(x, k, power)
    pooled.square().sum().backward()
    gradient, x.grad = x.grad, None
    average = functional.avg_pool2d
    monkeypatch.setattr(functional, "avg_pool2d", lambda y, *size, **rest: average(y.contiguous(), *size, **rest))
    plain = hmo_layers.pool(x, k, power)
    plain.square().sum().backward()
    assert pooled.is_contiguous(), "later sums follow the layout"
    assert torch.equal(pooled, plain)
    assert torch.equal(gradient, x.grad)


@pytest.mark.parametrize("k", [3, 4, 9])
def test_box_sums_have_the_bits_of_one_map_at_a_time(k):
    x = torch.rand((5, 1, 12, 9), generator=torch.Generator().manual_seed(k), dtype=torch.float64, requires_grad=True)
    summed = hmo_layers.box_sum(x, k)
    summed.square().sum().backward()
    gradient, x.grad = x.grad, None
    padded = functional.pad(x, hmo_layers.padding(k) * 2)
    plain = functional.avg_pool2d(padded, k, stride=1, divisor_override=1)
    plain.square().sum().backward()
    assert torch.equal(summed, plain)
    assert torch.equal(gradient, x.grad)


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("shape", [(3, 5, 4, 4), (2, 24, 7, 5), (2, 40, 6, 6), (1, 1, 3, 3)])
def test_the_largest_value_of_each_map_is_found_in_any_layout(shape, layout):
    x = torch.randn(shape, generator=torch.Generator().manual_seed(0)).contiguous(memory_format=layout)
    assert torch.equal(hmo_layers.largest(x), x.amax((2, 3), keepdim=True))


def layer_by_loops(x, weight, values):
    """Filter - threshold - pool - normalise as sums over windows, in float64."""
    maps = np.zeros((len(weight), *x.shape[1:]))
    for i, j, window in windows(x, values["k_filt"]):
        maps[:, i, j] = (weight * window).sum((1, 2, 3))
    low, high = values["min_out"], values["max_out"]
    maps = np.clip(maps, -np.inf if low is None else low, np.inf if high is None else high)
    maps = pool_by_loops(maps, values["pool_k"], values["pool_p"])
    return normalise_by_loops(maps, values["norm_k"], values["stretch"], values["threshold"], values["remove_mean"])


@pytest.mark.parametrize(
    ("changed", "shape"),
    [
        ({}, (9, 7)),
        ({"k_filt": 4, "pool_k": 2, "norm_k": 4}, (8, 8)),
        ({"min_out": None, "max_out": None, "threshold": None}, (7, 10)),
        ({"pool_p": 50.0, "pool_k": 9}, (9, 9)),
        ({"pool_p": 1.0, "remove_mean": False, "stretch": 30.0, "threshold": 30.0}, (6, 9)),
        ({"k_filt": 9, "pool_k": 7, "norm_k": 9, "min_out": 0.0}, (3, 5)),  # windows larger than the map
    ],
)
def test_layer_equals_loops_over_windows(changed, shape):
    values = VALUES | changed
    layer = hmo_layers.Layer(2, values)
    generator = torch.Generator().manual_seed(3)
    layer.draw(generator)
    x = torch.randn((2, 2, *shape), generator=generator)
    expected = [layer_by_loops(one.numpy().astype(float), layer.weight.numpy().astype(float), values) for one in x]
    found = layer(x)
    assert found.dtype == torch.float32
    np.testing.assert_allclose(found.numpy(), np.stack(expected), atol=1e-5)


def test_values_near_zero_are_not_divided():
    """A divisor below the threshold + 1e-4 counts as 1, also without a threshold: noise is not blown up."""
    x = np.random.default_rng(1).normal(size=(2, 6, 6)) * 1e-6
    for threshold in (None, 0.05):
        found = hmo_layers.normalise(torch.tensor(x[None], dtype=torch.float32), 3, 0.03, threshold, True)[0].numpy()
        np.testing.assert_allclose(found, normalise_by_loops(x, 3, 0.03, threshold, True), rtol=1e-3, atol=1e-12)
        assert np.abs(found).max() < 1e-6


@pytest.mark.parametrize("scale", [1e-5, 1.0, 1e4])
@pytest.mark.parametrize("p", [1.0, 6.0, 6.1, 50.0])
def test_pool_is_safe_for_any_power_and_size_of_values(p, scale):
    """Windows of small values beside large ones in the same map, whose own powers leave float32 on both sides."""
    x = np.random.default_rng(0).normal(size=(3, 12, 12)) * scale
    x[0, :, :6] *= 1e-4
    x[1] = 0
    found = hmo_layers.pool(torch.tensor(x[None], dtype=torch.float32), 3, p)[0].numpy()
    np.testing.assert_allclose(found, pool_by_loops(x, 3, p), rtol=2e-5, atol=0)


def test_filters_have_the_mean_and_norm_of_their_values():
    weight = hmo_layers.filters(40, 3, 5, 0.1, 0.9, torch.Generator().manual_seed(0))
    flat = weight.flatten(1).double()
    np.testing.assert_allclose(flat.norm(dim=1), 0.9, rtol=1e-6)
    raw = torch.rand((40, 3, 5, 5), generator=torch.Generator().manual_seed(0)).double().flatten(1)
    expected = raw - raw.mean(1, keepdim=True) - 0.1
    np.testing.assert_allclose(flat, 0.9 * expected / expected.norm(dim=1, keepdim=True), atol=1e-6)
    assert (flat.mean(1) < 0).all()  # less fmean


@pytest.mark.parametrize(("side", "sides"), [(112, [56, 28, 14]), (9, [5, 3, 2]), (8, [4, 2, 1])])
def test_three_strides_halve_the_maps(side, sides):
    module = hmo_layers.Module(3, {"in_norm_k": 9, "layers": [VALUES, VALUES | {"n_filt": 8}, VALUES]}).draw(1)
    maps = module.outputs(torch.rand((1, 3, side, side), generator=torch.Generator().manual_seed(0)))
    assert [tuple(one.shape) for one in maps] == [(1, n, s, s) for n, s in zip([4, 8, 4], sides, strict=True)]
    assert torch.isfinite(maps[-1]).all()


def test_input_normalisation_takes_away_brightness_and_contrast():
    module = hmo_layers.Module(3, {"in_norm_k": 5, "layers": [VALUES]}).draw(1)
    x = torch.rand((2, 3, 16, 16), generator=torch.Generator().manual_seed(2))
    inside = (slice(None), slice(None), slice(3, 5), slice(3, 5))  # whose windows see nothing of the border
    np.testing.assert_allclose(module(0.5 * x)[inside], module(x)[inside], atol=1e-3)
    one = hmo_layers.normalise(x, 5, **hmo_layers.IN_NORM)[:, :, 4:12, 4:12]
    two = hmo_layers.normalise(0.3 * x + 0.4, 5, **hmo_layers.IN_NORM)[:, :, 4:12, 4:12]
    np.testing.assert_allclose(one, two, atol=1e-3)


def test_gradients_reach_the_filters():
    module = hmo_layers.Module(3, {"in_norm_k": 3, "layers": [VALUES | {"min_out": 0.0}, VALUES | {"pool_p": 50.0}]})
    module.draw(4).requires_grad_(True)
    module(torch.rand((2, 3, 12, 12), generator=torch.Generator().manual_seed(1))).square().sum().backward()
    for layer in module.layers:
        assert torch.isfinite(layer.weight.grad).all()
        assert layer.weight.grad.abs().max() > 0


@pytest.mark.skipif(not torch.cuda.is_available(), reason="torch sees no CUDA device")
def test_layers_are_the_same_on_a_cuda_device():
    values = {"in_norm_k": 9, "layers": [VALUES, VALUES | {"pool_p": 50.0}, VALUES | {"threshold": None}]}
    module = hmo_layers.Module(3, values).draw(1)
    x = torch.rand((4, 3, 64, 64), generator=torch.Generator().manual_seed(2))
    on_cpu, on_cuda = module(x), module.to("cuda")(x.to("cuda")).cpu()
    np.testing.assert_allclose(on_cuda, on_cpu, atol=1e-5)
