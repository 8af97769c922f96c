"""Random seeds by the name of what they are for."""

import zlib


def seed_of(seed: int, *names: str | int) -> int:
    """Return a seed for one named task, the same for any order or number of workers.

    Parameters
    ----------
    seed : int
        Of the whole run (``seed`` in ``params.yaml``).
    *names : str or int
        Of the task, such as ``"compare", recording, region``.

    Returns
    -------
    int
        31 bits: the CRC-32 of seed and names.
    """
    return zlib.crc32("/".join(map(str, (seed, *names))).encode()) & 0x7FFFFFFF
