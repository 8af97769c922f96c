"""The group ``recorded``: entries by source, and the parameters as a data set takes them."""

import pytest
import yaml

from analysis import params
from analysis.acquire.recorded import v4
from analysis.core.errors import DataError
from analysis.params.recorded import LABELLED
from tests.project import ROOT


@pytest.fixture
def changed(tmp_path):
    """Return a function that loads params.yaml after a change of the group ``recorded``."""

    def load(change):
        values = yaml.safe_load((ROOT / "params.yaml").read_text())
        change(values["recorded"])
        (tmp_path / "params.yaml").write_text(yaml.safe_dump(values))
        return params.load_agreeing(tmp_path / "params.yaml")

    return load


def test_the_committed_list_runs_none():
    assert params.load(ROOT / "params.yaml").recorded.run == []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda group: group.update(run=["v5"]),
            "recorded: run names 'v5', which is not among the entries free_viewing, kriegeskorte92, majaj_hong, v4, "
            "v4_objects",
        ),
        (lambda group: group.update(run=["kriegeskorte92"]), "run names 'kriegeskorte92': move it to geometry"),
        (lambda group: group.update(geometry=["v4"]), "geometry names 'v4': move it to run"),
        (lambda group: group.update(models_from="../models"), r"recorded\.models_from = '../models'"),
        (lambda group: group["datasets"]["v4"].update(session="x"), r"recorded\.datasets\.v4\.session = 'x'"),
        (
            lambda group: group["datasets"]["v4"].update(source="v3"),
            r"datasets\.v4\.source = 'v3': choose one of assembly",
        ),
        (lambda group: group["datasets"]["v4"].update(sesion="x"), r"unknown key recorded\.datasets\.v4\.sesion"),
        (lambda group: group["datasets"]["v4"].pop("images"), r"missing key recorded\.datasets\.v4\.images"),
        (
            lambda group: group["datasets"].update({"a/b": group["datasets"]["v4"]}),
            "recorded.datasets has an invalid entry name 'a/b'",
        ),
        (lambda group: group["datasets"]["v4"].update(task="car"), r"v4\.task = 'car': give face or object"),
        (lambda group: group["datasets"]["v4"].update(training=3), r"v4\.training = 3: give text or null"),
        (
            lambda group: group["datasets"]["kriegeskorte92"].update(task="object"),
            r"datasets\.kriegeskorte92\.task = 'object': give face",
        ),
        (
            lambda group: group["datasets"]["v4_objects"].update(session="190923"),
            r"datasets\.v4_objects: session = '190923': what its images show is not known, only of '210325': name a",
        ),
        (lambda group: group.update(run=["v4"], models=["hm"]), "no model 'hm'"),
        (
            lambda group: group["datasets"]["free_viewing"].update(task="object"),
            r"datasets\.free_viewing\.task = 'object': give face",
        ),
        (
            lambda group: group["datasets"]["free_viewing"].update(kinds=["main"]),
            "recorded.datasets.free_viewing: kinds lacks rasters: responses are computed from main and rasters",
        ),
        (
            lambda group: group["datasets"]["free_viewing"].update(areas=["V9"]),
            r"recorded\.datasets\.free_viewing\.areas holds 'V9': give all or a list of 1 or more, each V1",
        ),
        (
            lambda group: group["datasets"]["free_viewing"].update(monkeys=[]),
            r"recorded\.datasets\.free_viewing\.monkeys = \[\]: give all or a list of 1 or more",
        ),
        (
            lambda group: group["datasets"]["free_viewing"].update(recordings=["An220105"] * 2),
            r"recorded\.datasets\.free_viewing\.recordings lists An220105 twice",
        ),
        (
            lambda group: group["datasets"]["free_viewing"].pop("limit"),
            "missing key recorded.datasets.free_viewing.limit",
        ),
        (lambda group: group["datasets"]["v4"].update(areas="all"), r"unknown key recorded\.datasets\.v4\.areas"),
        (lambda group: group.update(run=["v4"], models=["as_reported"]), "recorded.models names 'as_reported'"),
    ],
)
def test_a_wrong_entry_is_named_in_one_line(changed, change, message):
    with pytest.raises(DataError, match=message) as caught:
        changed(change)
    assert "\n" not in str(caught.value)


def test_a_data_set_brings_its_models_and_images(changed):
    whole = changed(lambda group: group.update(models=["pixels", "gabor"]))
    values = params.of_data_set(whole, "v4")
    assert values.models.run == ["pixels", "gabor"]
    assert (whole.compare.images, values.compare.images) == ("all", "untrained")
    assert values.models.entry("hmo") == whole.models.entry("hmo")
    assert whole.models.entry("hmo_report").activations.patches > 0
    assert values.models.entry("hmo_report").activations.patches == 0
    with pytest.raises(DataError, match="no recorded data set 'v5'"):
        params.of_data_set(whole, "v5")


def test_free_viewing_keeps_the_patches_at_the_gaze(changed):
    whole = changed(lambda group: group.update(run=["free_viewing"]))
    values = params.of_data_set(whole, "free_viewing")
    assert values.models.entry("hmo_report") == whole.models.entry("hmo_report")
    assert values.compare.images == "all"


def test_an_entry_may_leave_out_task_and_training(changed):
    whole = changed(lambda group: [group["datasets"]["v4"].pop(name) for name in ("task", "training")])
    assert whole == changed(lambda group: None)


def test_a_session_without_labels_needs_other_images_to_train_on(changed):
    whole = changed(lambda group: group["datasets"]["v4"].update(session="190923", training="faces"))
    assert whole.recorded.datasets.entry("v4").session == "190923"


def test_the_session_with_labels_is_the_one_whose_objects_are_known():
    assert list(v4.BLOCKS) == [LABELLED]
