"""Download files into the store: several at a time, resumed, retried and verified."""

import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from dataclasses import dataclass

from analysis.acquire.real import blobs
from analysis.acquire.real.digests import Hasher
from analysis.acquire.real.download_progress import Progress
from analysis.acquire.real.http_session import Session
from analysis.acquire.real.retry import Policy, Transient, judge
from analysis.acquire.real.sources import Pin
from analysis.core import settings
from analysis.core.errors import DataError

CHUNK = 1 << 16
"""Bytes read from a connection at once; small, so that progress shows on slow ones."""


@dataclass(frozen=True)
class Item:
    """A file to fetch."""

    digest: str
    size: int
    name: str
    """Used in messages."""
    open: Callable[[Session, int], Iterator[bytes]]
    """Takes a session and a byte offset, and yields the bytes from there on; the session keeps the response."""


def get(url: str) -> Callable[[Session, int], Iterator[bytes]]:
    """Return the `Item.open` of a URL."""

    def chunks(session: Session, start: int) -> Iterator[bytes]:
        answer = session.get(url, stream=True, headers={"Range": f"bytes={start}-"} if start else {})
        answer.raise_for_status()
        yield from answer.iter_content(CHUNK)

    return chunks


def size_of(url: str, name: str, policy: Policy | None = None) -> int:
    """Ask the server for the size, in bytes, of a file whose pin states none.

    Raises `DataError` if the server cannot be reached or does not say.
    """
    policy, failures = policy or Policy(), 0
    with Session(policy) as session:
        while True:
            try:
                answer = session.get(url, stream=True)
                answer.close()
                answer.raise_for_status()
                return int(answer.headers["Content-Length"])
            except (KeyError, ValueError) as error:
                raise DataError(f"{name}: the server does not state its size ({url})") from error
            except Exception as error:
                failure = judge(error, name, policy)
                failures += 1
                if failures >= policy.tries:
                    raise DataError(f"{name}: gave up after {failures} tries ({failure}); run again later") from error
                time.sleep(max(failure.after, policy.wait(failures)))


def pinned(pin: Pin, base: str) -> Item:
    """Return the item to `fetch` for a pinned file below the URL `base`.

    If the pin states no size, it is taken from the store, or requested from the server if the store lacks the file.
    """
    url, size = f"{base}/{pin.path}", pin.size
    if size is None:
        size = blobs.blob_path(pin.digest).stat().st_size if blobs.has(pin.digest) else size_of(url, pin.path)
    return Item(pin.digest, size, pin.path, get(url))


def fetch(items: Iterable[Item], policy: Policy | None = None) -> int:
    """Download the files that the store lacks.

    Raises `DataError` if a file is not available, or the disk is too small. Downloaded data are kept, unfinished files
    included.

    Returns
    -------
    int
        Number of files downloaded.
    """
    wanted = {item.digest: item for item in items}
    lacking = [item for item in wanted.values() if not blobs.has(item.digest, item.size)]
    if not lacking:
        return 0
    here = sum(min(_size_of_part(item), item.size) for item in lacking)
    total = sum(item.size for item in lacking)
    blobs.check_room(total - here)
    progress = Progress(total, here)
    try:
        _Crew(policy or Policy(), progress).work(lacking)
    except KeyboardInterrupt:
        progress.say(f"fetch: interrupted at {progress.state()}; run again to resume")
        raise
    finally:
        progress.close()
    return len(lacking)


def _size_of_part(item: Item) -> int:
    try:
        return blobs.part_path(item.digest).stat().st_size
    except (FileNotFoundError, NotADirectoryError):
        return 0


