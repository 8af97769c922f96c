"""Are units of later areas best predicted by deeper layers, as simulated? Writes layer_order.json and .png.

Run from the root of a project whose default pipeline has finished (simulated data):

    python -m benchmarks.layer_order

The layers are those of every network in the results, and those that drive the units of the simulated world: maps of
early features, then blocks of the teacher network or the face term. The latter are compared with the same folds and the
same regression as networks, so that their failures are due to the comparison and not to a network.
"""

import numpy as np
import pandas as pd
from scipy import stats

from analysis import params
from analysis.compare.read import CHOSEN
from analysis.core import numerics, paths
from analysis.core.areas import AREAS
from analysis.neural import read as neural
from analysis.neural import scoring
from analysis.neural.scoring import number
from analysis.params.protocol import CORRECTED
from analysis.simulate.experiment import make_image
from analysis.simulate.responses.neurons import face_terms
from analysis.simulate.responses.worlds import FACE, MAPS, WORLDS, teacher_is_needed
from analysis.simulate.scenes import draw_scenes
from analysis.statistics import inference
from analysis.stimuli.read import read_table
from benchmarks.sizes import FIGURES, keep

CELLS = 4
"""Maps are averaged to this many rows and columns."""


def planted_stages(values: params.Params) -> tuple[list[str], dict[str, np.ndarray]]:
    """Return the stems of the simulated images and their features in each stage, (n_images, n_features)."""
    scenes = draw_scenes(values.simulate, values.seed)
    truth = pd.read_csv(paths.TRUTH / "scenes.csv")
    if len(truth) != len(scenes):
        raise SystemExit("data/raw is not the experiment that params.yaml simulates: run dvc repro first")
    maps = [make_image(scene, teacher_is_needed(values.simulate.world))[2] for scene in scenes]
    stages = {}
    for source in WORLDS[values.simulate.world]:
        if source == FACE:
            stages[source] = np.stack([face_terms(scene) for scene in scenes])
        elif source in MAPS:  # otherwise the units do not depend on the images
            array, part = MAPS[source].array, MAPS[source].part
            stages[source] = np.stack([_cells(one[array][part]).ravel() for one in maps])
    return truth["stem"].tolist(), stages


def _cells(maps: np.ndarray) -> np.ndarray:
    rows, columns = (np.array_split(np.arange(length), CELLS) for length in maps.shape[1:])
    means = [[maps[:, r[0] : r[-1] + 1, c[0] : c[-1] + 1].mean(axis=(1, 2)) for c in columns] for r in rows]
    return np.moveaxis(np.array(means), -1, 0)


def order_of_stages() -> dict:
    """Assess the order of the units by the stages that drive them."""
    values = params.load()
    stems, stages = planted_stages(values)
    groups = neural.Images(read_table(), neural.read_levels("corrected")).groups
    scores, units = [], []
    for measured in neural.read_populations("corrected"):
        one = measured.population
        rows = scoring.rows_of(one, stems)
        features = {stage: np.asarray(x[rows], np.float64) for stage, x in stages.items()}
        seed = neural.seed_for(values.seed, one)
        found = scoring.predictivity(one, features, groups, CORRECTED, values.compare, seed)
        scores.append(np.stack([r for _, r in found.values()], axis=1))
        units += [{"recording": one.recording, "region": one.region, "n_images": len(one.images)}] * len(one.units)
    r, units = np.concatenate(scores), pd.DataFrame(units)
    known = np.isfinite(r).all(axis=1)
    return {"layers": list(stages), **order_of(r[known], units[known])}


