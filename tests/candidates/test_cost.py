import torch
from torch import nn
from torch.nn import functional
from torch.utils.flop_counter import FlopCounterMode

from analysis.candidates.cost import counted
from analysis.models.yamins_hmo.layers import Module
from tests.models.test_hmo_layers import VALUES


def pass_through(network, x, train):
    if not train:
        with torch.no_grad():
            network(x)
        return
    functional.cross_entropy(network(x), torch.zeros(len(x), dtype=torch.long)).backward()


def test_operations_are_those_that_torch_counts():
    convolutions = nn.Sequential(nn.Conv2d(3, 6, 5, padding="same"), nn.ReLU(), nn.Conv2d(6, 4, 3, padding="same"))
    classifier = nn.Sequential(convolutions, nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(16, 2))
    module = Module(3, {"in_norm_k": 3, "layers": [VALUES | {"n_filt": 8}, VALUES | {"n_filt": 4}]}).draw(1)
    trained = nn.Sequential(module, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2))
    x = torch.rand(7, 3, 12, 10)
    for network, train in ((classifier, False), (classifier, True), (module, False), (trained, True)):
        with FlopCounterMode(display=False) as torchs, counted() as ours:
            pass_through(network, x, train)
        assert ours.operations == torchs.get_total_flops() > 0
    module.requires_grad_(True)
    with FlopCounterMode(display=False) as torchs, counted() as ours:
        pass_through(trained, x, train=True)
    assert ours.operations == torchs.get_total_flops()
    pass_through(trained, x, train=True)
    assert ours.operations == torchs.get_total_flops()  # nothing is counted afterwards
