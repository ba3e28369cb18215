"""Files from other machines, by fsspec: s3://, gs://, http(s):// and whatever else has a filesystem for it.

A shard is fetched whole and checked before it is read, so a dropped connection costs a new attempt and never a sample.
It is not `webdataset.cache.FileCache`, whose downloads have no limit of size or time, which knows a file by the last
part of its address, and which never looks again at a file that it has.
"""

import errno
import logging
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import fsspec

from lightning_vc.files import atomic_write, named_errors, sha256_of

T = TypeVar("T")

_TRIES = 5
_PATIENCE = 60.0  # seconds without a byte
_SLOWEST = 50_000  # bytes a second that a server must send, on the average of all but the first minute
_BLOCK = 1 << 20
_LOCAL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EACCES, errno.EROFS}  # of this machine: no use to try again
_WAIT = 0.5  # seconds before the second try, doubled for each further one
_compared: set[Path] = set()
_log = logging.getLogger(__name__)


def is_remote(url: str) -> bool:
    """Whether this is an address and no path on this machine."""
    return "://" in url


def read_bytes(url: str, most: int) -> bytes:
    """Fetch a file of `most` bytes or fewer.

    Raises FileNotFoundError where there is none, ValueError where it is longer or cannot be had.
    """
    return _with_retries(url, lambda: b"".join(_blocks(url, most)))


@contextmanager
def local(url: str, sha256: str, size: int, cache: str | None = None) -> Iterator[Path]:
    """Give a file of `size` bytes on this machine: itself, or a checked copy, which is kept in the folder `cache`.

    Without a cache the copy has no name, so that nothing is left of it, also after a kill. Raises FileNotFoundError
    where there is no file, ValueError where it cannot be had or is not what it should be.
    """
    if not is_remote(url):
        if not Path(url).is_file():
            raise FileNotFoundError(f"{url}: no such file; bring it from where it was written")
        yield Path(url)
    elif cache is None:
        with tempfile.TemporaryFile() as file:
            path = Path(f"/dev/fd/{file.fileno()}")
            _copy(url, sha256, size, path)
            yield path
    else:
        path = Path(cache, f"{sha256[:16]}-{url.rpartition('/')[2]}")
        there = path.exists()
        if there and path not in _compared and sha256_of(path) != sha256:  # once by each process
            _log.warning("%s has another checksum than the index says: fetching it again", path)
            there = False
        if not there:
            with atomic_write(path) as partial:
                _copy(url, sha256, size, partial)
        _compared.add(path)
        yield path


def _copy(url: str, sha256: str, size: int, path: Path) -> None:
    """Fetch a file of so many bytes into a file that exists."""

    def fetch() -> None:
        with path.open("wb", buffering=0) as out:
            for block in _blocks(url, size):
                with named_errors(path):
                    out.write(block)
        if sha256_of(path) != sha256:
            raise OSError("what arrived is not what the index says: its checksum differs")

    _with_retries(url, fetch)


def _blocks(url: str, most: int) -> Iterator[bytes]:
    """Parts of a file as they arrive; raises ValueError for more bytes than `most`, OSError for a slow server."""
    options = {}
    if url.startswith(("http://", "https://")):
        import aiohttp  # needed for nothing else

        # However long a file takes, but a server that says nothing for a minute has hung up. And as a stream: in a
        # block of a fixed size it would wait for the last byte, however slowly they come.
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=_PATIENCE, sock_read=_PATIENCE)
        options = {"block_size": 0, "client_kwargs": {"timeout": timeout}}
    arrived, started = 0, time.monotonic()
    with fsspec.open(url, "rb", **options) as remote:
        while block := remote.read(_BLOCK):
            arrived += len(block)
            if arrived > most:
                raise ValueError(f"it is longer than the {most} bytes that it may have")
            if time.monotonic() - started > _PATIENCE + arrived / _SLOWEST:
                raise TimeoutError(f"{arrived} bytes arrived in {time.monotonic() - started:.0f} s, which is too slow")
            yield block


def _with_retries(url: str, fetch: Callable[[], T]) -> T:
    """Try again where a connection drops, each time after a longer wait."""
    for tried in range(1, _TRIES + 1):
        try:
            return fetch()
        except FileNotFoundError:
            raise
        except ImportError as error:
            raise ValueError(f"{url} needs a package: {error}") from error
        except Exception as error:  # every filesystem has errors of its own
            here = isinstance(error, OSError) and error.errno in _LOCAL
            if tried == _TRIES or isinstance(error, ValueError) or here:
                raise ValueError(f"{url} cannot be fetched, tried {tried} times: {error!r}") from error
            wait = _WAIT * 2 ** (tried - 1)
            _log.warning("%s: %r; trying again in %s s", url, error, wait)
            time.sleep(wait)
    raise AssertionError("unreachable")
