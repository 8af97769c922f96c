import numpy as np
import pandas as pd
import pytest

from analysis.compare.read import CHOSEN, UNITS
from analysis.core.areas import AREAS
from benchmarks import layer_order
from benchmarks.layer_order import order_of


def study(layer_of_area, seed=0, unpredicted=4):
    """Return r by layer and the units: 6 recordings with 5 units of each area, the last of which nothing predicts."""
    rng = np.random.default_rng(seed)
    units = pd.DataFrame(
        [
            {"recording": f"r{k}", "region": area, "n_images": 100, "known": u < unpredicted}
            for k in range(6)
            for area in AREAS
            for u in range(5)
        ]
    )
    r = rng.uniform(-0.05, 0.05, (len(units), 4))
    best = np.array([layer_of_area[area] for area in units["region"]])
    r[np.arange(len(units)), best] += 0.4 * units["known"].to_numpy()
    return r, units


def test_an_order_of_layers_is_recovered_and_its_reverse_is_not():
    depths = (0, 0, 1, 2, 2, 3)
    found = order_of(*study(dict(zip(AREAS, depths, strict=True))))
    assert found["recovered"]
    assert found["best_layer"]["mean_depth"] == list(depths)
    assert found["best_layer"]["rho"] == pytest.approx(found["best_layer"]["high"], abs=0.05)
    assert found["units"] == [30] * 6
    assert found["predicted"] == [24] * 6  # a unit that no layer predicts has no depth
    reverse = order_of(*study(dict(zip(AREAS, depths[::-1], strict=True))))
    assert not reverse["recovered"]
    assert reverse["best_layer"]["high"] < 0


def test_one_layer_that_is_best_for_all_areas_is_no_order():
    assert not order_of(*study(dict.fromkeys(AREAS, 3)))["recovered"]


def test_an_order_of_units_that_nothing_predicts_is_undefined():
    found = order_of(*study(dict.fromkeys(AREAS, 0), unpredicted=0))
    assert [found["best_layer"][name] for name in ("rho", "low", "high")] == [None, None, None]  # JSON has no NaN
    assert found["recovered"] is False


def test_systems_with_and_without_an_order_are_drawn(tmp_path, monkeypatch):
    monkeypatch.setattr(layer_order, "FIGURES", tmp_path)
    orders = dict(zip(AREAS, (0, 0, 1, 2, 2, 3), strict=True)), dict.fromkeys(AREAS, 0)
    systems = [{"layers": list("abcd"), **order_of(*study(order, unpredicted=4 * k))} for k, order in enumerate(orders)]
    layer_order.draw(dict(zip(("none", "planted"), systems, strict=True)))
    assert (tmp_path / "layer_order.png").read_bytes().startswith(b"\x89PNG")


def test_networks_are_judged_by_their_own_layers_in_the_table_of_units(tmp_path, monkeypatch):
    depths = (0, 0, 1, 2, 2, 3)
    r, units = study(dict(zip(AREAS, depths, strict=True)))
    units = units.assign(neuroid_id=range(len(units)), model="deep", protocol="corrected")
    layers = ["N1", "N2", "N3", "top", CHOSEN]
    scores = [*r.T, r.max(axis=1)]
    table = pd.concat([units.assign(layer=layer, r=one) for layer, one in zip(layers, scores, strict=True)])
    (tmp_path / "results").mkdir()
    table.reindex(columns=UNITS).to_csv(tmp_path / "results" / "units.csv", index=False)
    monkeypatch.chdir(tmp_path)
    found = layer_order.order_of_networks()["deep"]
    assert found["layers"] == layers[:-1]
    assert found["best_layer"]["mean_depth"] == list(depths)
