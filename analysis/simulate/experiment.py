"""Simulate the whole experiment, in files laid out like the published data."""

import hashlib
import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image
from threadpoolctl import threadpool_limits

from analysis.core.errors import DataError
from analysis.core.numerics import THREADS
from analysis.core.parallel import process_pool
from analysis.core.progress import track
from analysis.params import Simulate
from analysis.simulate import annotations
from analysis.simulate.recording import Task, run_recording
from analysis.simulate.render import render
from analysis.simulate.responses.early_features import feature_maps, luminance_map
from analysis.simulate.responses.neurons import name_units
from analysis.simulate.responses.teacher import layer_maps
from analysis.simulate.responses.worlds import EARLY, LUMINANCE, teacher_is_needed
from analysis.simulate.scenes import Scene, draw_scenes
from analysis.simulate.sessions import Session, choose_images, plan_sessions
from analysis.simulate.split_zip_writer import write_split_zip

VOLUMES = 4
"""Approximate number of volumes of the image archive."""
REFERENCE_IMAGES = 96
"""Minimum number of images, if available, over which the drive of the units is standardised."""
FEWEST_IMAGES_FOR_PROCESSES = 100
"""With fewer images, starting processes costs more time than it saves."""


def simulate(params: Simulate, seed: int, folder: Path) -> None:
    """Simulate the experiment; write dandiset, stimuli, annotations and report like the published ones, and the truth.

    `folder` becomes ``data/raw``. Equal parameters and seeds give equal bytes, with any number of workers. Raises
    `DataError` if the experiment is too small to show every irregularity of the published data, or `folder` is not
    writable.
    """
    folder = Path(folder)
    scenes = draw_scenes(params, seed)
    sessions = plan_sessions(params.recordings)
    for session in sessions:
        name_units(session, params.units_per_recording)  # rejects impossible parameters before anything is rendered
    chosen = {s.name: choose_images(s, scenes, params, seed) for s in sessions}
    with process_pool(workers=None if len(scenes) >= FEWEST_IMAGES_FOR_PROCESSES else 1, threads=THREADS) as run:
        names, contents, regions, maps = _images(scenes, run, params.world)
        _write_images(folder, scenes, names, contents, regions)
        tasks = ((_task(s, scenes, chosen[s.name], names, maps, params, seed, folder),) for s in sessions)
        done = list(track(run(run_recording, tasks), "recordings simulated", len(sessions)))
    units = dict(zip([s.name for s in sessions], done, strict=True))
    annotations.write_tables(folder / "annotations" / "db", sessions, units)


def _images(scenes: list[Scene], run: Callable, world: str) -> tuple[list[str], list[bytes], list[bytes], list[dict]]:
    """Render all scenes; return file names, file contents, packed regions and feature maps by kind."""
    tasks = ((scene, teacher_is_needed(world)) for scene in scenes)
    made = list(track(run(make_image, tasks), "images rendered", len(scenes)))
    contents, regions, maps = (list(part) for part in zip(*made, strict=True))
    digests = [hashlib.md5(c, usedforsecurity=False).hexdigest() for c in contents]
    if len(set(digests)) < len(digests):
        raise DataError("simulate: two images are identical: use another seed")
    names = [f"{d}.{s.extension}" for d, s in zip(digests, scenes, strict=True)]
    return names, contents, regions, maps


def make_image(scene: Scene, taught: bool = False) -> tuple[bytes, bytes, dict[str, np.ndarray]]:
    """Render and encode one scene; return the file's bytes, the region as packed bits, and the feature maps by kind.

    `taught`: also the maps of the teacher, which sees the image as the file holds it.
    """
    with threadpool_limits(limits=1):
        pixels, region = render(scene)
        image = Image.fromarray(pixels).convert(scene.mode)
        file = io.BytesIO()
        if scene.extension == "jpg":
            image.save(file, format="JPEG", quality=88)
        else:
            image.save(file, format="PNG", compress_level=6)
        maps = {EARLY: feature_maps(pixels), LUMINANCE: luminance_map(pixels)}
    if taught:
        maps |= layer_maps(np.array(Image.open(file).convert("RGB")))
    return file.getvalue(), np.packbits(region).tobytes(), maps


def _write_images(folder: Path, scenes, names, contents, regions) -> None:
    """Write the split archive of the images, and their annotations."""
    archive = folder / "stimuli"
    archive.mkdir(parents=True, exist_ok=True)
    members = [(f"Stimuli/{n}", c) for n, c in sorted(zip(names, contents, strict=True))]
    volume = sum(map(len, contents)) // VOLUMES + 4096
    write_split_zip(archive / "Stimuli", members, volume)
    database = folder / "annotations" / "db"
    annotations.write_regions(database / "ROIs" / "Stimuli", scenes, names, regions, folder / "report" / "face.csv")
    annotations.write_similar(database / "similar_images.txt", scenes, names)
    annotations.write_scenes(folder / "truth" / "scenes.csv", scenes, names)


def _task(session: Session, scenes, shown, names, maps, params, seed, folder) -> Task:
    """Gather the inputs of one recording."""
    same_size = [s.index for s in scenes if s.pool == session.pool and s.annotated]
    step = max(1, len(same_size) // REFERENCE_IMAGES)
    reference = same_size[::step]
    return Task(
        session=session,
        scenes=[scenes[i] for i in shown],
        paths=[f"Stimuli/{names[i]}" for i in shown],
        maps=_stack(maps, shown),
        reference_scenes=[scenes[i] for i in reference],
        reference_maps=_stack(maps, reference),
        params=params,
        seed=seed,
        folder=folder,
    )


def _stack(maps: list[dict[str, np.ndarray]], chosen: list[int]) -> dict[str, np.ndarray]:
    """Return the maps of the images `chosen` by kind, (n_images, channels, rows, columns)."""
    return {kind: np.stack([maps[i][kind] for i in chosen]) for kind in maps[chosen[0]]}
