"""The dandiset: its listing, checked against the pinned digest, and its files, fetched with the dandi client."""

import hashlib
from collections.abc import Iterator

import requests

from analysis.acquire.real import blobs, sources
from analysis.acquire.real.download import CHUNK, Item
from analysis.acquire.real.http_session import Session, dandi_client, reach
from analysis.acquire.real.retry import Policy, judge
from analysis.core import settings
from analysis.core.errors import DataError

PAGE = 1000


def listing(dandiset: sources.Dandiset) -> list[sources.Pin]:
    """Return all files of the version, verified against the pinned digest.

    The archive is queried once; the store then keeps the list under its digest. Raises `DataError` if the archive
    cannot be reached or its list differs from the pinned one.
    """
    if not blobs.has(dandiset.digest):
        assets(dandiset)
    return sources.parse_pins(blobs.blob_path(dandiset.digest).read_text(encoding="utf-8"))


def assets(dandiset: sources.Dandiset, policy: Policy | None = None) -> dict[str, dict]:
    """Query the archive for its files, check the list, and return the client's record of each file by path."""
    found = _ask(dandiset, policy or Policy())
    try:
        pins = [
            sources.Pin(record["metadata"]["digest"]["dandi:sha2-256"], int(record["size"]), record["path"])
            for record in found
        ]
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(
            f"{_name(dandiset)}: the listing lacks {error}; is {settings.read().dandi_api} DANDI?"
        ) from error
    text = sources.format_pins(pins)
    digest = hashlib.sha256(text.encode()).hexdigest()
    if digest != dandiset.digest:
        raise DataError(
            f"{_name(dandiset)}: the listing of {settings.read().dandi_api} ({len(pins)} files, digest "
            f"{digest[:12]}...) differs from the pinned listing ({dandiset.digest[:12]}...); nothing was downloaded"
        )
    blobs.put(text.encode(), digest)
    return {record["path"]: record for record in found}


def items(dandiset: sources.Dandiset, pins: list[sources.Pin]) -> list[Item]:
    """Return the items to `fetch` for `pins`: none if the store holds them all, else the archive is queried."""
    if all(blobs.has(pin.digest, pin.size) for pin in pins):
        return []
    records = assets(dandiset)
    return [Item(pin.digest, pin.size, pin.path, _opener(dandiset, records[pin.path])) for pin in pins]


def _opener(dandiset: sources.Dandiset, record: dict):
    api = settings.read().dandi_api

    def chunks(session: Session, start: int) -> Iterator[bytes]:
        from dandi.dandiapi import RemoteAsset

        remote = dandi_client(api, session).get_dandiset(dandiset.id, dandiset.version)
        data = {key: value for key, value in record.items() if key != "metadata"}
        yield from RemoteAsset.from_data(remote, data).get_download_file_iter(CHUNK)(start)

    return chunks


def _ask(dandiset: sources.Dandiset, policy: Policy) -> list[dict]:
    api = settings.read().dandi_api
    reach(api, _name(dandiset))
    for attempt in range(1, 4):
        try:
            with Session(policy) as session:
                remote = dandi_client(api, session).get_dandiset(dandiset.id, dandiset.version)
                path = f"{remote.version_api_path}assets/"
                return list(remote.client.paginate(path, page_size=PAGE, params={"metadata": True, "order": "path"}))
        except (requests.JSONDecodeError, KeyError, TypeError) as error:
            raise DataError(f"{_name(dandiset)}: {api} is not a DANDI API; check NNN_DANDI_API") from error
        except requests.RequestException as error:
            failure = judge(error, _name(dandiset), policy)
            # The client itself has already tried twelve times, except after time-outs.
            if attempt == 3 or not isinstance(error, requests.Timeout):
                raise DataError(f"{_name(dandiset)}: cannot list the files at {api} ({failure})") from error


def _name(dandiset: sources.Dandiset) -> str:
    return f"DANDI:{dandiset.id}/{dandiset.version}"
