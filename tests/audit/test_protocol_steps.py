"""Protocol steps on planted neurons: linear functions of the audit's own network, plus noise."""

import itertools
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import xarray as xr
import yaml
from analysis.audit.protocol_steps.steps import Step

from analysis import params as settings
from analysis.audit.flaws import block_confound, selection_bias
from analysis.audit.protocol_steps import protocol_responses, simulated_truth, small_networks, steps
from analysis.audit.protocol_steps.inputs import Inputs, once_per
from analysis.audit.protocol_steps.network_outputs import examples_of
from analysis.audit.protocol_steps.scores import (
    PLANTED,
    SMALL,
    TRAINED,
    recordings,
    score_protocol,
    score_steps,
    small_network,
)
from analysis.core import paths
from analysis.core.errors import DataError
from analysis.core.parallel import map_threads
from analysis.params.protocol import CORRECTED, REPORT
from analysis.stimuli.read import COLUMNS, read_table
from tests.project import ROOT

N_IMAGES = 120
N_UNITS = 12
N_PRESENTATIONS = 6


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
    values["audit"] |= {"images": "all", "fixed_components": 3, "folds": 4, "repeats": 1}
    path = tmp_path / "params.yaml"
    path.write_text(yaml.safe_dump(values))
    return settings.load(path)


def planted_responses(network, rng: np.random.Generator) -> np.ndarray:
    """Noise-free responses (n_images, N_UNITS): random weights of the network's top layer, standardised."""
    true = network.top @ rng.normal(size=(network.top.shape[1], N_UNITS))
    return (true - true.mean(axis=0)) / true.std(axis=0)


def plant_recording(network, join: str, name: str, seed: int, offset: float) -> xr.Dataset:
    """A recording whose units weigh the network's top layer, with Gaussian noise of unit variance.

    `offset` is the standard deviation of what the recording adds to all responses of a unit.
    """
    rng = np.random.default_rng(seed)
    true = planted_responses(network, rng)
    image = np.repeat(np.arange(N_IMAGES), N_PRESENTATIONS)
    noise = rng.normal(size=(len(image), N_UNITS))
    rate = true[image] + noise + offset * rng.normal(size=N_UNITS)
    joined = rng.permutation(image) if join == "row" else image
    return xr.Dataset(
        {"rate": (("fixation", "unit"), 10 + rate)},
        coords={
            "stimulus_id": ("fixation", np.array(network.stems)[joined]),
            "trial": ("fixation", np.arange(len(image))),
            "selected": ("fixation", np.ones(len(image), bool)),
            "unit": ("unit", [f"{k + 1:03d}" for k in range(N_UNITS)]),
            "neuroid_id": ("unit", [f"{name}-{k}" for k in range(N_UNITS)]),
            "region": ("unit", ["AIT"] * N_UNITS),
            "stable": ("unit", np.ones(N_UNITS, bool)),
        },
        attrs={"recording": name, "subject": name[:2]},
    )


RECORDINGS = ("Aa1", "Bb2")


@pytest.fixture
def network(params):
    """The small network of the corrected protocol, of which planted units are linear functions."""
    return small_network(Inputs(params, "AIT", read_table(), lambda protocol: []), CORRECTED, 0)


@pytest.fixture
def make_inputs(params, network):
    """Inputs with two planted recordings."""

    def make(offset: float = 0.0, **more) -> Inputs:
        def build(protocol):
            return [plant_recording(network, protocol.join, name, k, offset) for k, name in enumerate(RECORDINGS)]

        return Inputs(params, "AIT", read_table(), build, **more)

    return make


@pytest.fixture
def inputs(make_inputs):
    return make_inputs()


def test_corrected_r2_meets_its_ceiling_and_the_join_flaw_leaves_nothing(inputs):
    two_steps = [
        Step("flawed alone", 0, "", CORRECTED),
        Step("flawed alone", 1, "join", replace(CORRECTED, join="row")),
    ]
    table = score_steps(inputs, two_steps, 1)
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
    fixed_components = replace(CORRECTED, join="row", regression="pls")
    fixed = score_steps(inputs, [Step("flawed alone", 1, "regression", fixed_components)], 1)
    assert fixed["r2"][0] < wrong["r2"] - 0.01


@pytest.fixture
def truth_folder(tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "TRUTH", tmp_path / "truth")
    return tmp_path / "truth"