class _Crew:
    """Download threads, and one thread that monitors their speed."""

    def __init__(self, policy: Policy, progress: Progress):
        self.policy, self.progress = policy, progress
        self.stop = threading.Event()
        self.transfers: set[_Transfer] = set()
        self.lock = threading.Lock()
        self.local = threading.local()

    def work(self, items: list[Item]) -> None:
        threading.Thread(target=self._watch, daemon=True).start()
        pool = ThreadPoolExecutor(settings.read().connections)
        try:
            jobs = [pool.submit(self._one, item) for item in items]
            left = set(jobs)
            while left and not self.stop.is_set():
                # Wait briefly: a long wait would delay Ctrl-C.
                _, left = wait(left, timeout=0.5, return_when=FIRST_EXCEPTION)
        finally:
            self.stop.set()
            for transfer in self._active():
                transfer.cut()
            pool.shutdown(wait=True, cancel_futures=True)
        failed = [job.exception() for job in jobs if not job.cancelled() and job.exception()]
        for error in failed:
            if not isinstance(error, blobs.Stopped):
                raise error

    def _active(self) -> list["_Transfer"]:
        with self.lock:
            return list(self.transfers)

    def _watch(self) -> None:
        """Drop connections that are slower than the policy allows."""
        while not self.stop.wait(min(1.0, self.policy.patience / 5)):
            now = time.monotonic()
            for transfer in self._active():
                if now - transfer.since < self.policy.patience:
                    continue
                if transfer.received - transfer.received_then < self.policy.slowest * (now - transfer.since):
                    transfer.too_slow = True
                    transfer.cut()
                transfer.since, transfer.received_then = now, transfer.received

    def _one(self, item: Item) -> None:
        """Fetch one file, unless another has failed."""
        if self.stop.is_set():
            return
        try:
            self._fetch(item)
        except BaseException:
            self.stop.set()
            raise

    def _fetch(self, item: Item) -> None:
        if not hasattr(self.local, "session"):
            self.local.session = Session(self.policy)
        with blobs.open_part(item.digest, self.stop.is_set) as file:
            if blobs.has(item.digest, item.size):  # another process fetched it while we waited
                blobs.part_path(item.digest).unlink(missing_ok=True)
                return
            part = _Part(file, item)
            failures = wrong = 0
            while not part.whole():
                before = part.size
                try:
                    self._transfer(item, part)
                    if part.whole():
                        break
                    if part.size >= item.size:
                        wrong += 1
                        raise Transient("the content does not match the pinned hash", restart=True)
                    raise Transient(f"the connection closed at byte {part.size} of {item.size}")
                except Transient as failure:
                    if failure.restart:
                        self.progress.add(-part.size)
                        part.restart()
                    failures = 1 if part.size > before else failures + 1
                    if failures >= self.policy.tries or wrong >= 3:
                        raise DataError(
                            f"{item.name}: gave up after {max(failures, wrong)} tries ({failure}); "
                            "downloads are kept: run again later"
                        ) from failure
                    pause = max(failure.after, self.policy.wait(failures))
                    self.progress.say(f"fetch: {item.name}: {failure}; retrying in {pause:.1f} s")
                    if self.stop.wait(pause):
                        raise blobs.Stopped from None
            blobs.accept(blobs.part_path(item.digest), item.digest)

    def _transfer(self, item: Item, part: "_Part") -> None:
        """Make one request and append the bytes received.

        Raises
        ------
        Transient
            If the failure may be temporary.
        """
        session = self.local.session
        transfer = _Transfer(session)
        with self.lock:
            self.transfers.add(transfer)
        try:
            first = True
            for chunk in self._judged(item, item.open(session, part.size), transfer):
                if first and part.size and not _starts_at(session, part.size):
                    # The server sends the whole file again.
                    self.progress.add(-part.size)
                    part.restart()
                first = False
                transfer.received += len(chunk)
                try:
                    part.append(chunk)
                except OSError as error:
                    raise blobs.write_error(error) from error
                self.progress.add(len(chunk))
                if part.size > item.size:
                    raise Transient(f"received more than the pinned {item.size} bytes", restart=True)
                if self.stop.is_set():
                    raise blobs.Stopped
        finally:
            with self.lock:
                self.transfers.discard(transfer)
            if session.answer is not None:
                session.answer.close()

    def _judged(self, item: Item, chunks: Iterator[bytes], transfer: "_Transfer") -> Iterator[bytes]:
        try:
            yield from chunks
        except Exception as error:
            if self.stop.is_set():
                raise blobs.Stopped from error
            if transfer.too_slow:
                raise Transient(f"slower than {self.policy.slowest:.0f} bytes/s") from error
            raise judge(error, item.name, self.policy) from error


class _Transfer:
    """A request in progress, as `_Crew._watch` sees it."""

    def __init__(self, session: Session):
        self.session = session
        self.received = self.received_then = 0
        self.since = time.monotonic()
        self.too_slow = False

    def cut(self) -> None:
        """Shut down the response, so that the thread that reads it retries or stops."""
        answer = self.session.answer
        if answer is not None:
            try:
                answer.raw.shutdown()
            except (ValueError, RuntimeError, OSError):  # it has just ended
                return


class _Part:
    """An unfinished download and the running hash of its content."""

    def __init__(self, file: int, item: Item):
        self.file, self.item = file, item
        self.digest = Hasher(item.digest, item.size)
        self.size = 0
        os.lseek(file, 0, os.SEEK_SET)
        while chunk := os.read(file, blobs.CHUNK):
            self.digest.update(chunk)
            self.size += len(chunk)
        if self.size > item.size or (self.size == item.size and not self.whole()):
            self.restart()

    def whole(self) -> bool:
        return self.size == self.item.size and self.digest.digest() == self.item.digest

    def append(self, chunk: bytes) -> None:
        self.digest.update(chunk)
        view = memoryview(chunk)
        while view:
            n = os.write(self.file, view)
            self.size += n
            view = view[n:]

    def restart(self) -> None:
        os.ftruncate(self.file, 0)
        os.lseek(self.file, 0, os.SEEK_SET)
        self.digest = Hasher(self.item.digest, self.item.size)
        self.size = 0


def _starts_at(session: Session, start: int) -> bool:
    """Return whether the response starts at byte `start`; a server may ignore Range and send the whole file."""
    answer = session.answer
    stated = answer.headers.get("Content-Range", "")
    return answer.status_code == 206 and stated.startswith(f"bytes {start}-")
