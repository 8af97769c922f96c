"""Fixed numerics: the same bits on every x86-64 processor with AVX2, on any number of cores.

BLAS, convolutions and vector loops choose their instructions by processor, and different instructions round
differently. `fix` makes the choice for a process, before numpy or torch is imported: ``python -m analysis`` and the
tests call it first, and child processes inherit its environment variables. Importing this module changes nothing.

``NNN_NUMERICS=native`` leaves the choice to the libraries: faster, but the last digits depend on the processor. `state`
returns the numerics in effect; the stamp of the results (`analysis.core.environment`) records them.
"""

import ctypes
import os
import platform
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib import import_module
from pathlib import Path

from analysis.core.errors import DataError

THREADS = 2
"""Number of threads of a numerical task. It sets the order of summation, and so the last bits."""

VARIABLE = "NNN_NUMERICS"
FIXED, NATIVE = "fixed", "native"

INSTRUCTIONS = {
    "OPENBLAS_CORETYPE": "Haswell",  # BLAS and LAPACK of numpy and scipy
    "ATEN_CPU_CAPABILITY": "avx2",  # torch's own loops
    "ONEDNN_MAX_CPU_ISA": "AVX2",  # torch's convolutions
    "MKL_CBWR": "COMPATIBLE",  # torch's matrix products; MKL honours AVX2 on Intel processors only
}
"""Instructions that each library must use; for numpy see `_numpy_features`."""

AT_ONCE = {
    "OMP_NUM_THREADS": str(THREADS),
    "OPENBLAS_NUM_THREADS": str(THREADS),
    "MKL_NUM_THREADS": str(THREADS),
    "OMP_DYNAMIC": "FALSE",  # otherwise OpenMP and MKL use fewer threads on fewer cores
    "MKL_DYNAMIC": "FALSE",
}
"""Number of threads at the start of a process; `fixed_threads` sets it for each task."""

WAITING = {"OMP_WAIT_POLICY": "PASSIVE"}
"""Read when OpenMP is loaded; a value in the environment takes precedence. Threads that sleep instead of spinning give
the same results, and train small networks ten times as fast on a busy machine."""

NUMPY_VARIABLE = "NPY_DISABLE_CPU_FEATURES"
NUMPY_FEATURES = {
    "X86_V4": {"avx512f", "avx512cd", "avx512vl", "avx512bw", "avx512dq"},
    "AVX512_ICL": {"avx512ifma", "avx512vbmi", "avx512_vbmi2", "avx512_bitalg", "avx512_vpopcntdq", "avx512_vnni"},
    "AVX512_SPR": {"avx512_fp16"},
}
"""Features beyond AVX2 for which numpy has special loops, with the processor flags that they require."""

KEPT_BYTES = {"MMAP_THRESHOLD": 32 << 20, "TRIM_THRESHOLD": 2**31 - 1}
"""Allocations below the first reuse memory that the process holds; it returns only free memory beyond the second.

By default glibc maps and unmaps memory for every feature map: training small networks then takes 1.5 times as long."""

_LATE: list[str] = []
"""Libraries that this process had imported before it called `fix`."""


def wanted() -> str:
    """Return the requested numerics (``NNN_NUMERICS``): ``fixed``, the default, or ``native``.

    Raises
    ------
    DataError
        If the variable is neither.
    """
    value = os.environ.get(VARIABLE) or FIXED
    if value not in (FIXED, NATIVE):
        raise DataError(f"{VARIABLE}={value!r}: give {FIXED} (default) or {NATIVE}")
    return value


def settings() -> dict[str, str]:
    """Return the environment variables that fix the numerics on this processor."""
    return INSTRUCTIONS | AT_ONCE | {NUMPY_VARIABLE: _numpy_features()}


def fix() -> None:
    """Fix the numerics of this process and its children, unless ``native``; call it before importing numpy or torch.

    Warns in one line on standard error if the numerics cannot be fixed.
    """
    os.environ.update(WAITING | os.environ)
    if wanted() == NATIVE:
        return
    os.environ.pop("OMP_THREAD_LIMIT", None)
    if lacking := _not_set():
        _LATE.extend(name for name in ("numpy", "torch") if name in sys.modules)
        os.environ.update({name: settings()[name] for name in lacking})
    if (found := state()) != FIXED:
        print(f"warning: numerics are not fixed, so the last digits may differ: {found}", file=sys.stderr)


def restart() -> None:
    """Restart this program with fixed numerics, unless they are fixed already.

    For programs whose modules import numpy before they can call `fix`.
    """
    if wanted() == FIXED and _not_set():
        sys.stdout.flush()
        environment = WAITING | os.environ | settings()
        os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], environment)


NOTES = Path(".dvc/tmp/numerics")
"""Folder with the numerics of each stage that did not run with fixed ones."""