def test_real_data_have_no_truth_and_a_missing_file_of_simulated_data_is_named(truth_folder):
    assert simulated_truth.read(["Aa1"], "AIT", {}) is None
    truth_folder.mkdir()
    with pytest.raises(DataError, match=r"Aa1\.nc"):
        simulated_truth.read(["Aa1"], "AIT", {})


def test_the_simulated_truth_meets_its_ceiling_and_the_join_flaw_leaves_nothing(make_inputs, network, truth_folder):
    truth_folder.mkdir()
    for number, name in enumerate(RECORDINGS):
        true = np.column_stack([planted_responses(network, np.random.default_rng(number)), 9 * np.arange(N_IMAGES)])
        regions = ["AIT"] * N_UNITS + ["V1"]
        coords = {"image": network.stems, "unit": [f"{k}" for k in range(N_UNITS + 1)], "region": ("unit", regions)}
        order = np.random.default_rng(9).permutation(N_IMAGES)
        data = xr.Dataset({"image_mean": (("image", "unit"), true)}, coords=coords).isel(image=order)
        data.to_netcdf(truth_folder / f"{name}.nc", engine="h5netcdf")
    inputs = make_inputs(truth=simulated_truth.read(RECORDINGS, "AIT", network.labels))
    fields = {"": CORRECTED, "join": replace(CORRECTED, join="row"), "splits": replace(CORRECTED, splits="single")}
    three_steps = [Step("flawed alone", k, name, protocol) for k, (name, protocol) in enumerate(fields.items())]
    table = score_steps(inputs, three_steps, 1)
    right, wrong = (row for _, row in table[table["network"] == PLANTED].iterrows())
    assert right["r2_low"] < right["ceiling"] < right["r2_high"] + 0.03
    assert right["r2"] > 0.75
    assert wrong["r2_low"] <= 0 <= wrong["r2_high"]
    assert np.isnan(right["accuracy"])


def test_scores_do_not_depend_on_the_number_of_threads(make_inputs, monkeypatch):
    fields = {"join": "row", "regression": "pls", "aggregation": "median_without_outliers"}
    three_steps = [
        Step("flawed alone", k, name, replace(CORRECTED, **{name: value}))
        for k, (name, value) in enumerate(fields.items())
    ]
    inputs = make_inputs()
    together = score_steps(inputs, three_steps, 2)
    monkeypatch.setattr(
        "analysis.audit.protocol_steps.scores.map_threads",
        lambda function, items, progress: map_threads(function, items, threads=1),
    )
    pd.testing.assert_frame_equal(score_steps(make_inputs(), three_steps, 2), together, check_exact=True)
    assert score_steps(inputs, three_steps, 2).to_csv() == together.to_csv()


def test_results_are_computed_once_for_protocols_that_agree(inputs):
    computed = []

    @once_per(("join", "labels"))
    def joined(inputs, protocol, number):
        computed.append(number)
        return protocol.join, number

    assert joined(inputs, CORRECTED, 1) == joined(inputs, replace(CORRECTED, splits="single"), 1) == ("trial_id", 1)
    assert computed == [1]
    assert joined(inputs, replace(CORRECTED, join="row"), 1) == ("row", 1)
    assert joined(inputs, CORRECTED, 2) == ("trial_id", 2)
    assert computed == [1, 1, 2]


def test_steps_that_share_results_score_as_they_do_alone(make_inputs):
    fields = {"join": "row", "selection": "test", "labels": "filename", "splits": "single", "regression": "pls"}
    changed = [
        Step("flawed alone", k, name, replace(CORRECTED, **{name: value}))
        for k, (name, value) in enumerate(fields.items())
    ]
    together = score_steps(make_inputs(), changed, 1)
    alone = pd.concat([score_steps(make_inputs(), [step], 1) for step in changed], ignore_index=True)
    pd.testing.assert_frame_equal(together, alone, check_exact=True)


def test_merged_recordings_are_carried_by_blocks_and_single_ones_are_not(make_inputs):
    table = block_confound.score_confounded_tables(make_inputs(offset=8.0), 1)
    rows = table.groupby(["join", "table"])
    assert table["images"].min() >= 100
    # the recording predicts the label, so the label's share of rho remains within blocks: all of it where the trial
    # join is wrong
    flawed = rows.get_group(("row", "merged"))
    assert flawed["flagged"].all()
    assert np.allclose(flawed["left_block"], flawed["rho"], atol=0.05)
    assert not rows.get_group(("trial_id", "single"))["flagged"].any()
    assert (rows.get_group(("trial_id", "single"))["left_block"].abs() < 0.05).all()
    assert not rows.get_group(("row", "single"))["flagged"].any()
    assert (rows.get_group(("row", "merged"))["rho"] > rows.get_group(("row", "single"))["rho"].max()).all()


