"""Attribution maps of a network known to look at one square; superpixels; networks opened at a layer."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from analysis.core.errors import DataError
from analysis.core.numerics import fixed_threads
from analysis.core.parallel import map_threads
from analysis.explain import opened_networks
from analysis.explain.maps import attribution
from analysis.explain.maps.localisation import mass, pointing
from analysis.explain.maps.superpixels import superpixels
from analysis.models.end_to_end import resnet, simple_cnn, vit
from analysis.models.network import Network
from analysis.models.own import Own
from analysis.models.report_hmo import network as report_hmo


def job(network, x, values, seed=1, names=None):
    return attribution.Job(network, x, values, seed, names or ["a", "b"][: len(x)], attribution.segment(x, values))


@pytest.mark.parametrize("method", list(attribution.METHODS))
def test_mass_lies_in_the_square_that_the_network_looks_at(method, watcher, pictures, values, region):
    maps = attribution.attribute(method, job(watcher, pictures, values))
    assert maps.shape == (2, *region.shape)
    for one in maps:
        assert mass(one, region) >= 0.9
        assert pointing(one, region) == 1


@pytest.mark.parametrize("method", list(attribution.METHODS))
def test_maps_are_reproducible_and_do_not_depend_on_other_images(method, watcher, pictures, values):
    values = values.model_copy(update={"stride": 0.1, "samples": 40})
    first = attribution.attribute(method, job(watcher, pictures, values))
    jobs = [job(watcher, pictures[1:2], values, names=["b"]), job(watcher, pictures, values)]
    alone, together = map_threads(lambda one: attribution.attribute(method, one), jobs)
    np.testing.assert_array_equal(first, together)
    np.testing.assert_allclose(first[1], alone[0], rtol=1e-4, atol=1e-6)


def test_lime_draws_other_samples_with_another_seed(watcher, pictures, values):
    few = values.model_copy(update={"samples": 20})
    maps = [attribution.attribute("lime", job(watcher, pictures, few, seed)) for seed in (1, 2)]
    assert not np.array_equal(*maps)


def test_superpixels_do_not_cross_the_edge_of_an_object(pictures, region):
    label = superpixels(pictures[0].numpy(), 36)
    assert sorted(set(label.ravel())) == list(range(label.max() + 1))
    assert 25 <= label.max() + 1 <= 36
    assert not set(label[region]) & set(label[~region])


class Aside(Network):
    """Nothing depends on its layer ``aside``."""

    def __init__(self):
        super().__init__(("aside", "maps", "top"))
        self.conv = nn.Conv2d(3, 4, 3, padding=1)
        self.head = nn.Linear(4, 2)

    def forward(self, x):
        maps = functional.relu(self.conv(x))
        self.layers["aside"](maps.flip(1))
        return self.head(self.layers["top"](self.layers["maps"](maps).mean((2, 3))))


def test_a_tap_changes_what_the_network_computes_from_a_layer(pictures):
    network = Aside().eval()
    opened = opened_networks.Opened(network, "maps", pictures[:1])
    torch.testing.assert_close(opened(pictures), network(pictures))

    class Silence(nn.Module):
        def forward(self, maps):
            assert maps.shape[1] == 4
            return maps * torch.tensor([0.0, 1, 1, 1]).view(1, 4, 1, 1)

    opened.tap = Silence()
    means = network.maps(pictures)["top"].clone()
    means[:, 0] = 0
    torch.testing.assert_close(opened(pictures), network.head(means))
    with pytest.raises(DataError, match="does not depend on layer aside"):
        opened_networks.Opened(network, "aside", pictures[:1])
    with pytest.raises(DataError, match="the layers are aside, maps, top"):
        opened_networks.Opened(network, "bottom", pictures[:1])


class Twice(nn.Module):
    """A module whose only layer runs twice."""

    def __init__(self):
        super().__init__()
        self.act = nn.ReLU(inplace=True)

    def forward(self, x):
        return self.act(self.act(x) - 0.2)


def test_a_tap_changes_the_last_of_several_calls_of_a_layer(pictures):
    network = Own(Twice(), ["act"], [0.0] * 3, [1.0] * 3, 3)
    opened = opened_networks.Opened(network, "act", pictures[:1], nn.Hardtanh(0, 0.3))
    expected = (pictures - 0.2).clamp(0, 0.3).mean((2, 3))
    torch.testing.assert_close(opened(pictures), network.read_out(expected))
    torch.testing.assert_close(network.maps(pictures)["act"], (pictures - 0.2).clamp(min=0))


def test_threads_read_and_change_the_layers_of_one_network_independently(watcher, pictures):
    def silenced(tap):
        return [opened_networks.Opened(watcher, "maps", pictures[:1], tap)(pictures) for _ in range(40)]

    def read(_):
        return [watcher.maps(pictures)["maps"] for _ in range(40)]

    class Silence(nn.Module):
        def forward(self, maps):
            return 0 * maps

    with fixed_threads(1):
        alone = watcher.maps(pictures)["maps"]
    parts = map_threads(lambda task: task[0](task[1]), [(silenced, Silence()), (read, None)] * 2, 4)
    assert all((logits == 0).all() for logits in parts[0] + parts[2])
    assert all(torch.equal(maps, alone) for maps in parts[1] + parts[3])


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
    network = opened_networks.untrained(NETWORKS[kind](), 3)
    small = values.model_copy(
        update={"samples": 8, "superpixels": 9, "gradient_steps": 2, "window": 0.25, "stride": 0.25}
    )
    for method in attribution.METHODS:
        assert attribution.reason_unavailable(method, network, pictures[:1]) is None
        maps = attribution.attribute(method, job(network, pictures[:1], small, names=["a"]))
        assert np.isfinite(maps).all()
    again = opened_networks.untrained(network, 3)
    assert all(torch.equal(a, b) for a, b in zip(network.parameters(), again.parameters(), strict=True))


def test_reasons_why_a_network_cannot_be_explained(watcher, pictures, values):
    class Sealed(Network):
        @torch.no_grad()
        def forward(self, x):
            return self.layers["top"](x.flatten(1)[:, :2])

    sealed = Sealed(("top",))
    assert attribution.reason_unavailable("gradcam", sealed, pictures[:1]) == "no layer has maps"
    assert attribution.reason_unavailable("gradients", sealed, pictures[:1]) == "no gradient reaches the image"
    assert attribution.reason_unavailable("occlusion", sealed, pictures[:1]) is None
    assert attribution.reason_unavailable("lime", watcher, torch.zeros(1, 7)) == "its inputs are not images"
    with pytest.raises(DataError, match="no layer has maps"):
        attribution.attribute("gradcam", job(sealed, pictures, values))
    with pytest.raises(DataError, match="gradcam"):
        attribution.reason_unavailable("guess", watcher, pictures[:1])
