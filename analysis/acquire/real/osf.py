"""The image archive on OSF. The node has no versions, so a lock file records its volumes when first fetched."""

import json
import sys
import time

import requests

from analysis.acquire.real import sources
from analysis.acquire.real.download import Item, get
from analysis.acquire.real.http_session import Session, reach
from analysis.acquire.real.retry import Policy, judge
from analysis.core import settings
from analysis.core.errors import DataError
from analysis.core.files import write_json


def locked(node: sources.Node) -> list[sources.Pin] | None:
    """Return the volumes that the lock records, or None if there is no lock yet.

    Raises `DataError` if the lock is damaged.
    """
    try:
        volumes = json.loads(node.lock.read_text(encoding="utf-8"))["volumes"]
        pins = [sources.Pin(volumes[name]["sha256"], volumes[name]["size"], name) for name in node.volumes]
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(f"{node.lock}: damaged lock ({error!r}); restore it from git") from error
    return pins


def write_lock(node: sources.Node, pins: list[sources.Pin]) -> None:
    """Record the verified volumes for all later runs; the file is meant to be committed."""
    volumes = {pin.path: {"sha256": pin.digest, "size": pin.size} for pin in pins}
    write_json(node.lock, {"node": node.id, "volumes": volumes})


def volumes(node: sources.Node, policy: Policy | None = None) -> list[tuple[sources.Pin, Item]]:
    """Ask OSF for the volumes and check them against the lock.

    Raises `DataError` if a volume is missing, has no SHA-256, or differs from the lock.
    """
    policy = policy or Policy()
    found = {}
    url = f"{settings.read().osf_api}/nodes/{node.id}/files/osfstorage/"
    seen = set()
    reach(url, "OSF")
    while url and url not in seen:
        seen.add(url)
        page = _json(url, policy)
        try:
            for entry in page["data"]:
                found[entry["attributes"]["name"]] = entry
            url = page["links"]["next"]
        except (KeyError, TypeError) as error:
            raise DataError(f"OSF {node.id}: {url} is not an OSF API; check NNN_OSF_API") from error
    if missing := [name for name in node.volumes if name not in found]:
        raise DataError(f"OSF {node.id}: volume {', '.join(missing)} of the image archive is missing at {node.url}")
    result = []
    for name in node.volumes:
        attributes = found[name]["attributes"]
        digest = ((attributes.get("extra") or {}).get("hashes") or {}).get("sha256")
        if not digest or not isinstance(attributes.get("size"), int):
            raise DataError(f"OSF {node.id}: {name} has no size or SHA-256 on OSF, so it cannot be verified")
        pin = sources.Pin(digest, attributes["size"], name)
        result.append((pin, Item(pin.digest, pin.size, name, get(found[name]["links"]["download"]))))
    for was, (now, _) in zip(locked(node) or [], result, strict=False):
        if was != now:
            raise DataError(
                f"OSF {node.id}: {now.path} has changed ({now.size} bytes, sha256 {now.digest[:12]}...) since it was "
                f"recorded ({was.size} bytes, {was.digest[:12]}...); to accept it, delete {node.lock.name}"
            )
    return result


def _json(url: str, policy: Policy) -> dict:
    with Session(policy) as session:
        failures = 0
        while True:
            try:
                answer = session.get(url)
                answer.raise_for_status()
                return answer.json()
            except requests.JSONDecodeError as error:
                raise DataError(f"OSF: {url} is not an OSF API; check NNN_OSF_API") from error
            except requests.RequestException as error:
                failure = judge(error, "OSF", policy)
                failures += 1
                if failures >= policy.tries:
                    raise DataError(f"OSF: cannot list the files at {url} ({failure})") from error
                pause = max(failure.after, policy.wait(failures))
                print(f"OSF: {failure}; retrying in {pause:.1f} s", file=sys.stderr, flush=True)
                time.sleep(pause)
