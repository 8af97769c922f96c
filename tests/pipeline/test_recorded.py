"""DVC has a stage for each recorded data set that runs, and for each of its models; none where none runs."""

import shutil

import pytest
import yaml

from tests.project import ROOT


@pytest.fixture
def stages(tmp_path, monkeypatch):
    """Return a function that lists DVC's stages for some data sets and models."""
    from dvc.repo import Repo

    monkeypatch.setenv("DVC_SITE_CACHE_DIR", str(tmp_path / "site"))
    monkeypatch.setenv("DVC_NO_ANALYTICS", "1")
    shutil.copy(ROOT / "dvc.yaml", tmp_path / "dvc.yaml")
    values = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    monkeypatch.chdir(tmp_path)

    def listed(names: list[str], models: list[str]) -> dict[str, object]:
        values["recorded"] |= {"run": names, "models": models}
        (tmp_path / "params.yaml").write_text(yaml.safe_dump(values), encoding="utf-8")
        with Repo.init(no_scm=True, force=True) as repo:
            return {stage.name: stage for stage in repo.index.stages if stage.name.startswith("recorded-")}

    return listed


def test_a_list_without_data_sets_has_no_stages(stages):
    assert stages([], ["pixels"]) == {}


def test_every_data_set_has_stages_of_its_own(stages):
    found = stages(["v4", "mine"], ["pixels", "gabor"])
    each = ("acquire", "stimuli", "recordings", "neural", "summary")
    of_model = ("train", "activations", "compare")
    assert {name for name in found if "v4" in name} == {
        *(f"recorded-{name}@v4" for name in each),
        *(f"recorded-{name}@v4-{model}" for name in of_model for model in ("pixels", "gabor")),
    }
    assert found["recorded-train@mine-gabor"].cmd == "python -m analysis --dataset mine train gabor"
    assert found["recorded-recordings@v4"].cmd == "python -m analysis --dataset v4 recordings corrected"
    for name, stage in found.items():
        dataset = "v4" if "v4" in name else "mine"
        read = [str(dep) for dep in stage.deps if str(dep).startswith("recorded")]
        assert all(path.startswith(f"recorded/{dataset}/") for path in [*read, *map(str, stage.outs)])
