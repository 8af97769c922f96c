"""Fixed numerics: what they set, that nothing else sets it, and that it is said where they are not to be had."""

import ast
import json
import os
import pkgutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

import analysis
from analysis.core import exact, numerics
from analysis.core.errors import DataError
from analysis.models.yamins_hmo.layers import pool

ROOT = Path(__file__).resolve().parents[2]
SET = {*numerics.settings(), "OMP_WAIT_POLICY", "NNN_NUMERICS"}
FIX, STATE = "from analysis.core import numerics; numerics.fix()", "print(numerics.state())"
NO_AVX512 = {"avx2", "fma", "sse4_1"}


def python(code: str, *options: str, **variables: str) -> subprocess.CompletedProcess:
    """Run code in a Python that inherits none of the settings."""
    environ = {name: value for name, value in os.environ.items() if name not in SET} | variables
    command = [sys.executable, *options, "-c", code]
    return subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True, check=False)


@pytest.fixture
def processor(monkeypatch):
    """Return a function that gives the processor other flags."""
    return lambda flags: monkeypatch.setattr(numerics, "cpu_info", lambda key: " ".join(flags))


def test_the_tests_themselves_run_with_fixed_numerics():
    assert numerics.state() == "fixed"


def test_importing_changes_nothing_of_the_readers_process():
    names = [found.name for found in pkgutil.walk_packages(analysis.__path__, "analysis.")]
    modules = [name for name in names if name != "analysis.__main__"]
    assert len(modules) > 100
    told = python(
        f"""
import importlib, json, os
import numpy, scipy.linalg, sklearn, torch
from threadpoolctl import threadpool_info

def process():
    threads = {{pool["filepath"]: pool["num_threads"] for pool in threadpool_info()}}
    return dict(os.environ), threads, torch.get_num_threads()

before = process()
for name in {modules}:
    importlib.import_module(name)
after = process()
assert after[0] == before[0], set(after[0].items()) ^ set(before[0].items())
assert {{name: after[1][name] for name in before[1]}} == before[1]
assert after[2] == before[2]
"""
    )
    assert told.returncode == 0, told.stderr


def test_fixing_settles_what_the_libraries_use_and_warns_of_nothing():
    told = python(f"{FIX}\nimport numpy, scipy.linalg, torch\n{STATE}", "-W", "error::ImportWarning")
    assert (told.stdout, told.stderr) == ("fixed\n", "")


def test_a_library_that_is_loaded_already_is_told_in_one_line():
    told = python(f"import torch\n{FIX}\n{STATE}")
    (line,) = told.stderr.splitlines()
    assert line.startswith("warning: numerics are not fixed")
    assert "numpy and torch had been imported" in line
    assert told.stdout.startswith("partial: ")


def test_a_process_that_fixes_nothing_is_partial():
    told = python(f"from analysis.core import numerics\n{STATE}")
    assert told.stdout.startswith("partial: not set: ATEN_CPU_CAPABILITY, MKL_CBWR")


def test_native_numerics_set_nothing_that_changes_a_bit():
    code = f"{FIX}\nimport os\nprint(sorted(set(os.environ) & set(numerics.settings())))\n{STATE}"
    assert python(code, NNN_NUMERICS="native").stdout == "[]\nnative\n"


def test_numerics_of_another_name_are_refused_in_one_line(monkeypatch):
    monkeypatch.setenv("NNN_NUMERICS", "fast")
    with pytest.raises(DataError, match="NNN_NUMERICS='fast': give fixed"):
        numerics.wanted()
    command = [sys.executable, "-m", "analysis", "--help"]
    told = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (told.returncode, told.stderr.count("\n")) == (1, 1)


def test_a_processor_without_avx2_is_told(processor, capsys):
    processor({"sse4_1"})
    numerics.fix()
    assert "the processor has no AVX2" in capsys.readouterr().err
    assert numerics.state() == "partial: the processor has no AVX2"


def test_another_architecture_is_told(monkeypatch):
    monkeypatch.setattr(numerics.platform, "machine", lambda: "aarch64")
    assert "architecture aarch64" in numerics.state()


def test_numpy_is_not_asked_to_leave_what_the_processor_lacks(processor):
    processor(NO_AVX512)
    assert numerics.settings()[numerics.NUMPY_VARIABLE] == ""
    processor(NO_AVX512 | numerics.NUMPY_FEATURES["X86_V4"])
    assert numerics.settings()[numerics.NUMPY_VARIABLE] == "X86_V4"


def test_a_setting_of_the_readers_own_gives_way():
    code = f"{FIX}\nimport os\nprint(os.environ['OPENBLAS_CORETYPE'], 'OMP_THREAD_LIMIT' in os.environ)"
    assert python(code, OPENBLAS_CORETYPE="SkylakeX", OMP_THREAD_LIMIT="1").stdout == "Haswell False\n"


