#!/usr/bin/env python3
"""A stand-in for docker, podman and apptainer: runs ``container/run`` at the words of the pages.

It isolates nothing. What it shows is that the words are an engine's, that the build arguments are those of the
Dockerfile, that .dockerignore lets through what the run needs, and what ``container/run`` then does with the folders.
Copied to a folder of programs under the name of each engine; images and containers are folders beside that.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

STATE = Path(__file__).resolve().parent.with_name("engine")
BUILD = "NNN_README_BUILD"
"""Variable that names the finished experiment: images hold its data and results and know its cache, to save time."""

OPTIONS = {
    "build": ["--tag -t", "--build-arg*", "context"],
    "run": [
        *("--rm!", "--read-only!", "--name", "--network", "--tmpfs", "--cap-drop", "--security-opt", "--user"),
        *("--userns", "--volume* -v", "--env* -e", "image", "words..."),
    ],
    "cp": ["source", "target"],
    "save": ["--output -o", "image"],
}
APPTAINER = {"build": ["image", "source"], "run": ["--containall!", "--bind* -v", "image", "words..."]}


def parsed(program: str) -> argparse.Namespace:
    """Return the words of the command line; an unknown one ends it with status 2."""
    top = argparse.ArgumentParser(program, allow_abbrev=False)
    commands = top.add_subparsers(dest="command", required=True)
    for name, options in (APPTAINER if program == "apptainer" else OPTIONS).items():
        command = commands.add_parser(name, allow_abbrev=False)
        for option in options:
            names = re.sub(r"[*!]|\.\.\.", "", option).split()
            if option.endswith("..."):
                command.add_argument(*names, nargs=argparse.REMAINDER)
            elif "!" in option:
                command.add_argument(*names, action="store_true")
            else:
                command.add_argument(*names, **({"action": "append", "default": []} if "*" in option else {}))
    return top.parse_args()


def build(tag: str, arguments: list[str], context: Path) -> None:
    """Lay out an image: what .dockerignore lets through, with what is finished of the tiny experiment."""
    known = re.findall(r"^ARG (\w+)", (context / "Dockerfile").read_text(), re.MULTILINE)
    values = dict(argument.split("=", 1) for argument in arguments)
    if unknown := set(values) - set(known):
        sys.exit(f"the Dockerfile has no ARG {', '.join(sorted(unknown))}")
    if not values.get("BASE_IMAGE", "").endswith(values.get("BASE_DIGEST", "")):
        sys.exit("BASE_DIGEST is not the digest in BASE_IMAGE")
    image = STATE / tag
    shutil.rmtree(image, ignore_errors=True)
    generated = shutil.ignore_patterns("__pycache__", ".gitignore", "figures", "*.pdf", "report.html", "claims.json")
    for pattern in re.findall(r"^!(.*)", (context / ".dockerignore").read_text(), re.MULTILINE):
        for path in context.glob(pattern):
            target = image / path.relative_to(context)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copytree(path, target, ignore=generated) if path.is_dir() else shutil.copy(path, target)
    with (image / ".dvc" / "config").open("a") as file:
        file.write(f"    dir = {os.environ[BUILD]}/.dvc/cache\n")
    for name in ("data", "models", "results"):
        shutil.copytree(Path(os.environ[BUILD]) / name, image / name)


def run(image: Path, volumes: list[str], variables: list[str], words: list[str], name: str | None) -> int:
    """Run the image's program on folders in place of ``/work`` and ``/opt/compendium``; return its status."""
    mounted = {inside: outside for outside, inside in (volume.split(":") for volume in volumes)}
    if lacking := [outside for outside in mounted.values() if not Path(outside).is_dir()]:
        sys.exit(f"no folder {', '.join(lacking)}")
    if "/work" not in mounted:
        mounted["/work"] = str(STATE / "containers" / name) if name else tempfile.mkdtemp(dir=STATE)
        Path(mounted["/work"]).mkdir(parents=True, exist_ok=True)
    places = mounted | {"/opt/compendium": str(image)}

    def outside(text: str) -> str:
        return re.sub(r"(?<![\w.])(" + "|".join(places) + r")\b", lambda match: places[match[0]], text)

    program = STATE / f"run-{os.getpid()}"
    program.write_text(outside((image / "container" / "run").read_text()))
    program.chmod(0o755)
    environment = {"PATH": os.environ["PATH"], "DVC_NO_ANALYTICS": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    environment |= {key: outside(value) for key, value in (variable.split("=", 1) for variable in variables)}
    return subprocess.run([str(program), *words], env=environment, check=False).returncode


def main() -> int:
    """Do what the command says; return the exit status."""
    program = Path(sys.argv[0]).name
    options = parsed(program)
    (STATE / "containers").mkdir(parents=True, exist_ok=True)
    match program, options.command:
        case "apptainer", "build":
            archive = Path(options.source.removeprefix("docker-archive:"))
            shutil.copy(archive, options.image)
        case "apptainer", "run":
            return run(STATE / Path(options.image).read_text(), options.bind, [], options.words, None)
        case _, "build":
            build(options.tag, options.build_arg, Path(options.context))
        case _, "run":
            return run(STATE / options.image, options.volume, options.env, options.words, options.name)
        case _, "cp":
            container, path = options.source.split(":/work/")
            shutil.copy(STATE / "containers" / container / path, options.target)
        case _, "save":
            Path(options.output).write_text(options.image)
    return 0


if __name__ == "__main__":
    sys.exit(main())
