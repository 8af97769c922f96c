"""A reader of the pages: a clone, an environment, and commands that are typed and looked at."""

import os
import re
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from tests.project import ROOT
from tests.readme.commands import SHELL, Command
from tests.readme.engine import BUILD
from tests.readme.table import Run


class Failed(Exception):
    """A command did not do what its page says."""


@dataclass
class Reader:
    """Somebody who types commands in a clone; `words` are typed in place of placeholders."""

    clone: Path
    environment: dict[str, str]
    words: dict[str, str]

    def run(self, command: Command, expected: Run) -> None:
        """Run one command and look at what it says and leaves.

        Raises
        ------
        Failed
            If that is not what was expected.
        """
        for name in expected.leaves:
            (self.clone / name).unlink(missing_ok=True)
        if expected.before:
            expected.before(self.clone)
        typed = command.text
        for word, value in self.words.items():
            typed = typed.replace(word, value)
        start = time.monotonic()
        done = subprocess.run(
            ["bash", "-c", f"{SHELL} && {typed}"],
            cwd=self.clone,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        print(f"readme: {time.monotonic() - start:5.1f} s  {command.text[:100]}", flush=True)
        try:
            self._judge(done, expected)
        except AssertionError as error:
            about = f"{command.page}: {command.text}\ntyped as: {typed}\n{error}"
            raise Failed(f"{about}\nit said:\n{done.stdout[-3000:]}") from error

    def _judge(self, done: subprocess.CompletedProcess, expected: Run) -> None:
        assert done.returncode == 0, f"exit status {done.returncode}"
        assert re.search(expected.says, done.stdout, re.MULTILINE), f"it does not say {expected.says!r}"
        if expected.says_not:
            assert not re.search(expected.says_not, done.stdout), f"it says {expected.says_not!r}"
        for name in expected.leaves:
            assert (self.clone / name).is_file(), f"it leaves no {name}"
        if expected.after:
            expected.after(self.clone)


def git(*words: str, folder: Path | None = None) -> None:
    """Run git."""
    subprocess.run(["git", *words], cwd=folder, check=True, capture_output=True)


def repository(folder: Path, build: Path) -> Path:
    """Commit the code as it lies here, with parameters, lock and metrics of a finished copy; return the repository."""
    git("init", "--quiet", "--initial-branch=main", str(folder))
    # git reads the files where they are, and leaves out what .gitignore names
    git(f"--git-dir={folder / '.git'}", f"--work-tree={ROOT}", "add", "--all", str(ROOT))
    git("checkout-index", "--all", folder=folder)
    for name in ("params.yaml", "dvc.lock", "results/headline.json"):
        shutil.copy(build / name, folder / name)
    git("add", "--all", folder=folder)
    git("-c", "user.name=x", "-c", "user.email=x@example.org", "commit", "--quiet", "-m", "tiny", folder=folder)
    return folder


def clone(origin: Path, folder: Path, build: Path, nox: Path, variables: dict[str, str]) -> Path:
    """Clone as a reader does; bring the finished experiment from the cache, and lend the environments of this run."""
    git("clone", "--quiet", str(origin), str(folder))
    (folder / ".dvc/config.local").write_text(f"[cache]\n    dir = {build / '.dvc/cache'}\n")
    for path, target in ((".nox/env-cpu", Path(sys.prefix)), (".venv/bin", nox.parent)):
        (folder / path).parent.mkdir()
        (folder / path).symlink_to(target)
    subprocess.run(["bash", "-c", f"{SHELL} && dvc checkout --quiet"], cwd=folder, env=variables, check=True)
    return folder


def environment(folder: Path, build: Path, nox: Path) -> dict[str, str]:
    """Return the variables of all commands: a home of their own, stand-ins for engines, no environment of ours."""
    programs, home = folder / "bin", folder / "home"
    programs.mkdir()
    home.mkdir()
    (folder / "store").mkdir()
    (home / ".gitconfig").write_text("[user]\n\tname = x\n\temail = x@example.org\n")
    for name in ("docker", "podman", "apptainer"):
        shutil.copy(ROOT / "tests/readme/engine.py", programs / name)
        (programs / name).chmod(0o755)
    others = [
        path for path in os.environ["PATH"].split(os.pathsep) if Path(path) not in (Path(sys.prefix, "bin"), nox.parent)
    ]
    settings = re.compile("NNN_|DVC_|PIP_|NOX|GIT_|FLAVOUR$")
    return {key: value for key, value in os.environ.items() if not settings.match(key)} | {
        "PATH": os.pathsep.join([str(programs), *others]),
        "HOME": str(home),
        "XDG_CACHE_HOME": str(home / ".cache"),
        "NNN_STORE": str(folder / "store"),
        "DVC_SITE_CACHE_DIR": str(folder / "site"),
        "DVC_NO_ANALYTICS": "1",
        BUILD: str(build),
    }
