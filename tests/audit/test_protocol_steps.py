"""Scores of protocols on planted neurons: linear functions of the audit's own network, plus noise."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import xarray as xr
import yaml

from analysis import params as settings
from analysis.audit.flaws import confounded_tables, selection_bias
from analysis.audit.protocol_steps import protocol_responses, scores, simulated_truth, small_networks
from analysis.audit.protocol_steps.choices import FIELDS, Step, single_choices
from analysis.audit.protocol_steps.inputs import Inputs, once_per
from analysis.audit.protocol_steps.network_outputs import examples_of
from analysis.audit.protocol_steps.scores import PLANTED, SMALL, recordings, score_steps, small_network
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
    values["audit"] |= {"seeds": 2, "split_halves": 4, "shuffles": 100, "splits": 6, "splits_of_others": 2}
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
        {
            "rate": (("fixation", "unit"), 10 + rate),
            "count": (("fixation", "unit"), np.rint(100 + 10 * rate).astype(int)),
            "image_count": (("image", "unit"), np.zeros((N_IMAGES, N_UNITS), int)),  # summed where fixations are chosen
        },
        coords={
            "stimulus_id": ("fixation", np.array(network.stems)[joined]),
            "trial": ("fixation", np.arange(len(image))),
            "image": ("image", network.stems),
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
            found = [plant_recording(network, protocol.join, name, k, offset) for k, name in enumerate(RECORDINGS)]
            return [protocol_responses.select_fixations(one, np.ones(one.sizes["fixation"], bool)) for one in found]

        return Inputs(params, "AIT", read_table(), build, **more)

    return make


@pytest.fixture
def inputs(make_inputs):
    return make_inputs()


def test_corrected_r2_meets_its_ceiling_and_the_join_flaw_leaves_nothing(inputs):
    two_steps = [
        Step("corrected", "", CORRECTED),
        Step("corrected", "join", replace(CORRECTED, join="row")),
    ]
    table = score_steps(inputs, two_steps, 1)
    assert table["network"].tolist() == [SMALL, SMALL]
    right, wrong = table.iloc[0], table.iloc[1]
    # six presentations with noise of the signal's variance: 1 / (1 + 1/6) of the variance can be explained
    assert right["ceiling"] == pytest.approx(6 / 7, abs=0.03)
    assert right["r2"] == pytest.approx(right["ceiling"], abs=0.05)
    assert right["r2_low"] > 0.7
    assert right["rho"] > 0.3
    assert right["units"] == 24
    for name in ("pearson_r", "rho", "within", "ceiling"):
        assert wrong[f"{name}_low"] <= 0 <= wrong[f"{name}_high"]
    assert wrong["r2"] == pytest.approx(0, abs=0.02)  # a penalty that is chosen leaves little but the mean
    fixed_components = replace(CORRECTED, join="row", regression="pls")
    fixed = score_steps(inputs, [Step("corrected", "regression", fixed_components)], 1)
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
        coords["second_half"] = ("unit", np.ones(N_UNITS + 1))
        order = np.random.default_rng(9).permutation(N_IMAGES)
        data = xr.Dataset({"image_mean": (("image", "unit"), true)}, coords=coords).isel(image=order)
        data.to_netcdf(truth_folder / f"{name}.nc", engine="h5netcdf")
    inputs = make_inputs(truth=simulated_truth.read(RECORDINGS, "AIT", network.labels))
    fields = {"": CORRECTED, "join": replace(CORRECTED, join="row"), "splits": replace(CORRECTED, splits="single")}
    three_steps = [Step("corrected", name, protocol) for name, protocol in fields.items()]
    table = score_steps(inputs, three_steps, 1)
    right, wrong = (row for _, row in table[table["network"] == PLANTED].iterrows())
    assert right["r2_low"] < right["ceiling"] < right["r2_high"] + 0.03
    assert right["r2"] > 0.75
    assert wrong["r2"] == pytest.approx(0, abs=0.02)
    assert wrong["pearson_r_low"] <= 0 <= wrong["pearson_r_high"]
    assert np.isnan(right["accuracy"])


def test_scores_do_not_depend_on_the_number_of_threads(make_inputs, monkeypatch):
    fields = {"join": "row", "regression": "pls", "aggregation": "median_without_outliers"}
    three_steps = [Step("corrected", name, replace(CORRECTED, **{name: value})) for name, value in fields.items()]
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
    changed = [Step("corrected", name, replace(CORRECTED, **{name: value})) for name, value in fields.items()]
    together = score_steps(make_inputs(), changed, 1)
    alone = pd.concat([score_steps(make_inputs(), [step], 1) for step in changed], ignore_index=True)
    pd.testing.assert_frame_equal(together, alone, check_exact=True)


def test_merged_recordings_correlate_only_between_recordings(make_inputs):
    table = confounded_tables.score_confounded_tables(make_inputs(offset=8.0), 1)
    rows = table.groupby(["join", "table"])
    assert table["images"].min() >= 100
    for join in ("trial_id", "row"):
        merged = rows.get_group((join, "merged"))
        assert (merged["verdict"] == "not identifiable").all()  # the recording determines the label
        assert (merged["rho"] > 0.2).all()
    flawed = rows.get_group(("row", "merged"))
    assert (flawed["within"].abs() < 0.1).all()
    assert (flawed["within_low"] < 0).all()
    single = rows.get_group(("trial_id", "single"))
    assert (single["verdict"] == "within blocks").all()
    assert np.allclose(single["within"], single["rho"])
    assert (rows.get_group(("row", "single"))["verdict"] == "none").all()
    assert (flawed["rho"] > rows.get_group(("row", "single"))["rho"].max()).all()


def test_the_reports_score_is_a_distribution_over_splits_and_networks(inputs):
    table = scores.report_splits(inputs, 2)
    assert table.groupby("seed").size().tolist() == [6, 6]
    assert table["r2"].nunique() == 12
    found = scores.summarise_splits(table)
    assert (found["splits"], found["networks"]) == (6, 2)
    assert found["low"] < found["q25"] < found["q75"] < found["high"]
    # one score wherever it is printed: the mean over networks of the median over splits
    row = score_steps(inputs, [Step("report", "", REPORT)], 2).iloc[0]
    assert row["r2"] == pytest.approx(table.groupby("seed")["r2"].median().mean())
    assert row["r2_low"] == pytest.approx(found["low"])
    assert scores.n_splits(inputs, replace(REPORT, rdm="standardised")) == 6  # which cannot change the prediction
    assert scores.n_splits(inputs, replace(REPORT, join="trial_id")) == 2
    assert scores.n_splits(inputs, CORRECTED) == 1


def test_contributions_of_choices_add_up_to_the_difference_of_the_protocols(inputs):
    table = scores.attribute_difference(inputs, 2, 2)
    ends = score_steps(inputs, [step for step in single_choices() if not step.field], 2).set_index("start")
    for name in scores.EXPLAINED:
        values = table[table["score"] == name].set_index("field")["value"]
        assert list(values.index) == list(FIELDS)
        difference = ends[name]["corrected"] - ends[name]["report"]
        assert abs(difference) > 0.1
        assert values.sum() == pytest.approx(difference)
    assert table.set_index(["score", "field"]).value["r2", "rdm"] == 0  # predictions know no RDM
    for field in ("splits", "regression", "baseline", "aggregation"):
        assert table.set_index(["score", "field"]).value["rho", field] == 0


def test_halves_share_no_presentation_and_lose_none(inputs):
    whole = recordings(inputs, CORRECTED)[0]
    first, second = protocol_responses.split_presentations(whole, np.random.default_rng(0))
    assert sorted([*first["trial"].values, *second["trial"].values]) == list(whole["trial"].values)
    _, counts = np.unique(first["stimulus_id"].values, return_counts=True)
    assert (counts == N_PRESENTATIONS / 2).all()


def test_counts_per_image_are_those_of_the_selected_fixations(inputs):
    whole = recordings(inputs, CORRECTED)[0].drop_vars(["image", "image_count"]).isel(fixation=slice(0, 12))
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
    found = selection_bias.summarise(table, 0)
    assert found["non_nested"] > found["mean"] + 0.02
    assert found["nested"] == pytest.approx(0.5, abs=0.08)
    assert found["optimism_low"] > 0
    varied = table.assign(optimism=rng.random(len(table)))
    assert selection_bias.summarise(varied, 0) == selection_bias.summarise(varied, 0)
    assert selection_bias.summarise(varied, 0)["optimism_low"] != selection_bias.summarise(varied, 1)["optimism_low"]
