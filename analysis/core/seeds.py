"""Random seeds derived from task names."""

import zlib


def seed_of(seed: int, *names: str | int) -> int:
    """Return the seed of a named task; it does not depend on the order of tasks or the number of workers.

    Parameters
    ----------
    seed : int
        Seed of the whole run (``seed`` in ``params.yaml``).
    *names : str or int
        Name of the task, such as ``"compare", recording, region``.

    Returns
    -------
    int
        Lower 31 bits of the CRC-32 of seed and names.
    """
    return zlib.crc32("/".join(map(str, (seed, *names))).encode()) & 0x7FFFFFFF
