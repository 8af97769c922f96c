"""A container engine as the check uses it: docker, podman, or podman set up for the purpose."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

from tests.project import ROOT

BARE = ROOT / "container" / "podman-bare"
PINNED = "python:3.11.16-slim-bookworm@sha256:528257d48c1da0dcecc2e725d1ae34498d60c965f1241e39cd6a85a8859bdf84"
OWN_BASE = "localhost/debian"
NUMERICS = ("OPENBLAS_", "MKL_", "OMP_", "NNN_NUMERICS", "NNN_WORKERS")
"""Variables that choose how the host computes; the container is to compute likewise."""


class Engine:
    """Commands of one engine, and the base image it builds on.

    Parameters
    ----------
    name : str or None
        ``docker``, ``podman`` or ``bare``; None takes the first that runs.
    base : str or None
        Base image. None takes the pinned one, or for ``bare`` one made of Debian's packages.

    Attributes
    ----------
    name, base, digest : str
        Engine, base image and its digest (``sha256:...``).
    """

    def __init__(self, name: str | None = None, base: str | None = None):
        names = [name] if name else [n for n in ("docker", "podman") if shutil.which(n)] + ["bare"]
        for self.name in names:
            self.command = [str(BARE)] if self.name == "bare" else [self.name]
            self.base = base or (OWN_BASE if self.name == "bare" else PINNED)
            if self._base_runs():
                break
        else:
            sys.exit(f"none of {', '.join(names)} can run the base image {self.base}: give one it has (--base IMAGE)")
        self.digest = self.base.partition("@")[2] or self._digest()

    def _digest(self) -> str:
        known = self._inspect(self.base)
        pulled = [name.partition("@")[2] for name in known.get("RepoDigests") or []]
        return known.get("Digest") or (pulled or [known["Id"]])[0]

    def _base_runs(self) -> bool:
        if self.name == "bare" and self.base == OWN_BASE and not self._quiet("image", "exists", OWN_BASE):
            subprocess.run([*self.command, "base", OWN_BASE], check=True)
        return self._quiet("run", "--rm", "--network=none", self.base, "true")

    def _quiet(self, *arguments: str) -> bool:
        return subprocess.run([*self.command, *arguments], capture_output=True, check=False).returncode == 0

    def _inspect(self, image: str) -> dict:
        told = subprocess.run([*self.command, "image", "inspect", image], check=True, capture_output=True, text=True)
        return json.loads(told.stdout)[0]

    def build(self, context: Path, tag: str, revision: str, source: str, target: str = "compendium") -> None:
        """Build the CPU flavour up to a stage of the Dockerfile; exit with the end of the log if that fails."""
        values = {
            "FLAVOUR": "cpu",
            "BASE_IMAGE": self.base,
            "BASE_DIGEST": self.digest,
            "REVISION": revision,
            "SOURCE": source,
        }
        arguments = [f"--build-arg={name}={value}" for name, value in values.items()]
        told = subprocess.run(
            [*self.command, "build", *arguments, f"--target={target}", "-t", tag, str(context)],
            capture_output=True,
            text=True,
            check=False,
        )
        if told.returncode != 0:
            sys.exit(f"the image does not build:\n{(told.stdout + told.stderr)[-4000:]}")

    def layers(self, tag: str) -> list[str]:
        """Return the digests of an image's layers, from the base upwards."""
        return self._inspect(tag)["RootFS"]["Layers"]

    def size(self, tag: str) -> float:
        """Return the size of an image in GB."""
        return self._inspect(tag)["Size"] / 1e9

    def save(self, tag: str, archive: Path) -> None:
        """Write an image to an archive."""
        form = [] if self.name == "docker" else ["--format=docker-archive", "--quiet"]
        subprocess.run([*self.command, "save", *form, "-o", str(archive), tag], check=True, stdout=subprocess.DEVNULL)

    def confined(self, tag: str, *arguments: str, work: Path | None = None, name: str | None = None) -> list[str]:
        """Return the command that runs an image with no network, no capability and a read-only root.

        Parameters
        ----------
        tag : str
            Image.
        *arguments : str
            What it is to do.
        work : path, optional
            Folder to mount at ``/work``.
        name : str, optional
            Name of the container.
        """
        user = ["--user=1000:1000"] if os.getuid() in (0, 1000) else [f"--user={os.getuid()}:{os.getgid()}"]
        if self.name == "podman" and os.getuid() != 0:
            user.append("--userns=keep-id")
        return [
            *self.command,
            "run",
            "--rm",
            "--network=none",
            "--read-only",
            "--tmpfs=/tmp:exec",
            "--cap-drop=ALL",
            "--security-opt=no-new-privileges",
            *user,
            *(f"--env={variable}" for variable in os.environ if variable.startswith(NUMERICS)),
            *([f"--volume={work}:/work"] if work else []),
            *([f"--name={name}"] if name else []),
            tag,
            *arguments,
        ]

    def signal(self, name: str, number: str) -> None:
        """Send a signal to a container's first process."""
        subprocess.run([*self.command, "kill", f"--signal={number}", name], check=True, stdout=subprocess.DEVNULL)


def hand_over(folder: Path) -> Path:
    """Let the user of the image write to a folder of root's; return the folder."""
    if os.getuid() == 0:
        for path in [folder, *folder.rglob("*")]:
            os.chown(path, 1000, 1000, follow_symlinks=False)
    return folder
