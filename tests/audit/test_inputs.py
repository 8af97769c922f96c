"""What the audit computes from: its small networks, and the sources of recordings."""

import pytest
import torch
import xarray as xr

from analysis.audit.protocol_steps import protocol_responses, small_networks
from analysis.core.errors import DataError
from analysis.recordings import netcdf


def test_the_products_of_small_networks_and_their_gradients_are_those_of_a_linear_layer():
    generator = torch.Generator().manual_seed(0)
    x, weight = torch.randn((20, 30), generator=generator), torch.randn((4, 30), generator=generator).requires_grad_()
    gradients = []
    for product in (small_networks._Products.apply, torch.nn.functional.linear):
        out = product(x, weight)
        (gradient,) = torch.autograd.grad(out.relu().square().sum(), weight)
        gradients += [out.detach(), gradient]
    torch.testing.assert_close(gradients[0], gradients[2])
    torch.testing.assert_close(gradients[1], gradients[3])


def test_a_recording_without_its_session_has_no_source(tmp_path):
    path = tmp_path / "An220105.nc"
    netcdf.write(xr.Dataset(attrs={"recording": "An220105", "subject": "An"}), path)
    with pytest.raises(DataError, match=r"An220105\.nc.*no attribute session"):
        protocol_responses.find_sources([path], tmp_path, annotations=None)
