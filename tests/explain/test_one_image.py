"""One image given by hand."""

import dataclasses
import json
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from analysis.core.errors import DataError
from analysis.explain import command, explained_networks, one_image
from analysis.models import data, registry


@pytest.fixture
def given(tmp_path, monkeypatch, watcher, values):
    """A project in which the toy network is the trained model, and a picture that is twice as wide as high."""
    settings = SimpleNamespace(
        models=SimpleNamespace(entry=lambda name: SimpleNamespace(rules=None, kind="simple_cnn")),
        explain=values,
        seed=1,
    )
    examples = data.Examples(np.zeros((1, 3, 48, 48), np.uint8), pd.DataFrame(), None, None, "validation", {})
    monkeypatch.setattr(data, "load", lambda rules: examples)
    monkeypatch.setattr(explained_networks, "load", lambda *_: (watcher, {"size": 24}))
    pixels = np.full((40, 80, 3), 110, np.uint8)
    pixels[:, 30:60] = (230, 180, 110)
    Image.fromarray(pixels).save(tmp_path / "picture.png")
    return settings, tmp_path


def test_maps_and_numbers_of_one_image(given, region):
    settings, folder = given
    lines = one_image.explain_file(settings, "toy", folder / "picture.png", folder / "out")
    about = json.loads((folder / "out/picture.json").read_text())
    assert lines[0].startswith("toy: P(face) = ")
    assert 0.5 < about["p_face"] <= 1
    assert set(about["maps"]) == {"occlusion", "lime"}
    for method, numbers in about["maps"].items():
        table = pd.read_csv(folder / f"out/picture_{method}.csv").to_numpy()
        assert table.shape == region.shape
        assert region[int(numbers["peak_y"] * 24), int(numbers["peak_x"] * 24)]
        with Image.open(folder / f"out/picture_{method}.png") as drawn:
            assert drawn.width == pytest.approx(2 * drawn.height, abs=2)
    first = (folder / "out/picture_lime.png").read_bytes()
    one_image.explain_file(settings, "toy", folder / "picture.png", folder / "out", force=True)
    assert (folder / "out/picture_lime.png").read_bytes() == first


def test_bad_input_is_named(given, monkeypatch):
    settings, folder = given
    (folder / "text.png").write_text("no image")
    with pytest.raises(DataError, match=r"text\.png: not a readable image"):
        one_image.explain_file(settings, "toy", folder / "text.png", folder)
    with pytest.raises(DataError, match="nothing not found: give an image file"):
        one_image.explain_file(settings, "toy", folder / "nothing", folder)
    kind = dataclasses.replace(registry.kind("simple_cnn"), inputs=lambda *_: torch.zeros(1, 2))
    monkeypatch.setattr(registry, "kind", lambda name: kind)
    with pytest.raises(DataError, match="toy: its inputs are not images"):
        one_image.explain_file(settings, "toy", folder / "picture.png", folder)
    with pytest.raises(DataError, match="give both --model and --image"):
        command.explain(model="toy", image=None, out=folder)
