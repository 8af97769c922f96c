"""The commands of the compendium. ``nox -s reproduce`` makes the paper; plain ``nox`` runs the checks."""

import hashlib
import os
import re
import shutil
import sys
import tempfile
from pathlib import Path

import nox

nox.options.sessions = ["lint", "tests", "fixture"]
nox.options.default_venv_backend = "none"  # one locked environment serves all sessions

ROOT = Path(__file__).parent
FLAVOUR = os.environ.get("FLAVOUR", "cpu")
ENVIRONMENT = ROOT / ".nox" / f"env-{FLAVOUR}"
LOCKS = ["requirements.lock", f"requirements-{FLAVOUR}.lock"]
PYTHONS = {"cpu": [(3, 11)], "cuda": [(3, 11), (3, 12), (3, 13)]}
CPU_INDEX = "https://download.pytorch.org/whl/cpu"
CUDA_PACKAGE = re.compile(r"^(torch==|triton|nvidia-(?!ml-py)|cuda-)")


def environment(session: nox.Session) -> dict[str, str]:
    """Make the locked environment if it is missing or the locks have changed; return the variables that select it."""
    if FLAVOUR not in ("cpu", "cuda"):
        session.error(f"FLAVOUR={FLAVOUR}: give cpu or cuda")
    if sys.version_info[:2] not in PYTHONS[FLAVOUR]:
        known = ", ".join(f"{major}.{minor}" for major, minor in PYTHONS[FLAVOUR])
        session.error(f"the {FLAVOUR} lock holds torch for Python {known}: make .venv with one of these")
    wanted = "".join(hashlib.sha256((ROOT / lock).read_bytes()).hexdigest() for lock in LOCKS) + sys.version
    stamp = ENVIRONMENT / "locks.txt"
    if not stamp.exists() or stamp.read_text() != wanted:
        install(session)
        stamp.write_text(wanted)
    return {"PATH": f"{ENVIRONMENT / 'bin'}{os.pathsep}{os.environ['PATH']}", "DVC_NO_ANALYTICS": "1"}


def install(session: nox.Session) -> None:
    """Install the locks, hash-checked, into a new environment."""
    shutil.rmtree(ENVIRONMENT, ignore_errors=True)
    session.run(sys.executable, "-m", "venv", str(ENVIRONMENT), external=True)
    pip = [str(ENVIRONMENT / "bin" / "python"), "-m", "pip", "install", "--quiet", "--require-hashes"]
    if FLAVOUR == "cpu":
        # PyPI has no CPU build of torch. Its own index is asked for that one line alone.
        with_cpu_index(session, *pip, "--no-deps", "-r", "requirements-cpu.lock")
        session.run(*pip, "--no-deps", "-r", "requirements.lock", external=True)
    else:
        session.run(*pip, "--no-deps", "-r", "requirements.lock", "-r", "requirements-cuda.lock", external=True)


def with_cpu_index(session: nox.Session, *pip: str) -> None:
    """Run pip on a lock with the CPU build of torch; ask PyTorch's own index too where it is not found without."""
    if "ERROR: " in session.run(*pip, external=True, silent=True, success_codes=[0, 1], log=True):
        session.run(*pip, "--extra-index-url", CPU_INDEX, external=True)


def run(session: nox.Session, *command: str, **variables: str) -> None:
    """Run a command in the locked environment."""
    env = environment(session) | variables
    session.run(str(ENVIRONMENT / "bin" / command[0]), *command[1:], env=env, external=True)


@nox.session
def reproduce(session: nox.Session) -> None:
    """Run the whole pipeline: data, models, results, paper/report.pdf."""
    if not (ROOT / ".git").exists():
        run(session, "dvc", "config", "--local", "core.no_scm", "true")
    run(session, "dvc", "repro", *session.posargs)
    if not session.posargs:
        run(session, "python", "-m", "analysis", "crate")
    session.log("the paper is in paper/report.pdf, a page to look at in paper/report.html")


@nox.session
def verify(session: nox.Session) -> None:
    """Check a finished checkout: up to date, the same bytes again, PDF, links, paths, expected values."""
    run(session, "python", "tests/finished/verify.py", *session.posargs)


@nox.session
def tests(session: nox.Session) -> None:
    """Run the test suite, one worker per core."""
    run(session, "pytest", "-n", "auto", "--dist", "loadscope", *session.posargs)


@nox.session
def fuzz(session: nox.Session) -> None:
    """Read 2,000 spoilt recordings (the tests read a share of them)."""
    run(session, "pytest", "tests/recordings/test_fuzz.py", *session.posargs, NNN_FUZZ="2000")


@nox.session
def fixture(session: nox.Session) -> None:
    """Run the whole pipeline twice on a tiny experiment, compare every output, then run the README's commands."""
    run(session, "python", "-m", "tests.fixture.twice", str(Path(sys.executable).with_name("nox")))


