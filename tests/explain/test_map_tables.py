"""Tables of maps: which change with the weights, which beat which, and which units follow them."""

import numpy as np
import pandas as pd
import pytest
import torch

from analysis.explain import map_tables
from analysis.explain.maps.model_maps import CONTROL, TRAINED, UNTRAINED, Explained, NotExplained, explain_model
from analysis.statistics.inference import fdr


@pytest.fixture
def explained() -> Explained:
    """Ten images; the maps of `gradcam` are the same without training, those of `lime` are not."""
    rng = np.random.default_rng(0)
    same, first, second = rng.random((3, 10, 8, 8))
    maps = {
        (TRAINED, "gradcam"): same,
        (UNTRAINED, "gradcam"): same + 0.01 * first,
        (TRAINED, "lime"): first,
        (UNTRAINED, "lime"): second,
    }
    stems = tuple(f"{number}" for number in range(10))
    return Explained("toy", {}, stems, np.arange(10), torch.zeros(10, 3, 8, 8), np.ones((10, 8, 8), bool), maps, {})


def test_the_randomisation_check_fails_for_maps_that_training_does_not_change(explained):
    found = map_tables.randomisation_table(explained, 100, 0).set_index("method")
    assert found["passes"].to_dict() == {"gradcam": False, "lime": True}
    assert found.loc["gradcam", "estimate"] > 0.95
    assert abs(found.loc["lime", "estimate"]) < 0.2


def test_a_map_beats_another_if_its_interval_lies_above(explained):
    ends = {
        (TRAINED, "gradcam"): (0.7, 0.55, 0.85),
        (UNTRAINED, "gradcam"): (0.4, 0.25, 0.5),
        (TRAINED, "lime"): (0.5, 0.3, 0.7),
        (UNTRAINED, "lime"): (0.2, 0.1, 0.31),
        (CONTROL, "centre"): (0.5, 0.4, 0.6),
        (CONTROL, "prior"): (0.3, 0.1, 0.54),
        (CONTROL, "edges"): (0.1, 0.0, 0.2),
    }
    rows = [("toy", *key, "pointing", 10, *one) for key, one in ends.items()]
    given = {
        "attribution": pd.DataFrame(rows, columns=map_tables.ATTRIBUTION),
        "randomisation": map_tables.randomisation_table(explained, 20, 0),
    }
    found = map_tables.summarise_model(given, "toy", explained)["pointing"]
    beaten = {name: [key for key in one if key.startswith("beats") and one[key]] for name, one in found.items()}
    assert beaten == {"gradcam": ["beats_untrained", "beats_prior", "beats_edges"], "lime": ["beats_edges"]}


def test_false_discoveries_are_bounded_within_an_area_for_each_map():
    rng = np.random.default_rng(1)
    p = {"V1": rng.uniform(0.001, 1, 30), "AIT": rng.uniform(0.001, 0.04, 6)}
    rows = [
        dict(zip(map_tables.MAP, ("toy", TRAINED, method), strict=True))
        | {"recording": "R1", "subject": "M", "region": region, "unit": str(unit), "neuroid_id": f"R1-{unit}"}
        | {"n_images": 10, "n_fixations": 99, "r": 0.1, "shuffled": 0.0, "beyond": 0.1, "p": value}
        for method in ("gradcam", "lime")
        for region, values in p.items()
        for unit, value in enumerate(values if method == "gradcam" else np.minimum(9 * values, 1))
    ]
    units, areas = map_tables.summarise_units(rows, draws=100, seed=0)
    for (method, region), part in units.groupby(["method", "region"]):
        follows, q = fdr(p[region] if method == "gradcam" else np.minimum(9 * p[region], 1))
        np.testing.assert_allclose(part["q"], q)
        assert part["follows"].tolist() == follows.tolist()
        one = areas[(areas["method"] == method) & (areas["region"] == region)].iloc[0]
        assert one["n_follow"] == follows.sum()
    assert areas.set_index(["method", "region"])["n_follow"]["gradcam", "AIT"] == 6


def test_a_model_whose_inputs_are_not_images_has_no_maps(values):
    with pytest.raises(NotExplained, match="images"):
        explain_model("toy", {}, torch.zeros(3, 7), None, None, values, 0, "cpu")