def test_halves_share_no_presentation_and_lose_none(inputs):
    whole = recordings(inputs, CORRECTED)[0]
    first, second = protocol_responses.split_presentations(whole, np.random.default_rng(0))
    assert sorted([*first["trial"].values, *second["trial"].values]) == list(whole["trial"].values)
    _, counts = np.unique(first["stimulus_id"].values, return_counts=True)
    assert (counts == N_PRESENTATIONS / 2).all()


def test_counts_per_image_are_those_of_the_selected_fixations(inputs):
    whole = recordings(inputs, CORRECTED)[0].isel(fixation=slice(0, 12))
    count = np.arange(12 * 12).reshape(12, 12)
    whole = whole.assign(count=(("fixation", "unit"), count), image_count=(("image", "unit"), np.zeros((2, 12), int)))
    whole = whole.assign_coords(image=("image", ["a", "b"]))
    selected = protocol_responses.select_fixations(whole, np.arange(12) < 9)
    assert selected["image"].values.tolist() == [f"{k:032x}" for k in range(2)]
    assert np.array_equal(selected["image_count"].values, [count[:6].sum(axis=0), count[6:9].sum(axis=0)])


@pytest.mark.parametrize("labels", ["roi", "filename"])
@pytest.mark.parametrize("selected_on", ["validation", "test"])
def test_every_pair_of_labels_and_selection_has_its_images(params, labels, selected_on):
    examples = examples_of(replace(REPORT, labels=labels, selection=selected_on), 0.2, 1)
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
    pool = small_networks.Pool(images, params.audit.network, 3)
    one, again = pool.trained(label, rows), small_networks.Pool(images, params.audit.network, 3).trained(label, rows)
    assert np.array_equal(one[0].top, again[0].top)
    assert one[0].top.shape == (N_IMAGES, 6)
    chosen = small_networks.best(one, label, np.arange(80, 120))
    assert small_networks.accuracy(chosen, label, np.arange(80, 120)) > 0.8


def test_selection_on_the_test_images_is_optimistic_where_nothing_can_be_learned(params):
    rng = np.random.default_rng(0)
    images = rng.integers(0, 255, size=(N_IMAGES, 3, 32, 32)).astype(np.uint8)
    values = params.audit.network.model_copy(update={"candidates": 5, "steps": 10})
    pool = small_networks.Pool(images, values, 0)
    table = selection_bias.measure_optimism(
        pool, rng.integers(2, size=N_IMAGES), np.arange(N_IMAGES), validation=0.2, test=0.25, splits=8, seed=0
    )
    assert (table["optimism"] >= 0).all()
    found = selection_bias.summarise(table)
    assert found["non_nested"] > found["mean"] + 0.02
    assert found["nested"] == pytest.approx(0.5, abs=0.08)
    assert found["optimism_low"] > 0


def test_trained_models_are_scored_only_where_labels_and_selection_agree(make_inputs, network):
    inputs = make_inputs(trained={("roi", "validation"): network})
    assert score_protocol(inputs, CORRECTED, 0, TRAINED) is not None
    assert score_protocol(inputs, replace(CORRECTED, selection="test"), 0, TRAINED) is None


def changed_fields(before, after) -> list[str]:
    return [name for name in steps.FIELDS if getattr(before, name) != getattr(after, name)]


def test_the_correction_in_order_changes_one_field_at_a_time_from_report_to_corrected():
    in_order = [step for step in steps.protocol_steps() if step.order == "in order"]
    assert in_order[0].protocol == REPORT
    assert in_order[-1].protocol == CORRECTED
    for before, after in itertools.pairwise(in_order):
        assert changed_fields(before.protocol, after.protocol) == [after.field]


@pytest.mark.parametrize(("order", "start"), [("corrected alone", REPORT), ("flawed alone", CORRECTED)])
def test_single_corrections_and_flaws_differ_from_the_start_in_one_field(order, start):
    alone = [step for step in steps.protocol_steps() if step.order == order]
    assert alone[0].protocol == start
    assert [step.field for step in alone[1:]] == list(steps.FIELDS)
    for step in alone[1:]:
        assert changed_fields(step.protocol, start) == [step.field]