def order_of_networks() -> dict:
    """Assess the order of the units by the layers of each network.

    Units are assessed rather than areas: if a model hardly predicts an area, its best layer by median is determined by
    noise. For the same reason, units that no layer predicts (r below 1.96 / sqrt(n_images)) are excluded. We take
    Spearman's correlation of the area's position with the depth of the unit's best layer, with an interval over
    recordings, and also with the mean depth of the layers weighted by r2. The order counts as recovered if the interval
    of the former is above 0.
    """
    table = pd.read_csv(paths.RESULTS / "units.csv")
    table = table[(table["protocol"] == "corrected") & (table["layer"] != CHOSEN)]
    result = {}
    for model, part in table.groupby("model", sort=False):
        layers = list(dict.fromkeys(part["layer"]))
        if len(layers) > 2:  # two layers are too few for an order
            keys = ["recording", "region", "neuroid_id", "n_images"]
            wide = part.pivot(index=keys, columns="layer", values="r")[layers].dropna()
            result[model] = {"layers": layers, **order_of(wide.to_numpy(), wide.index.to_frame(index=False))}
    return result


def order_of(r: np.ndarray, units) -> dict:
    """Assess the order of units from r (n_units, n_layers); `units` has recording, region, n_images."""
    predicted = r.max(axis=1) > 1.96 / np.sqrt(units["n_images"].to_numpy())
    place, recording = units["region"].map(AREAS.index).to_numpy(), units["recording"].to_numpy()[predicted]
    weight = np.clip(r, 0, None) ** 2
    depths = {
        "best_layer": r.argmax(axis=1).astype(float),
        "centre": (weight @ np.arange(r.shape[1])) / np.maximum(weight.sum(axis=1), 1e-12),
    }
    found: dict = {
        "areas": list(AREAS),
        "units": [int(np.sum(place == k)) for k in range(len(AREAS))],
        "predicted": [int(np.sum(place[predicted] == k)) for k in range(len(AREAS))],
    }
    for name, depth in depths.items():
        pair = np.stack([place[predicted], depth[predicted]])
        rows = np.arange(pair.shape[1])
        ends = inference.bootstrap_interval(rows, lambda k, pair=pair: order_in(pair, k), (recording,), limits=(-1, 1))
        by_area = [depth[predicted & (place == k)] for k in range(len(AREAS))]
        found[name] = {
            "mean_depth": [float(d.mean()) if len(d) else None for d in by_area],
            "rho": number(ends.estimate),
            "low": number(ends.low),
            "high": number(ends.high),
        }
    low = found["best_layer"]["low"]
    found["recovered"] = low is not None and low > 0
    return found


def order_in(pair: np.ndarray, rows: np.ndarray) -> float:
    """Return Spearman's correlation of position and depth (2, n_units) over some units; NaN if either is constant."""
    drawn = pair[:, rows.astype(int)]
    return float(stats.spearmanr(*drawn).statistic) if (np.ptp(drawn, axis=1) > 0).all() else np.nan


def draw(found: dict) -> None:
    """Draw the depth of the units' best layers by area, and its correlation with the order of areas."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3.6), layout="constrained")
    depth, order = figure.subplots(1, 2)
    for place, one in enumerate(found.values()):
        best, color = one["best_layer"], f"C{place}"
        share = [np.nan if mean is None else mean / (len(one["layers"]) - 1) for mean in best["mean_depth"]]
        depth.plot(share, "o-", color=color, markersize=4, linewidth=1)
        if best["rho"] is not None:
            order.plot([best["low"], best["high"]], [place, place], color=color)
            order.plot(best["rho"], place, "o" if one["recovered"] else "x", color=color)
    depth.set_xticks(range(len(AREAS)), AREAS)
    depth.set_ylim(-0.05, 1.05)
    depth.set_ylabel("depth of the best layer (0: first, 1: last)")
    order.axvline(0, color="0.5", linewidth=0.8)
    order.set_yticks(range(len(found)), found)
    order.set_ylim(len(found) - 0.5, -0.5)
    order.set_xticks([-1, -0.5, 0, 0.5, 1])
    order.set_xlabel("rank correlation of area and depth, 95 % interval")
    figure.savefig(FIGURES / "layer_order.png", dpi=110, metadata={"Software": None})


def main() -> None:
    """Assess stages and networks; write the results beside this file."""
    found = {"planted stages": order_of_stages()} | order_of_networks()
    keep("layer_order", found)
    draw(found)
    for name, one in found.items():
        print(name, {end: one["best_layer"][end] for end in ("mean_depth", "rho", "low", "high")})


if __name__ == "__main__":
    numerics.restart()
    main()
