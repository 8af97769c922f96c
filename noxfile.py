"""The commands of the compendium. ``nox -s reproduce`` builds the paper; plain ``nox`` runs the checks."""

import filecmp
import os
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
RUNTIME = [f"requirements-{FLAVOUR}.lock", "requirements.lock"]
ALL = [*RUNTIME, "requirements-test.lock"]
PYTHON = "3.11"  # the locked CPU build of torch needs this version
UV = "uv==0.13.9"
CPU_INDEX = "https://download.pytorch.org/whl/cpu"  # PyPI has no CPU build of torch


def make_environment(session: nox.Session, folder: Path) -> None:
    """Create an empty virtual environment with the locks' Python: this one, or one that uv finds or downloads."""
    shutil.rmtree(folder, ignore_errors=True)
    python = [sys.executable]
    if sys.version_info[:2] != tuple(map(int, PYTHON.split("."))):
        session.run(sys.executable, "-m", "pip", "install", "--quiet", UV, external=True)
        python = [sys.executable, "-m", "uv", "run", "--quiet", "--no-project", "--python", PYTHON, "python"]
    session.run(*python, "-m", "venv", str(folder), external=True, success_codes=range(256))
    if not (folder / "bin" / "pip").exists():
        shutil.rmtree(folder, ignore_errors=True)
        session.error(f"no usable Python {PYTHON}, and uv could not download one: install it, with venv, and try again")


def install(session: nox.Session, folder: Path, lock: str, *options: str) -> None:
    """Install a lock with an environment's pip, and nothing whose hash is not in the lock."""
    pip = [str(folder / "bin" / "python"), "-m", "pip", "--disable-pip-version-check"]
    command = [*pip, "install", "--quiet", "--require-hashes", "--no-deps"]
    if lock == "requirements-cpu.lock":
        command += ["--extra-index-url", CPU_INDEX, "--retries=2"]
    session.run(*command, "-r", lock, *options, external=True)


def environment(session: nox.Session, locks: list[str]) -> dict[str, str]:
    """Install the locks that are not installed yet; return the variables that select the environment.

    The environment keeps a copy of each installed lock. If one differs from the current lock, it is rebuilt.
    """
    if FLAVOUR not in ("cpu", "cuda"):
        session.error(f"FLAVOUR={FLAVOUR}: give cpu or cuda")
    copies = {lock: ENVIRONMENT / lock for lock in locks}
    changed = any(copy.exists() and not filecmp.cmp(ROOT / lock, copy, shallow=False) for lock, copy in copies.items())
    if changed or not (ENVIRONMENT / "bin" / "python").exists():
        make_environment(session, ENVIRONMENT)
    for lock, copy in copies.items():
        if not copy.exists():
            # Source distributions are built with the setuptools of the first lock.
            install(session, ENVIRONMENT, lock, *([] if lock == locks[0] else ["--no-build-isolation", "--use-pep517"]))
            shutil.copy(ROOT / lock, copy)
    return {"PATH": f"{ENVIRONMENT / 'bin'}{os.pathsep}{os.environ['PATH']}", "DVC_NO_ANALYTICS": "1"}


def run(session: nox.Session, *command: str, locks: list[str] = ALL, **variables: str) -> None:
    """Run a command in the environment, with these locks installed."""
    env = environment(session, locks) | variables
    session.run(str(ENVIRONMENT / "bin" / command[0]), *command[1:], env=env, external=True)


@nox.session
def reproduce(session: nox.Session) -> None:
    """Run the whole pipeline: data, models, results, paper/report.pdf."""
    if not (ROOT / ".git").exists():
        run(session, "dvc", "config", "--local", "core.no_scm", "true", locks=RUNTIME)
    run(session, "python", "-m", "analysis", "check", locks=RUNTIME)
    run(session, "dvc", "repro", *session.posargs, locks=RUNTIME)
    if not session.posargs:
        run(session, "python", "-m", "analysis", "crate", "--force", locks=RUNTIME)
    session.log("the paper is in paper/report.pdf, a web version in paper/report.html")