def note() -> None:
    """Record the numerics of a stage that DVC runs, for the stamp that a later process writes for all stages."""
    if stage := os.environ.get("DVC_STAGE"):
        path = NOTES / stage.rpartition(":")[2]
        if (found := state()) == FIXED:
            path.unlink(missing_ok=True)
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(found, encoding="utf-8")


def of_results(root: str | os.PathLike = ".") -> str:
    """Return the numerics of this process and of all stages that DVC ran in the project at `root`, like `state`."""
    notes = {path.name: path.read_text(encoding="utf-8") for path in sorted((Path(root) / NOTES).glob("*"))}
    here = state()
    if not notes:
        return here
    if here == NATIVE and set(notes.values()) == {NATIVE}:
        return NATIVE
    return "partial: " + ", ".join(f"{stage} {found.replace('partial: ', '')}" for stage, found in notes.items())


def state() -> str:
    """Return the numerics of this process: ``fixed``, ``native``, or ``partial: `` followed by the reasons."""
    if wanted() == NATIVE:
        return NATIVE
    reasons = [*_of_machine(), *_of_environment(), *_of_libraries()]
    return f"partial: {'; '.join(reasons)}" if reasons else FIXED


def _of_machine() -> Iterator[str]:
    """Yield what this machine lacks."""
    if (architecture := platform.machine()) != "x86_64":
        yield f"the processor is of the architecture {architecture}, not x86_64"
    elif not {"avx2", "fma"} <= cpu_flags():
        yield "the processor has no AVX2"
    if platform.libc_ver()[0] != "glibc":
        yield "the C library is not glibc"


def _of_environment() -> Iterator[str]:
    """Yield which variables were not set, or what was imported before they were."""
    if lacking := _not_set():
        yield f"not set: {', '.join(lacking)}; analysis.core.numerics.fix() sets them"
    elif _LATE:
        yield f"{' and '.join(_LATE)} had been imported before the numerics were fixed"


def _of_libraries() -> Iterator[str]:
    """Yield which of the loaded libraries use other instructions than they should; imports neither numpy nor torch."""
    if core := sys.modules.get("numpy._core._multiarray_umath"):
        if used := [name for name in NUMPY_FEATURES if core.__cpu_features__.get(name)]:
            yield f"numpy uses {', '.join(used)}"
        from threadpoolctl import threadpool_info

        blas = {found["architecture"] for found in threadpool_info() if found["internal_api"] == "openblas"}
        if other := sorted(blas - {INSTRUCTIONS["OPENBLAS_CORETYPE"]}):
            yield f"OpenBLAS uses {', '.join(other)}"
    torch = sys.modules.get("torch")
    if torch and (used := torch.backends.cpu.get_cpu_capability()) != INSTRUCTIONS["ATEN_CPU_CAPABILITY"].upper():
        yield f"torch uses {used}"


def _not_set() -> list[str]:
    """Return the settings that the environment lacks."""
    lacking = [name for name, value in settings().items() if name != NUMPY_VARIABLE and os.environ.get(name) != value]
    if not set(_numpy_features().split()) <= set(os.environ.get(NUMPY_VARIABLE, "").split()):
        lacking.append(NUMPY_VARIABLE)
    return sorted(lacking)


def _numpy_features() -> str:
    """Return the features that numpy must not use; only those of this processor, since numpy warns about others."""
    flags = cpu_flags()
    return " ".join(name for name, needed in NUMPY_FEATURES.items() if needed <= flags)


def cpu_flags() -> set[str]:
    """Return the flags of the first processor as Linux names them; an empty set where unknown."""
    return set(cpu_info("flags").split())


def cpu_info(key: str) -> str:
    """Return an entry of ``/proc/cpuinfo`` for the first processor; an empty string where unknown."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return ""
    return next((line.partition(":")[2].strip() for line in lines if line.partition(":")[0].strip() == key), "")


def keep_memory() -> None:
    """With glibc, let this process keep freed memory for its next arrays."""
    with suppress(OSError, AttributeError):
        mallopt = ctypes.CDLL(None).mallopt
        for number, bytes_ in zip((-3, -1), KEPT_BYTES.values(), strict=True):  # M_MMAP_THRESHOLD, M_TRIM_THRESHOLD
            mallopt(number, bytes_)


@contextmanager
def fixed_threads(n: int = THREADS) -> Iterator[None]:
    """Run BLAS, OpenMP and torch with `n` threads, however many cores the machine has.

    The limit applies only to loaded libraries. numpy and scipy each ship a copy of OpenBLAS, which by default uses no
    more threads than there are cores, so both are loaded first. Code that uses torch must import it before.
    """
    from threadpoolctl import threadpool_limits

    import_module("scipy.linalg")
    keep_memory()
    torch = sys.modules.get("torch")
    before = torch.get_num_threads() if torch else None  # torch takes it from OpenMP, which has no limit yet
    with threadpool_limits(limits=n):
        if torch:
            torch.set_num_threads(n)
        try:
            yield
        finally:
            if torch:
                torch.set_num_threads(before)
