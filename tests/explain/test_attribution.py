"""Attribution maps of a network known to look at one square; superpixels; samples of LIME; initial weights."""

import numpy as np
import pytest
import torch

from analysis.core.errors import DataError
from analysis.core.parallel import map_threads
from analysis.explain import attribution, explained_networks
from analysis.explain.face_regions import share_in_face
from analysis.explain.superpixels import superpixels
from analysis.models.end_to_end import resnet, simple_cnn, vit
from analysis.models.report_hmo import network as report_hmo

METHODS = list(attribution.METHODS)


@pytest.mark.parametrize("method", METHODS)
def test_mass_lies_in_the_square_that_the_network_looks_at(method, watcher, pictures, values, region):
    maps = attribution.attribute(method, watcher, pictures, values)
    assert maps.shape == (2, *region.shape)
    for one in maps:
        assert share_in_face(one, region, np.ones_like(region)) >= 0.9
        assert region[np.unravel_index(one.argmax(), one.shape)]


@pytest.mark.parametrize("method", METHODS)
def test_maps_are_reproducible_and_do_not_depend_on_other_images(method, watcher, pictures, values):
    first = attribution.attribute(method, watcher, pictures, values)
    jobs = [pictures[1:2], pictures]
    alone, together = map_threads(lambda x: attribution.attribute(method, watcher, x, values), jobs)
    np.testing.assert_array_equal(first, together)
    np.testing.assert_allclose(first[1], alone[0], rtol=1e-4, atol=1e-6)


def test_an_image_that_equals_its_blurred_copy_has_no_evidence(watcher, values):
    flat = torch.full((1, 3, 24, 24), 0.3)
    torch.testing.assert_close(attribution.blurred(flat, values.blur), flat)
    for method in METHODS:
        assert np.abs(attribution.attribute(method, watcher, flat, values)).max() < 1e-5


def test_the_blur_is_a_gaussian_whose_width_is_a_share_of_the_side():
    point = torch.zeros(1, 3, 41, 41)
    point[..., 20, 20] = 1
    smooth = attribution.blurred(point, 0.1)[0, 1].numpy()
    offset = np.arange(41) - 20
    assert smooth.sum() == pytest.approx(1, abs=1e-3)
    assert np.sqrt((smooth.sum(axis=0) * offset**2).sum()) == pytest.approx(4.1, rel=0.02)


@pytest.mark.parametrize("n", [1, 7, 8, 25])
def test_main_effects_of_the_design_are_clear_of_each_other_and_of_pairs(n):
    signs = 2 * attribution.design(n) - 1
    assert signs.shape == (2 * 2 ** n.bit_length(), n)
    np.testing.assert_array_equal(signs.T @ signs, len(signs) * np.eye(n))
    assert not signs.sum(axis=0).any()
    pairs = np.stack([signs[:, i] * signs[:, j] for i in range(n) for j in range(i)] or [np.zeros(len(signs))])
    assert not (pairs @ signs).any()


def test_lime_gives_the_weights_of_a_linear_network(values):
    class Linear(torch.nn.Module):
        def forward(self, x):
            evidence = (x * weight).sum((1, 2, 3))
            return torch.stack([torch.zeros_like(evidence), evidence], dim=1)

    rng = np.random.default_rng(2)
    weight = torch.from_numpy(rng.normal(size=(3, 24, 24)).astype(np.float32))
    x = torch.from_numpy(rng.random((1, 3, 24, 24)).astype(np.float32))
    [map_] = attribution.attribute("lime", Linear(), x, values)
    change = ((x - attribution.blurred(x, values.blur))[0] * weight).sum(0).numpy()
    label = superpixels(x[0].numpy(), values.superpixels)
    expected = np.bincount(label.ravel(), weights=change.ravel())[label]
    np.testing.assert_allclose(map_, expected, atol=0.01 * np.abs(expected).max())


def test_superpixels_do_not_cross_the_edge_of_an_object(pictures, region):
    label = superpixels(pictures[0].numpy(), 36)
    assert sorted(set(label.ravel())) == list(range(label.max() + 1))
    assert 25 <= label.max() + 1 <= 36
    assert not set(label[region]) & set(label[~region])


VALUES = [{"layers": 1, "filters": 4, "kernel": 3, "pool": "max", "normalise": True}] * 2
NETWORKS = {
    "hmo_report": lambda: report_hmo.build({"cnns": dict.fromkeys(("N1", "N2", "N3"), VALUES), "grid": 4, "top": 8}),
    "simple_cnn": lambda: simple_cnn.build({"filters": [4, 6], "kernel": 3, "dense": 8}),
    "resnet": lambda: resnet.build({"filters": [4, 6], "blocks": 1}),
    "vit": lambda: vit.build({"size": 24, "stem": [4, 6, 8], "width": 8, "depth": 2, "heads": 2, "hidden": 8}),
}


@pytest.mark.parametrize("kind", list(NETWORKS))
def test_registered_networks_are_explained_by_every_method(kind, pictures, values):
    torch.manual_seed(0)
    network = explained_networks.untrained(NETWORKS[kind](), 3)
    small = values.model_copy(update={"superpixels": 9, "window": 0.25, "stride": 0.25})
    for method in METHODS:
        maps = attribution.attribute(method, network, pictures[:1], small)
        assert np.isfinite(maps).all()
        assert maps.any()
    again = explained_networks.untrained(network, 3)
    assert all(torch.equal(a, b) for a, b in zip(network.parameters(), again.parameters(), strict=True))


def test_what_cannot_be_explained_is_named(watcher, pictures, values):
    with pytest.raises(DataError, match="its inputs are not images"):
        attribution.attribute("lime", watcher, torch.zeros(1, 7), values)
    with pytest.raises(DataError, match="gradcam"):
        attribution.attribute("gradcam", watcher, pictures, values)
