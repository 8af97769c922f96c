import pytest
import yaml

from analysis import params
from analysis.core.errors import DataError
from tests.project import ROOT


def changed(tmp_path, change):
    values = yaml.safe_load((ROOT / "params.yaml").read_text())
    change(values)
    path = tmp_path / "params.yaml"
    path.write_text(yaml.safe_dump(values))
    return path


@pytest.mark.parametrize("path", [ROOT / "params.yaml", ROOT / "tests" / "fixture" / "params.yaml"])
def test_committed_parameters_are_valid(path):
    params.load(path)


def test_unknown_key_is_named(tmp_path):
    path = changed(tmp_path, lambda values: values["compare"].update(componets=3))
    with pytest.raises(DataError, match=r"unknown key compare\.componets"):
        params.load(path)


def test_missing_key_is_named(tmp_path):
    path = changed(tmp_path, lambda values: values["compare"].pop("yamins_components"))
    with pytest.raises(DataError, match=r"missing key compare\.yamins_components"):
        params.load(path)


def test_impossible_value_is_named_with_its_value(tmp_path):
    path = changed(tmp_path, lambda values: values["compare"].update(folds=1))
    with pytest.raises(DataError, match=r"compare\.folds = 1"):
        params.load(path)


def test_misspelt_model_in_the_list_is_named(tmp_path):
    path = changed(tmp_path, lambda values: values["models"].update(run=["hmo_reprot"]))
    with pytest.raises(DataError, match="hmo_reprot"):
        params.load(path)


def test_misspelt_model_by_hand_is_named():
    with pytest.raises(DataError, match=r"no model 'hmo_reprot'.*simple_cnn"):
        params.load(ROOT / "params.yaml").models.entry("hmo_reprot")


def test_misspelt_kind_is_named(tmp_path):
    path = changed(tmp_path, lambda values: values["models"]["simple_cnn"].update(kind="simple_cn"))
    with pytest.raises(DataError, match="simple_cn'"):
        params.load(path)


def test_missing_file_and_broken_yaml_are_one_line(tmp_path):
    with pytest.raises(DataError, match="not found"):
        params.load(tmp_path / "none.yaml")
    (tmp_path / "bad.yaml").write_text("a: [1,\nb")
    with pytest.raises(DataError, match="is not YAML") as error:
        params.load(tmp_path / "bad.yaml")
    assert "\n" not in str(error.value)
