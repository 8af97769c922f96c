"""Run independent tasks in this process, on local workers, or on a cluster.

The environment decides where they run, which never changes a result:

- ``NNN_SCHEDULER=tcp://host:8786`` (or the path of a scheduler file): on a dask scheduler and workers that you start
  yourself (``dask scheduler``, ``python -m analysis worker tcp://host:8786 --nthreads 1``) in folders with the same
  files. Start one worker per GPU (``CUDA_VISIBLE_DEVICES=0 python -m analysis worker ... --resources "GPU=1"``).
  A plain ``dask worker`` does not fix the numerics; tasks refuse to run on it.
- ``NNN_SCHEDULER=slurm``: in SLURM jobs, as configured for dask-jobqueue (the extra ``slurm``).
- Otherwise in ``NNN_WORKERS`` local processes (default: one per core), or in this process if there are few tasks or
  only one worker.
"""

import platform
import shutil
import sys
import traceback
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import as_completed as completed
from contextlib import contextmanager, suppress
from multiprocessing import resource_tracker
from pathlib import Path

from analysis.core import numerics, settings
from analysis.core.errors import DataError, WriteError
from analysis.core.numerics import KEPT_BYTES, THREADS, fixed_threads
from analysis.core.parallel import killed_on_interrupt, no_interrupts

MAX_IN_PROCESS = 24
"""Up to this many recordings are processed in this process, because starting workers would take as long."""
DIED = "its worker died on every try"
"""Start of the failure message of a task whose worker was killed on every try, for example for lack of memory."""
TASKS_PER_GPU = 4
"""Number of tasks that run at once on the GPU of this process."""
JOB_MEMORY = "2GB"
"""Memory of a SLURM job unless dask-jobqueue's configuration sets it; a worker needs about a tenth of it."""
WORKER = "analysis worker"
"""Command of a SLURM job, after ``python -m``."""
TIMEOUT_S = 60
"""How long to wait for a scheduler to answer."""


def run_all(function: Callable, tasks: dict[str, tuple]) -> Iterator[tuple[str, str | None]]:
    """Run ``function(*arguments)`` for each named task where the environment says; yields like `run_on`."""
    with client_for(len(tasks), MAX_IN_PROCESS) as client:
        yield from run_on(client, function, tasks)


@contextmanager
def client_for(n_tasks: int, max_in_process: int, gpus: int = 0):
    """Yield a dask client, or None if the tasks should run in this process.

    Parameters
    ----------
    n_tasks : int
    max_in_process : int
        Without a scheduler, up to this many tasks run in this process, because starting workers would take as long.
    gpus : int
        Number of GPUs of this machine, if the tasks run on GPUs: one worker per GPU, or this process for a single GPU.
    """
    values = settings.read()
    scheduler, n_workers = values.scheduler, min(gpus or values.workers, n_tasks)
    if n_tasks == 0 or (not scheduler and (n_workers == 1 or n_tasks <= max_in_process)):
        yield None
    else:
        with _client(scheduler, n_workers, {"GPU": 1} if gpus else {}) as client:
            yield client


def run_on(
    client,
    function: Callable,
    tasks: dict[str, tuple],
    threads: int = THREADS,
    gpu: bool = False,
    share: int | None = None,
) -> Iterator[tuple[str, str | None]]:
    """Run ``function(*arguments)`` for each named task and yield (name, reason for failure or None) as the tasks end.

    An exception other than `WriteError` fails only its own task: the message of a `DataError` is the reason; any other
    exception also prints its traceback to standard error. A task whose worker dies is retried on another worker; after
    four deaths its reason begins with `DIED`.

    Parameters
    ----------
    client : dask client or None
        None runs the tasks in this process, one after another.
    threads : int
        BLAS and torch threads of each task.
    gpu : bool
        Whether tasks run on GPUs. On a worker each task takes a whole GPU, and the worker has as many as its resource
        ``GPU`` says; in this process the tasks share the GPU.
    share : int, optional
        Number of tasks at once on the GPU of this process, by default `TASKS_PER_GPU`.
    """
    if client is None and gpu:
        yield from _share_gpu(threads, function, tasks, share or TASKS_PER_GPU)
        return
    if client is None:
        for name, arguments in tasks.items():
            yield name, attempt(threads, function, *arguments)
        return
    from dask.distributed import as_completed

    resources = _gpu_of(client) if gpu else None
    # A scheduler that remembers a key returns its old result, so every call uses new keys.
    key = f"{function.__name__}-{{}}-{uuid.uuid4().hex}".format
    futures = {
        client.submit(
            _attempt_there,
            numerics.state(),
            threads,
            function,
            *arguments,
            pure=False,
            resources=resources,
            key=key(name),
        ): name
        for name, arguments in tasks.items()
    }
    for future in as_completed(futures):
        error = future.exception()
        if isinstance(error, DataError):  # other numerics, or a WriteError: not a failure of this task
            raise error
        yield futures[future], future.result() if error is None else f"{DIED} ({type(error).__name__})"


def _share_gpu(threads: int, function: Callable, tasks: dict, share: int) -> Iterator[tuple[str, str | None]]:
    """Run several tasks at once on the GPU of this process: a single small network leaves most of it idle."""
    with fixed_threads(threads), ThreadPoolExecutor(share) as pool:
        futures = {pool.submit(_outcome, function, *arguments): name for name, arguments in tasks.items()}
        for future in completed(futures):
            yield futures[future], future.result()


