"""The ladder on planted neurons: linear functions of what its own network sees, plus noise."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import xarray as xr
import yaml

from analysis import params as settings
from analysis.audit import confound, networks, planted, responses, selection
from analysis.audit.ladder import PLANTED, SMALL, TRAINED, Ladder, examples_of, table_of
from analysis.audit.rungs import Rung
from analysis.core import paths
from analysis.core.errors import DataError
from analysis.core.parallel import map_threads
from analysis.params.protocol import CORRECTED, REPORT
from analysis.stimuli.read import COLUMNS, read_table
from tests.project import ROOT

N_IMAGES = 120


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A project folder with images whose faces hold a bright cross, and the tables of the stage stimuli."""
    folder = tmp_path_factory.mktemp("project")
    rng = np.random.default_rng(0)
    label = np.arange(N_IMAGES) % 2
    images = rng.integers(60, 190, size=(N_IMAGES, 3, 32, 32))
    images[label == 1, :, 12:20, :] += 50
    stimuli = folder / "data" / "stimuli"
    stimuli.mkdir(parents=True)
    np.save(stimuli / "images.npy", images.clip(0, 255).astype(np.uint8))
    named = np.where(label == 1, "face", "non-face")
    by_name = np.where((label == 1) & (np.arange(N_IMAGES) % 10 == 1), "non-face", named)
    stems = [f"{k:032x}" for k in range(N_IMAGES)]
    table = pd.DataFrame(
        {
            "stem": stems,
            "path": [f"Stimuli/{stem}.jpg" for stem in stems],
            "extension": ".jpg",
            "width": 32,
            "height": 32,
            "category": np.where(label == 1, "face", "none"),
            "label": named,
            "annotated": True,
            "group": np.arange(N_IMAGES) // 2 * 2 + label,
            "split": rng.permutation(np.repeat(["train", "validation", "test"], [60, 24, 36])),
            "label_report": by_name,
            "split_report": rng.permutation(np.repeat(["train", "test"], [80, 40])),
        }
    )
    table[COLUMNS].to_csv(stimuli / "images.csv", index=False)
    return folder


@pytest.fixture
def params(folder, monkeypatch, tmp_path):
    monkeypatch.chdir(folder)
    values = yaml.safe_load((ROOT / "params.yaml").read_text())
    values["audit"] |= {"seeds": 2, "split_halves": 4, "shuffles": 40}
    values["audit"]["network"] |= {"size": 32, "candidates": 2, "filters": 8, "grid": 3, "top": 6, "steps": 40}
    values["audit"] |= {"images": "all", "components": [0, 1, 2, 3], "fixed_components": 3, "folds": 4, "repeats": 1}
    path = tmp_path / "params.yaml"
    path.write_text(yaml.safe_dump(values))
    return settings.load(path)


class Planted(Ladder):
    """A ladder whose recordings are planted: units weigh the top layer of its network, noise is Gaussian."""

    noise = 1.0
    offset = 0.0

    def recorded(self, rules):
        return [self._recording(rules, name, k) for k, name in enumerate(("Aa1", "Bb2"))]

    def true(self, rng):
        """Return noise-free responses, (n_images, 12)."""
        seen = self.network(CORRECTED, 0, SMALL)
        true = seen.top @ rng.normal(size=(seen.top.shape[1], 12))
        return (true - true.mean(axis=0)) / true.std(axis=0)

    def _recording(self, rules, name, number):
        rng = np.random.default_rng(number)
        seen, true = self.network(CORRECTED, 0, SMALL), self.true(rng)
        image = np.repeat(np.arange(N_IMAGES), 6)
        trial = np.arange(len(image))
        rate = true[image] + self.noise * rng.normal(size=(len(image), 12)) + self.offset * rng.normal(size=12)
        said = rng.permutation(image) if rules.join == "row" else image
        return xr.Dataset(
            {"rate": (("fixation", "unit"), 10 + rate)},
            coords={
                "stimulus_id": ("fixation", np.array(seen.stems)[said]),
                "trial": ("fixation", trial),
                "selected": ("fixation", np.ones(len(image), bool)),
                "unit": ("unit", [f"{k + 1:03d}" for k in range(12)]),
                "neuroid_id": ("unit", [f"{name}-{k}" for k in range(12)]),
                "region": ("unit", ["AIT"] * 12),
                "stable": ("unit", np.ones(12, bool)),
            },
            attrs={"recording": name, "subject": name[:2]},
        )