def test_every_command_runs_with_fixed_numerics_and_so_does_what_it_starts():
    code = """
import subprocess, sys
from unittest import mock
from analysis import __main__ as start
told = "from analysis.core import numerics; import numpy, torch; print(numerics.state())"
sys.argv[1:] = ["acquire"]
with mock.patch("analysis.run.run_stage", lambda *_, **__: subprocess.run([sys.executable, "-c", told], check=True)):
    start.main()
"""
    assert python(code).stdout == "fixed\n"


def test_a_program_that_came_late_starts_again(tmp_path):
    program = tmp_path / "program.py"
    waits = "import os; print(os.environ['OMP_WAIT_POLICY'])"
    program.write_text(f"import numpy, torch\nfrom analysis.core import numerics\nnumerics.restart()\n{STATE}\n{waits}")
    environ = {name: value for name, value in os.environ.items() if name not in SET | {"OMP_WAIT_POLICY"}}
    told = subprocess.run(
        [sys.executable, program], env=environ | {"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=True
    )
    assert told.stdout == "fixed\nPASSIVE\n"


@pytest.mark.parametrize("cores", ["all", "one"])
def test_threads_are_two_on_any_number_of_cores_also_in_what_is_loaded_late(cores):
    code = f"""
import os
if {cores == "one"}:
    os.sched_setaffinity(0, {{min(os.sched_getaffinity(0))}})
from analysis.core import numerics
numerics.fix()
import torch
with numerics.fixed_threads():
    import json, sklearn.svm, scipy.stats
    from threadpoolctl import threadpool_info
    print(json.dumps([[pool["user_api"], pool["num_threads"]] for pool in threadpool_info()]), torch.get_num_threads())
"""
    pools, torch_threads = python(code).stdout.rsplit(maxsplit=1)
    pools = json.loads(pools)
    assert {threads for _, threads in pools} == {2}
    assert sum(api == "blas" for api, _ in pools) >= 2
    assert torch_threads == "2"


def test_exact_roots_are_those_of_numpy_with_their_gradient():
    x = torch.rand(300, 7, dtype=torch.float64).mul_(9).requires_grad_()
    root = exact.sqrt(x[:, ::2])
    assert np.array_equal(root.detach().numpy(), np.sqrt(x.detach().numpy()[:, ::2]))
    assert torch.autograd.gradcheck(exact.sqrt, torch.rand(4, dtype=torch.float64).add_(0.5).requires_grad_())
    assert float(exact.sqrt(torch.tensor(0.0))) == 0.0
    last = torch.rand(2, 3, 4, 5).to(memory_format=torch.channels_last)
    assert exact.sqrt(last).is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("p", [2, 3.0])
def test_a_power_of_one_half_is_an_exact_root(p):
    x = torch.rand(999)
    root = exact.root_of_power(x, p)
    assert torch.equal(root, torch.from_numpy(np.sqrt(x.numpy())) if p == 2 else x.pow(1 / p))


def test_pooling_by_squares_takes_no_root_of_torch(monkeypatch):
    monkeypatch.setattr(torch.Tensor, "sqrt", None)
    x = torch.rand(2, 3, 8, 8)
    expected = torch.nn.functional.avg_pool2d(x.square(), 2).mul(4).numpy() ** 0.5
    assert np.allclose(pool(x, 2, 2.0).numpy(), expected, rtol=1e-6)


def _differing(tree: ast.AST) -> list[str]:
    """Return the calls of functions and methods of torch whose bits differ, and the powers of one half."""
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            owner, name = ast.unparse(node.func.value), node.func.attr
            if owner not in ("np", "math", "job") and name.rstrip("_") in exact.DIFFER:
                found.append(ast.unparse(node))
            if name == "pow" and any(isinstance(a, ast.Constant) and a.value == 0.5 for a in node.args):
                found.append(ast.unparse(node))
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Pow) and ast.unparse(node.right) == "0.5":
            found.append(ast.unparse(node))
    return found


def test_no_module_takes_roots_or_logarithms_by_torch():
    found = {}
    for path in sorted((ROOT / "analysis").rglob("*.py")):
        source = path.read_text(encoding="utf-8")
        if "import torch" in source and path != Path(exact.__file__) and (calls := _differing(ast.parse(source))):
            found[str(path.relative_to(ROOT))] = calls
    assert not found


@pytest.mark.parametrize(
    "code", ["x.sqrt()", "torch.log(x)", "x ** 0.5", "x.pow(0.5)", "x.sqrt_()", "torch.cdist(x, x)"]
)
def test_a_call_whose_bits_differ_is_found(code):
    assert _differing(ast.parse(code)) == [code]
