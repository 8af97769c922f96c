import json
import subprocess
import sys

import pytest
import torch

from analysis.core import environment, numerics
from analysis.core.errors import DataError


def test_stamp_names_locks_versions_and_threads(tmp_path, monkeypatch):
    monkeypatch.setenv("NNN_IMAGE_REVISION", "abc")
    monkeypatch.delenv("NNN_IMAGE_BASE", raising=False)
    (tmp_path / "requirements.lock").write_text("x")
    stamp = environment.stamp(tmp_path)
    assert stamp["locks"] == {"requirements.lock": "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881"}
    assert stamp["image"] == {"revision": "abc", "base": None}
    assert stamp["threads"] == 2
    assert json.loads(json.dumps(stamp)) == stamp
    assert environment.differences(stamp, stamp) == []


def test_what_is_said_of_torch_is_what_torch_says():
    stamp = environment.stamp()
    assert stamp["torch"] == torch.__version__
    assert stamp["cuda"] == torch.version.cuda


def test_fixed_numerics_name_no_processor():
    stamp = environment.stamp()
    assert (stamp["numerics"], stamp["cpu"], stamp["instruction_set"]) == ("fixed", None, None)


def test_native_numerics_name_the_processor(monkeypatch):
    monkeypatch.setenv("NNN_NUMERICS", "native")
    stamp = environment.stamp()
    assert stamp["numerics"] == "native"
    assert stamp["cpu"]
    assert stamp["instruction_set"] == torch.backends.cpu.get_cpu_capability()


def test_a_stage_that_was_not_computed_with_fixed_numerics_shows_in_the_stamp(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DVC_STAGE", "train@hmo")
    with monkeypatch.context() as native:
        native.setenv("NNN_NUMERICS", "native")
        numerics.note()
        assert environment.stamp()["numerics"] == "native"
    assert environment.stamp()["numerics"] == "partial: train@hmo native"
    assert environment.stamp()["cpu"]
    numerics.note()  # it ran again, with fixed numerics
    assert environment.stamp()["numerics"] == "fixed"


def test_the_stamp_does_not_load_torch():
    code = "import sys; from analysis.core import environment; environment.stamp(); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_differences_name_the_value():
    ours = {"torch": "1", "locks": {"a": "x"}, "cpu": "c"}
    theirs = {"torch": "2", "locks": {"a": "y"}, "cpu": "c"}
    assert environment.differences(ours, theirs) == ["locks.a: x here, y there", "torch: 1 here, 2 there"]


@pytest.mark.parametrize("content", ["[]", "{", None])
def test_a_stamp_that_is_none_is_refused(tmp_path, content):
    path = tmp_path / "environment.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(DataError, match=r"environment\.json"):
        environment.read(path)