@pytest.fixture
def ladder(params):
    return Planted(params, "AIT", [], None, read_table())


def test_corrected_r2_meets_its_ceiling_and_the_join_flaw_leaves_nothing(ladder):
    steps = [
        Rung("flawed alone", 0, "", CORRECTED),
        Rung("flawed alone", 1, "join", replace(CORRECTED, join="row")),
    ]
    table = table_of(ladder, steps, 1)
    assert table["network"].tolist() == [SMALL, SMALL]  # no trained model was given
    right, wrong = table.iloc[0], table.iloc[1]
    # six presentations with noise of the signal's variance: 1 / (1 + 1/6) of the variance can be explained
    assert right["ceiling"] == pytest.approx(6 / 7, abs=0.03)
    assert right["r2"] == pytest.approx(right["ceiling"], abs=0.05)
    assert right["r2_low"] > 0.7
    assert right["rho"] > 0.3
    assert right["units"] == 24
    assert right["over_chance_low"] > 0.7
    for name in ("r2", "over_chance", "pearson_r", "rho", "ceiling"):
        assert wrong[f"{name}_low"] <= 0 <= wrong[f"{name}_high"]
    assert wrong["r2"] == pytest.approx(0, abs=0.02)  # where components are chosen, mostly none are
    fixed = table_of(
        ladder, [Rung("flawed alone", 1, "components", replace(CORRECTED, join="row", components="fixed"))], 1
    )
    assert fixed["r2"][0] < wrong["r2"] - 0.01


def test_the_planted_truth_meets_its_ceiling_and_the_join_flaw_leaves_nothing(ladder, tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "TRUTH", tmp_path / "truth")
    labels = ladder.network(CORRECTED, 0, SMALL).labels
    assert planted.read(["Aa1"], "AIT", labels) is None  # real data: nothing is known
    (tmp_path / "truth").mkdir()
    with pytest.raises(DataError, match=r"Aa1\.nc is missing"):
        planted.read(["Aa1"], "AIT", labels)
    stems = list(labels)
    for number, name in enumerate(("Aa1", "Bb2")):
        true = np.column_stack([ladder.true(np.random.default_rng(number)), 9 * np.arange(N_IMAGES)])
        coords = {"image": stems, "unit": [f"{k}" for k in range(13)], "region": ("unit", ["AIT"] * 12 + ["V1"])}
        order = np.random.default_rng(9).permutation(N_IMAGES)
        data = xr.Dataset({"image_mean": (("image", "unit"), true)}, coords=coords).isel(image=order)
        data.to_netcdf(tmp_path / "truth" / f"{name}.nc", engine="h5netcdf")
    ladder.planted = planted.read(["Aa1", "Bb2"], "AIT", labels)
    fields = {"": CORRECTED, "join": replace(CORRECTED, join="row"), "splits": replace(CORRECTED, splits="single")}
    steps = [Rung("flawed alone", k, name, rules) for k, (name, rules) in enumerate(fields.items())]
    table = table_of(ladder, steps, 1)
    right, wrong = (row for _, row in table[table["network"] == PLANTED].iterrows())
    assert right["r2_low"] < right["ceiling"] < right["r2_high"] + 0.03
    assert right["r2"] > 0.75
    assert wrong["r2_low"] <= 0 <= wrong["r2_high"]
    assert np.isnan(right["accuracy"])


def test_tasks_side_by_side_give_the_bits_of_one_after_the_other(ladder, params, monkeypatch):
    fields = {"join": "row", "components": "fixed", "aggregation": "median_without_outliers"}
    steps = [Rung("flawed alone", k, n, replace(CORRECTED, **{n: v})) for k, (n, v) in enumerate(fields.items())]
    together = table_of(ladder, steps, 2)
    monkeypatch.setattr(
        "analysis.audit.ladder.map_threads", lambda f, items, progress: map_threads(f, items, threads=1)
    )
    pd.testing.assert_frame_equal(
        table_of(Planted(params, "AIT", [], None, read_table()), steps, 2), together, check_exact=True
    )
    assert table_of(ladder, steps, 2).to_csv() == together.to_csv()


