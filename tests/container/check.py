"""Build the image, run it without network or rights, and compare what it makes with what the host makes.

Run by ``nox -s container``. Options choose engine and base image, leave the tests out, or also run the default pipeline
inside and compare it with the results at hand.
"""

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import yaml

from analysis.tools import diff
from tests.container import scan
from tests.container.engine import ROOT, Engine, hand_over
from tests.fixture.twice import OUTPUTS, build, prepare

TAG, CHANGED, CHECKS = "compendium", "compendium:changed", "compendium:checks"
SOURCE = "https://example.org/compendium"
STOPPED = 128 + 15


@contextmanager
def timed(what: str) -> Iterator[None]:
    """Say how long a step took."""
    start = time.monotonic()
    yield
    print(f"container: {what}: {time.monotonic() - start:.0f} s", flush=True)


def expect(holds: bool, problem: str) -> None:
    """Exit with the problem unless something holds."""
    if not holds:
        sys.exit(f"container: {problem}")


def run(command: list[str], what: str) -> str:
    """Run a command and return what it printed; exit with the end of it if it fails."""
    told = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    expect(told.returncode == 0, f"{what} failed with status {told.returncode}:\n{told.stdout[-4000:]}")
    return told.stdout


def check_build(engine: Engine, folder: Path) -> None:
    """Build; build again from the cache; build changed code, which must renew the last layer alone."""
    revision = subprocess.run(["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False)
    revision = revision.stdout.strip() or "unknown"
    with timed(f"build with {engine.name} on {engine.base}"):
        engine.build(ROOT, TAG, revision, SOURCE)
    with timed("second build"):
        engine.build(ROOT, TAG, revision, SOURCE)
    other = folder / "changed"
    generated = shutil.ignore_patterns(".git", ".nox", ".venv", "__pycache__", "data", "models", "results", "cache")
    shutil.copytree(ROOT, other, ignore=generated)
    with (other / "analysis" / "__init__.py").open("a") as file:
        file.write("# changed\n")
    with timed("build of changed code"):
        engine.build(other, CHANGED, "changed", SOURCE)
    first, second = engine.layers(TAG), engine.layers(CHANGED)
    kept = [a == b for a, b in zip(first, second, strict=True)]
    expect(kept == [True] * (len(first) - 1) + [False], f"a change of the code changed these layers: {kept}")
    print(f"container: {engine.size(TAG):.2f} GB in {len(first)} layers; changed code renews the last one")


def check_content(engine: Engine, folder: Path) -> None:
    """Look for what must not be in the image, and read its labels."""
    archive = folder / "image.tar"
    with timed("scan of all layers"):
        engine.save(TAG, archive)
        host = [str(ROOT), str(Path(sys.prefix).resolve()), str(folder)]
        lines = scan.findings(archive, host)
    expect(not lines, "the image holds what it must not:\n" + "\n".join(lines[:40]))
    config = scan.configuration(archive)["config"]
    archive.unlink()
    labels = {key.rpartition("image.")[2]: value for key, value in config["Labels"].items()}
    expect(labels.get("source") == SOURCE and labels.get("licenses") == "MIT", f"labels: {labels}")
    expect(labels.get("base.digest") == engine.digest and labels.get("base.name") == engine.base, f"labels: {labels}")
    expect(f"NNN_IMAGE_BASE={engine.digest}" in config["Env"], "NNN_IMAGE_BASE is not the base's digest")
    expect(f"NNN_IMAGE_REVISION={labels['revision']}" in config["Env"], "NNN_IMAGE_REVISION is not the revision")
    expect(config["User"] == "1000:1000", f"the image runs as {config['User'] or 'root'}")


def check_foreign_clone(engine: Engine, folder: Path) -> None:
    """Use git and dvc on a clone that belongs to someone else."""
    if not (ROOT / ".git").exists():
        return
    clone = folder / "clone"
    subprocess.run(["git", "clone", "--quiet", "--no-hardlinks", str(ROOT), str(clone)], check=True)
    subprocess.run(["chmod", "-R", "a+rwX", str(clone)], check=True)
    run(engine.confined(TAG, "git", "status", "--short", work=clone), "git status on another user's clone")
    run(engine.confined(TAG, "dvc", "status", work=clone), "dvc status on another user's clone")


def check_same(here: Path, there: Path, outputs: Sequence[str | Path], what: str) -> None:
    """Compare the host's outputs with the container's: the same bytes, and no other environment but the image."""
    comparison = diff.compare(here, there, outputs)
    print(f"container: {what}: {comparison.lines()[0]} on the host and in the container")
    other = [line for line in comparison.environments if not line.startswith("image.")]
    expect(comparison.within(0) and not other, "\n".join([f"{what} differs:", *comparison.lines()[1:]]))
    expect(bool(comparison.environments), f"{what}: the container's results do not name the image")


def check_fixture(engine: Engine, folder: Path) -> None:
    """Run the tiny pipeline on the host and, stopped once by SIGTERM, in the container."""
    host, mounted = folder / "host", folder / "mounted"
    host.mkdir()
    mounted.mkdir()
    with timed("fixture pipeline on the host"):
        build([host])
    prepare(mounted)
    hand_over(mounted)
    finished = check_signal(engine, mounted)
    with timed("rest of the fixture pipeline in the container"):
        told = run(engine.confined(TAG, work=mounted), "the fixture pipeline")
    for stage in finished:
        expect(f"Running stage '{stage}'" not in told, f"stage {stage} had been finished and ran again")
    expect("Running stage 'report'" in told, "the stage report did not run")
    check_same(host, mounted, OUTPUTS, "fixture")


def check_signal(engine: Engine, work: Path) -> list[str]:
    """Stop the pipeline by SIGTERM in its middle; return the stages that were finished."""
    name = f"compendium-{int(time.time())}"
    process = subprocess.Popen(
        engine.confined(TAG, work=work, name=name), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    wait_until(lambda: len(finished_stages(work)) >= 3 or process.poll() is not None)
    if process.poll() is not None:
        expect(False, f"the pipeline ended before it could be stopped:\n{process.communicate()[0][-4000:]}")
    start = time.monotonic()
    engine.signal(name, "TERM")
    told, _ = process.communicate(timeout=60)
    took = time.monotonic() - start
    expect(process.returncode == STOPPED, f"status {process.returncode} after SIGTERM:\n{told[-2000:]}")
    finished = finished_stages(work)
    locks = work / ".dvc" / "tmp" / "rwlock"
    held = json.loads(locks.read_text() or "{}") if locks.exists() else {}
    expect(not any(held.values()), f"DVC's locks are held after SIGTERM: {held}")
    print(f"container: SIGTERM ended the run in {took:.1f} s with {len(finished)} finished stages")
    return finished


def finished_stages(work: Path) -> list[str]:
    """Return the stages that ``dvc.lock`` records."""
    lock = work / "dvc.lock"
    try:
        return list(yaml.safe_load(lock.read_text())["stages"]) if lock.exists() else []
    except (yaml.YAMLError, TypeError, KeyError):  # read while it is written
        return []


def wait_until(condition: Callable[[], bool], seconds: float = 600) -> None:
    """Wait for a condition, at most so long."""
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.2)


def check_default(engine: Engine, folder: Path) -> None:
    """Make the default paper in the container, from nothing but the image, and compare it with the one at hand."""
    expect((ROOT / "paper" / "report.pdf").is_file(), "there is no paper to compare with: run nox -s reproduce")
    work = folder / "default"
    work.mkdir()
    hand_over(work)
    with timed("default pipeline in the container"):
        run(engine.confined(TAG, work=work), "the default pipeline")
    check_same(ROOT, work, diff.OUTPUTS, "default")


def main() -> None:
    """Run the checks in turn."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--engine", choices=["docker", "podman", "bare"], help="default: the first that runs")
    parser.add_argument("--base", help="base image with Python 3.11, or a Debian 12 without")
    parser.add_argument("--no-tests", action="store_true", help="leave out the test suite")
    parser.add_argument("--default", action="store_true", help="also make the default paper inside")
    options = parser.parse_args()
    with timed("engine and base image"):
        engine = Engine(options.engine, options.base)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        check_build(engine, folder)
        check_content(engine, folder)
        check_foreign_clone(engine, folder)
        check_fixture(engine, folder)
        if options.default:
            check_default(engine, folder)
    if not options.no_tests:
        with timed("build with the tests' packages"):
            engine.build(ROOT, CHECKS, "unknown", SOURCE, target="checks")
        with timed("tests in the container"):
            print(run(engine.confined(CHECKS, "test"), "the test suite").splitlines()[-1])
    print("container: all checks passed")


if __name__ == "__main__":
    main()
