import subprocess
import sys

import pytest

from analysis import params
from analysis.core.errors import DataError
from analysis.params.models import KINDS
from tests.project import ROOT


@pytest.mark.parametrize("name", KINDS)
def test_every_kind_is_implemented(name):
    from analysis.models import registry

    assert isinstance(registry.kind(name), registry.Kind)


def test_committed_parameters_are_valid():
    values = params.load(ROOT / "params.yaml")
    assert values.models.entry("hmo_report").kept == 10
    assert values.models.entry("as_reported").rules.selection == "test"


def test_checking_parameters_loads_no_torch():
    code = (
        "import sys; from analysis import params; from analysis.models import data;"
        "from analysis.models.activations import read;"
        "assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"kind": "simple_cmn"}, "models.cnn.kind = 'simple_cmn': choose one of"),
        ({"filter": [3]}, "unknown key models.cnn.filter"),
        ({"kernel": 4}, "models.cnn: kernel = 4: give an odd size"),
        ({"size": 8, "filters": [2, 2, 2, 2]}, "models.cnn: size = 8 is too small to be halved 4 times"),
        ({"learning_rate": 0}, "models.cnn.learning_rate = 0"),
        ({"augment": {"flip": True, "shift": 0.6, "contrast": 0.0}}, "models.cnn.augment.shift = 0.6"),
        ({"protocol": "korrected"}, "models.cnn.protocol = 'korrected'"),
    ],
)
def test_a_wrong_value_is_one_line_that_names_it(project, tiny, change, said):
    with pytest.raises(DataError) as caught:
        project(cnn=tiny["cnn"] | change)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_more_kept_than_candidates(project, tiny):
    with pytest.raises(DataError, match=r"models\.report_hmo: kept = 9 is more than candidates = 4"):
        project(report_hmo=tiny["report_hmo"] | {"kept": 9})


def test_unknown_model(project):
    with pytest.raises(DataError, match="no model 'simple'"):
        project().models.entry("simple")