def test_merged_recordings_are_carried_by_blocks_and_single_ones_are_not(ladder):
    ladder.offset = 8.0
    table = confound.confound(ladder, 1)
    rows = table.groupby(["join", "table"])
    assert table["images"].min() >= 100
    # the label is the recording, so what is left within blocks is the label's share: all of it without a right join
    flawed = rows.get_group(("row", "merged"))
    assert flawed["flagged"].all()
    assert np.allclose(flawed["left_block"], flawed["rho"], atol=0.05)
    assert not rows.get_group(("trial_id", "single"))["flagged"].any()
    assert (rows.get_group(("trial_id", "single"))["left_block"].abs() < 0.05).all()
    assert not rows.get_group(("row", "single"))["flagged"].any()
    assert (rows.get_group(("row", "merged"))["rho"] > rows.get_group(("row", "single"))["rho"].max()).all()


def test_halves_share_no_presentation_and_lose_none(ladder):
    whole = ladder.recorded(CORRECTED)[0]
    first, second = responses.halves(whole, np.random.default_rng(0))
    assert sorted([*first["trial"].values, *second["trial"].values]) == list(whole["trial"].values)
    _, counts = np.unique(first["stimulus_id"].values, return_counts=True)
    assert (counts == 3).all()


def test_counts_per_image_follow_the_rows(ladder):
    whole = ladder.recorded(CORRECTED)[0].isel(fixation=slice(0, 12))
    count = np.arange(12 * 12).reshape(12, 12)
    whole = whole.assign(count=(("fixation", "unit"), count), image_count=(("image", "unit"), np.zeros((2, 12), int)))
    whole = whole.assign_coords(image=("image", ["a", "b"]))
    part = responses.part(whole, np.arange(12) < 9)
    assert part["image"].values.tolist() == [f"{k:032x}" for k in range(2)]
    assert np.array_equal(part["image_count"].values, [count[:6].sum(axis=0), count[6:9].sum(axis=0)])


@pytest.mark.parametrize("labels", ["roi", "filename"])
@pytest.mark.parametrize("selected_on", ["validation", "test"])
def test_every_pair_of_labels_and_selection_has_its_images(params, labels, selected_on):
    rules = replace(REPORT, labels=labels, selection=selected_on)
    examples = examples_of(rules, 0.2, 1)
    assert examples.selection == selected_on
    column = "label" if labels == "roi" else "label_report"
    assert np.array_equal(examples.label == 1, read_table()[column] == "face")
    rows = [set(examples.rows(name)) for name in ("train", selected_on, "test")]
    assert all(rows)
    assert not rows[0] & rows[1]
    assert not rows[0] & rows[2]
    if selected_on == "validation":
        assert not rows[1] & rows[2]


def test_small_networks_learn_and_repeat(params):
    images, label = np.load("data/stimuli/images.npy"), (np.arange(N_IMAGES) % 2)
    rows = np.arange(80)
    pool = networks.Pool(images, params.audit.network, 3)
    one, again = pool.trained(label, rows), networks.Pool(images, params.audit.network, 3).trained(label, rows)
    assert np.array_equal(one[0].top, again[0].top)
    assert one[0].top.shape == (N_IMAGES, 6)
    chosen = networks.best(one, label, np.arange(80, 120))
    assert networks.accuracy(chosen, label, np.arange(80, 120)) > 0.8


def test_selection_on_the_test_images_is_optimistic_where_nothing_can_be_learned(params):
    rng = np.random.default_rng(0)
    images = rng.integers(0, 255, size=(N_IMAGES, 3, 32, 32)).astype(np.uint8)
    values = params.audit.network.model_copy(update={"candidates": 5, "steps": 10})
    pool = networks.Pool(images, values, 0)
    table = selection.optimism(
        pool, rng.integers(2, size=N_IMAGES), np.arange(N_IMAGES), validation=0.2, test=0.25, splits=8, seed=0
    )
    assert (table["optimism"] >= 0).all()
    found = selection.summary(table)
    assert found["non_nested"] > found["mean"] + 0.02
    assert found["nested"] == pytest.approx(0.5, abs=0.08)
    assert found["optimism_low"] > 0


def test_trained_models_are_absent_where_labels_or_selection_differ(ladder):
    seen = ladder.network(CORRECTED, 0, SMALL)
    ladder.trained = {("roi", "validation"): seen}
    assert ladder.scores(CORRECTED, 0, TRAINED) is not None
    assert ladder.scores(replace(CORRECTED, selection="test"), 0, TRAINED) is None