@nox.session
def verify(session: nox.Session) -> None:
    """Check a finished checkout: up to date, reproducible bytes, PDF, links, paths, expected values."""
    run(session, "python", "-m", "tests.finished.verify", *session.posargs, locks=RUNTIME)


@nox.session
def tests(session: nox.Session) -> None:
    """Run the test suite, one worker per core."""
    run(session, "pytest", "-n", "auto", "--dist", "loadscope", *session.posargs)


@nox.session
def fuzz(session: nox.Session) -> None:
    """Read 2,000 corrupted recordings (the tests read some of them)."""
    run(session, "pytest", "tests/recordings/test_fuzz.py", *session.posargs, NNN_FUZZ="2000")


@nox.session
def faults(session: nox.Session) -> None:
    """Break a tiny experiment in every way listed: each must end with one line and harm nothing (-- --help)."""
    run(session, "python", "-m", "tests.faults.run", *session.posargs)


@nox.session
def fixture(session: nox.Session) -> None:
    """Run the whole pipeline twice on a tiny experiment, compare every output, then run the README's commands."""
    run(session, "python", "-m", "tests.fixture.twice", str(Path(sys.executable).with_name("nox")))


@nox.session
def portable(session: nox.Session) -> None:
    """Compare results across processors and circumstances: kernels, tiny experiment, stage by stage (-- --help)."""
    run(session, "python", "-m", "tests.portable.check", *session.posargs)


@nox.session
def online(session: nox.Session) -> None:
    """Run the README's commands that need the network, in a clone."""
    run(session, "python", "-m", "tests.readme.online", str(Path(sys.executable).with_name("nox")))


@nox.session
def container(session: nox.Session) -> None:
    """Build the image, run tests and pipeline in it offline and unprivileged, compare with the host (-- --help)."""
    run(session, "python", "-m", "tests.container.check", *session.posargs)


@nox.session(venv_backend="virtualenv")
def sbom(session: nox.Session) -> None:
    """Write the software bill of materials of a flavour (CycloneDX, from the locks)."""
    session.install("cyclonedx-bom==7.5.0")
    session.run("python", "container/sbom.py", FLAVOUR, f"sbom-{FLAVOUR}.cdx.json")


@nox.session(venv_backend="virtualenv")
def advisories(session: nox.Session) -> None:
    """Look up the locked packages of a flavour in PyPI's database of advisories."""
    session.install("pip-audit==2.10.1")
    session.run("python", "container/advisories.py", FLAVOUR)


@nox.session
def resolve(session: nox.Session) -> None:
    """Find every package of a flavour and check its hash, without installing any (FLAVOUR=cuda fetches about 3 GB)."""
    with tempfile.TemporaryDirectory() as folder:
        make_environment(session, Path(folder))
        for lock in ALL:
            install(session, Path(folder), lock, "--dry-run", *session.posargs)
    session.log(f"all packages of {', '.join(ALL)} were found and have their hashes")


@nox.session(venv_backend="virtualenv")
def metadata(session: nox.Session) -> None:
    """Validate CITATION.cff and the RO-Crate against their specifications; the validator looks up terms at w3id.org."""
    session.install("cffconvert==2.0.0", "roc-validator==0.13.0")
    session.run("cffconvert", "--validate", "-i", "CITATION.cff")
    options = ["--no-interactive", "--disable-color", "-y", "validate", "--metadata-only", "-np", "-p", "ro-crate-1.1"]
    session.run("rocrate-validator", *options, ".")


@nox.session
def lint(session: nox.Session) -> None:
    """Check style, format and import rules."""
    run(session, "ruff", "check", ".")
    run(session, "ruff", "format", "--check", ".")
    run(session, "lint-imports", "--no-logo")


@nox.session
def docs(session: nox.Session) -> None:
    """Build the documentation into site/; a broken link is an error."""
    run(session, "mkdocs", "build", "--strict", "--site-dir", "site", *session.posargs, NO_MKDOCS_2_WARNING="1")


@nox.session(venv_backend="virtualenv")
def lock(session: nox.Session) -> None:
    """Resolve the dependencies of pyproject.toml into the locks (`-- --upgrade`: to the latest releases)."""
    session.install(UV)
    session.run("python", "container/lock.py", PYTHON, CPU_INDEX, *session.posargs)
