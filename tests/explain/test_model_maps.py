"""All maps of one model, and the gallery, for the network that looks at one square."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from analysis.explain import explained_networks, gallery
from analysis.explain.model_maps import INITIAL, TRAINED, NotExplained, explain_model
from analysis.recordings.rois import Rois

LABEL = np.array([1] * 6 + [0] * 6)


@pytest.fixture
def given(tmp_path, pictures, region):
    """Twelve images, of which the first six show a face in the square; of these, four are test images."""
    bright, plain = (pictures[0].clone() for _ in range(2))
    plain[:, region] = 0.2
    inputs = torch.stack([bright if face else plain for face in LABEL]).mul(255).to(torch.uint8)
    category = ["face"] * 6 + ["pareidolia"] * 3 + ["object"] * 3
    table = pd.DataFrame({"stem": list("abcdefghijkl"), "category": category, "group": range(12)})
    table = table.assign(width=24, height=24)
    split = np.array((["train"] * 2 + ["test"] * 4) + ["train", "test", "test"] * 2)
    (tmp_path / "face").mkdir()
    for stem in "abcdef":
        Image.fromarray(np.uint8(255 * region)).save(tmp_path / f"face/{stem}.png")
    examples = SimpleNamespace(images=inputs.numpy(), table=table, label=LABEL, split=split)
    return inputs, examples, Rois(tmp_path)


def explain(given, watcher, values, images):
    inputs, examples, rois = given
    networks = {TRAINED: watcher, INITIAL: explained_networks.untrained(watcher, 0)}
    return explain_model("toy", networks, inputs, examples, rois, values, images, "cpu")


def test_test_images_with_a_face_are_scored_and_those_of_the_gallery_shown(given, watcher, values, region):
    inputs, examples, rois = given
    chosen = gallery.choose_images(examples, rois, values)
    assert {kind: rows.tolist() for kind, rows in chosen.items()} == {
        "face": [2, 3, 4, 5], "pareidolia": [7, 8], "object": [10, 11]
    }  # fmt: skip
    found = explain(given, watcher, values, np.concatenate(list(chosen.values())))
    assert (found.rows.tolist(), found.n_scored) == ([2, 3, 4, 5, 7, 8, 10, 11], 4)
    assert found.faces[:4].all(axis=0).tolist() == region.tolist()
    assert not found.faces[4:].any()
    assert {weights: len(maps) for (weights, _), maps in found.maps.items()} == {TRAINED: 8, INITIAL: 4}
    evidence = explained_networks.Evidence(watcher)(inputs[[2, 7]].float() / 255)
    np.testing.assert_allclose(found.p_face[[0, 4]], evidence.sigmoid().numpy(), rtol=1e-5)
    means = found.mean_p_face
    assert means["faces"]["intact"] == pytest.approx(found.p_face[:4].mean())
    assert means["non_faces"]["intact"] == pytest.approx(found.p_face[4:].mean())
    assert means["faces"]["intact"] > means["faces"]["blurred"]
    pictures = gallery.build_gallery(chosen, examples, rois, [found])
    assert pictures["kind"].values.tolist() == ["face"] * 4 + ["pareidolia"] * 2 + ["object"] * 2
    for method in ("lime", "occlusion"):
        shown = pictures["map_toy"].sel({"method": method}).values
        np.testing.assert_array_equal(shown, found.maps[TRAINED, method])
    assert pictures["face"].values[:, region].all(axis=1).tolist() == [True] * 4 + [False] * 4


def test_fewer_images_are_evenly_spaced(given, watcher, values):
    found = explain(given, watcher, values.model_copy(update={"images": 2}), np.arange(0))
    assert found.rows.tolist() == [2, 5]


def test_a_model_without_faces_to_test_is_not_explained(given, watcher, values):
    given[1].split[:5] = "train"
    with pytest.raises(NotExplained, match="fewer than two"):
        explain(given, watcher, values, np.arange(0))