def _gpu_of(client) -> dict[str, int]:
    """Return the resource that a GPU task requests; if no worker offers it, raise, or the task would wait for ever."""
    with suppress(TimeoutError):
        client.wait_for_workers(1, timeout=TIMEOUT_S)
    if not any(worker["resources"].get("GPU") for worker in client.scheduler_info(n_workers=-1)["workers"].values()):
        raise DataError('no worker of the scheduler offers a GPU: start one for each with --resources "GPU=1"')
    return {"GPU": 1}


def gpu_of_worker(device: str) -> str:
    """Return the device of a task: on one of several local GPU workers, that worker's GPU."""
    from dask.distributed import get_worker

    try:
        worker = get_worker().name
    except ValueError:  # not on a worker
        return device
    return f"cuda:{worker}" if device == "cuda" and isinstance(worker, int) else device


def attempt(threads: int, function: Callable, *arguments) -> str | None:
    """Call the function with a fixed number of threads; return None, or the reason for its failure."""
    with fixed_threads(threads):
        return _outcome(function, *arguments)


def _attempt_there(here: str, threads: int, function: Callable, *arguments) -> str | None:
    """Call `attempt` on a worker, unless its numerics differ from those of the submitting process."""
    if (there := numerics.state()) != here:
        raise DataError(
            f"a worker on {platform.node()} uses different numerics from this process ({there}; here {here}):"
            f" start workers with `python -m analysis worker ADDRESS`, with the same {numerics.VARIABLE}"
        )
    return attempt(threads, function, *arguments)


def _outcome(function: Callable, *arguments) -> str | None:
    try:
        function(*arguments)
    except WriteError:  # every task would fail in the same way, and none is at fault
        raise
    except DataError as error:
        return str(error)
    except Exception as error:  # a bug in this project; the other tasks continue
        traceback.print_exc(file=sys.stderr)
        return f"unexpected {type(error).__name__}: {' '.join(str(error).split())}"
    return None


@contextmanager
def _client(scheduler: str | None, n_workers: int, resources: dict[str, int]):
    """Connect to a cluster or start local workers; afterwards close what was started."""
    import dask
    from dask.distributed import Client, LocalCluster

    # A worker that dies while starting must not be restarted for ever.
    dask.config.set({"distributed.worker.daemon": True, "distributed.scheduler.allowed-failures": 3})
    _configure_workers()
    if scheduler is None:
        resource_tracker.ensure_running()  # starting it within `no_interrupts` would unblock Ctrl-C
        with no_interrupts():
            cluster = LocalCluster(
                n_workers=n_workers,
                threads_per_worker=1,
                dashboard_address=None,
                scheduler_kwargs={"dashboard_address": "127.0.0.1:0"},  # any free port: 8787 may be taken
                resources=resources,
            )
        with cluster, Client(cluster) as client, killed_on_interrupt():
            yield client
    elif scheduler == "slurm":
        with _slurm(n_workers) as cluster, Client(cluster) as client:
            yield client
    else:
        address = {"scheduler_file": scheduler} if Path(scheduler).is_file() else {"address": scheduler}
        try:
            client = Client(**address, timeout=TIMEOUT_S)
        except (OSError, ValueError) as error:
            raise DataError(f"NNN_SCHEDULER={scheduler}: no scheduler answers there ({error})") from error
        with client:
            yield client


def _configure_workers() -> None:
    """Make workers write the bytes that this process would, and keep their memory.

    Their profiler holds frames of a running task: HDF5 objects then close later, and lie elsewhere in the file. Tasks
    run in a thread with its own malloc arena, so `numerics.keep_memory` applies when a worker starts.
    """
    import dask

    dask.config.set({"distributed.worker.profile.enabled": False})
    kept = {f"MALLOC_{name}_": bytes_ for name, bytes_ in KEPT_BYTES.items()} | {"MALLOC_ARENA_MAX": 1}
    dask.config.set({f"distributed.nanny.pre-spawn-environ.{name}": value for name, value in kept.items()})


def run_worker(arguments: list[str]) -> None:
    """Run a dask worker with the numerics of this process and the options of ``dask worker``."""
    from distributed.cli.dask_worker import main

    _configure_workers()
    main(arguments, prog_name="python -m analysis worker")


def _slurm(n_workers: int):
    """Start workers as SLURM jobs of one process and one core; the rest comes from dask-jobqueue's configuration."""
    import dask

    try:
        from dask_jobqueue import SLURMCluster
    except ImportError as error:
        raise DataError("NNN_SCHEDULER=slurm needs dask-jobqueue: install the extra 'slurm'") from error
    if shutil.which("sbatch") is None:
        raise DataError("NNN_SCHEDULER=slurm: there is no command sbatch here; run on a login node of the cluster")
    memory = dask.config.get("jobqueue.slurm.memory", None) or JOB_MEMORY
    # Each job is ``python -m analysis worker``, which fixes the numerics for the processor it runs on.
    cluster = SLURMCluster(cores=1, processes=1, memory=memory, worker_command=WORKER)
    cluster.scale(n_workers)
    return cluster
