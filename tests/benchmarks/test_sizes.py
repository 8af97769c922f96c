import os
import subprocess
import sys

import pytest

from tests.project import ROOT

SAID = "from benchmarks import sizes; print(sizes.size(1000, 10), sizes.FIGURES.name)"


def run(chosen: str) -> subprocess.CompletedProcess:
    environment = os.environ | {"NNN_BENCHMARK": chosen}
    return subprocess.run(
        [sys.executable, "-c", SAID], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize(("chosen", "said"), [("", "1000 benchmarks"), ("small", "10 small")])
def test_small_figures_never_lie_where_the_full_ones_do(chosen, said):
    assert run(chosen).stdout.strip() == said


def test_a_misspelt_size_is_no_full_run():
    done = run("smal")
    assert done.returncode == 1
    assert done.stderr.strip() == "NNN_BENCHMARK=smal: give small, or leave it out for the full sizes"