@nox.session
def portable(session: nox.Session) -> None:
    """Compare with other processors and in odd circumstances: kernels, tiny experiment, stage by stage (-- --help)."""
    run(session, "python", "-m", "tests.portable.check", *session.posargs)


@nox.session
def online(session: nox.Session) -> None:
    """Run those of the README's commands that need the network, in a clone."""
    run(session, "python", "-m", "tests.readme.online", str(Path(sys.executable).with_name("nox")))


@nox.session
def container(session: nox.Session) -> None:
    """Build the image, run tests and pipeline in it without network or rights, compare with the host (-- --help)."""
    run(session, "python", "-m", "tests.container.check", *session.posargs)


@nox.session(venv_backend="virtualenv")
def sbom(session: nox.Session) -> None:
    """Write the software bill of materials of a flavour (CycloneDX, from the locks)."""
    session.install("cyclonedx-bom==7.5.0")
    session.run("python", "container/sbom.py", FLAVOUR, f"sbom-{FLAVOUR}.cdx.json")


@nox.session(venv_backend="virtualenv")
def advisories(session: nox.Session) -> None:
    """Look the locked packages of a flavour up in PyPI's database of advisories."""
    session.install("pip-audit==2.10.1")
    session.run("python", "container/advisories.py", FLAVOUR)


@nox.session
def resolve(session: nox.Session) -> None:
    """Find every package of a flavour and check its hash, without installing any (FLAVOUR=cuda reads about 3 GB)."""
    locks = [argument for lock in LOCKS for argument in ("-r", lock)]
    options = ["--dry-run", "--ignore-installed", "--quiet", "--require-hashes"]
    pip = [sys.executable, "-m", "pip", "install", *options, *locks, *session.posargs]
    if FLAVOUR == "cpu":
        with_cpu_index(session, *pip)
    else:
        session.run(*pip, external=True)
    session.log(f"all packages of {' and '.join(LOCKS)} were found, fit together and have their hashes")


@nox.session(venv_backend="virtualenv")
def metadata(session: nox.Session) -> None:
    """Hold CITATION.cff and the RO-Crate against their specifications; the validator asks w3id.org for the terms."""
    session.install("cffconvert==2.0.0", "roc-validator==0.13.0")
    session.run("cffconvert", "--validate", "-i", "CITATION.cff")
    options = ["--no-interactive", "--disable-color", "-y", "validate", "--metadata-only", "-np", "-p", "ro-crate-1.1"]
    session.run("rocrate-validator", *options, ".")


@nox.session
def lint(session: nox.Session) -> None:
    """Check style and format."""
    run(session, "ruff", "check", ".")
    run(session, "ruff", "format", "--check", ".")


@nox.session(venv_backend="virtualenv")
def lock(session: nox.Session) -> None:
    """Resolve requirements.in again and rewrite the three hash locks."""
    session.install("uv")
    with tempfile.TemporaryDirectory() as folder:
        resolved = Path(folder) / "all.lock"
        session.run(
            "uv",
            "pip",
            "compile",
            "--quiet",
            "--generate-hashes",
            "--no-annotate",
            "--no-header",
            "--universal",
            "--python-version",
            "3.11",
            "--no-emit-index-url",
            "requirements.in",
            "-o",
            str(resolved),
        )
        entries = re.split(r"\n(?=\S)", resolved.read_text().strip())
        torch = next(re.match(r"torch==([\w.]+)", entry)[1] for entry in entries if entry.startswith("torch=="))
        session.run(
            "pip",
            "download",
            "--quiet",
            "--no-deps",
            "--dest",
            folder,
            f"torch=={torch}+cpu",
            "--extra-index-url",
            CPU_INDEX,
        )
        wheel = next(Path(folder).glob("torch-*.whl"))
        digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    write_lock(
        "requirements.lock",
        "Everything but torch and its CUDA packages.",
        [entry for entry in entries if not CUDA_PACKAGE.match(entry)],
    )
    write_lock(
        "requirements-cuda.lock",
        "torch as PyPI has it, with its CUDA packages.",
        [entry for entry in entries if CUDA_PACKAGE.match(entry)],
    )
    write_lock(
        "requirements-cpu.lock",
        "The CPU build of torch (Python 3.11, x86-64 Linux). PyPI does not have it: where "
        f"pip does not find it,\n# add PyTorch's own index for this file alone: --extra-index-url {CPU_INDEX}",
        [f"torch=={torch}+cpu \\\n    --hash=sha256:{digest}"],
    )


def write_lock(name: str, purpose: str, entries: list[str]) -> None:
    """Write one lock with a header that says what it is and how it is renewed."""
    header = f"# {purpose}\n# Made by `nox -s lock` from requirements.in; install with pip's --require-hashes.\n"
    (ROOT / name).write_text(header + "\n".join(entries) + "\n")
