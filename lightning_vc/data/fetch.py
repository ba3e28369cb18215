"""Remote files by fsspec: s3://, gs://, http(s):// and every other protocol that fsspec supports.

A shard is downloaded completely and checked before it is read, so that a dropped connection loses no sample.
`webdataset.cache.FileCache` is not used: it limits neither size nor time of downloads, identifies a file by the
last part of its address, and never checks a cached file again.
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

from lightning_vc.files import atomic_write, limited_blocks, named_errors, sha256_of

T = TypeVar("T")

_TRIES = 5
_PATIENCE = 60.0  # seconds to wait for the next bytes
_BLOCK = 1 << 20
_LOCAL_ERRORS = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EACCES, errno.EROFS}  # a new attempt would fail too
_WAIT = 0.5  # seconds before the second attempt, doubled for each further one
_compared: set[Path] = set()  # cached files whose checksum this process has compared
_log = logging.getLogger(__name__)


def is_remote(url: str) -> bool:
    """Whether this is an address, not a path on this machine."""
    return "://" in url


def read_bytes(url: str, max_bytes: int) -> bytes:
    """Fetch a file of at most `max_bytes` bytes.

    Raises FileNotFoundError if it does not exist, ValueError if it is longer or cannot be fetched.
    """
    return _with_retries(url, lambda: b"".join(_blocks(url, max_bytes)))


@contextmanager
def local_copy(url: str, sha256: str, size: int, cache: str | None = None) -> Iterator[Path]:
    """Yield the path of a local file, or of a checked copy of a remote file of `size` bytes, kept in `cache`.

    Without a cache the copy has no name, so that nothing remains of it even if the process is killed. Raises
    FileNotFoundError if the file does not exist, ValueError if it cannot be fetched or its checksum differs.
    """
    if not is_remote(url):
        if not Path(url).is_file():
            raise FileNotFoundError(f"{url}: no such file; copy it again from its source")
        yield Path(url)
    elif cache is None:
        with tempfile.TemporaryFile() as file:
            path = Path(f"/dev/fd/{file.fileno()}")
            _copy(url, sha256, size, path)
            yield path
    else:
        path = Path(cache, f"{sha256[:16]}-{url.rpartition('/')[2]}")
        cached = path.exists()
        if cached and path not in _compared and sha256_of(path) != sha256:  # compared once per process
            _log.warning("%s does not have the checksum of the index: fetching it again", path)
            cached = False
        if not cached:
            with atomic_write(path) as partial:
                _copy(url, sha256, size, partial)
        _compared.add(path)
        yield path


def _copy(url: str, sha256: str, size: int, path: Path) -> None:
    """Fetch a file of `size` bytes into an existing file, and check it."""

    def fetch() -> None:
        with path.open("wb", buffering=0) as out:
            for block in _blocks(url, size):
                with named_errors(path):
                    out.write(block)
        if sha256_of(path) != sha256:
            raise OSError("its checksum differs from that in the index")

    _with_retries(url, fetch)


def _blocks(url: str, max_bytes: int) -> Iterator[bytes]:
    """Blocks of a file as they arrive; raises ValueError for more than `max_bytes`, OSError for a slow server.

    Chains of filesystems are refused: one that reads an index or an archive, such as reference://, takes any memory,
    and runs the templates in it.
    """
    if "::" in url:
        raise ValueError("a chain of filesystems (::) is not followed: give one address")
    options = {}
    if url.startswith(("http://", "https://")):
        import aiohttp  # here: only http(s) needs it

        # The time without data is limited, the total time is not. Block size 0 streams; with another size, a slow
        # server could delay the end of each block without limit.
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=_PATIENCE, sock_read=_PATIENCE)
        options = {"block_size": 0, "client_kwargs": {"timeout": timeout}}
    with fsspec.open(url, "rb", **options) as remote:
        yield from limited_blocks(iter(lambda: remote.read(_BLOCK), b""), max_bytes)


def _with_retries(url: str, fetch: Callable[[], T]) -> T:
    """Call `fetch`, again after a dropped connection, each time after a longer wait."""
    for attempt in range(1, _TRIES + 1):
        try:
            return fetch()
        except FileNotFoundError:
            raise
        except ImportError as error:
            raise ValueError(f"{url} needs a package: {error}") from error
        except Exception as error:  # every filesystem has its own errors
            permanent = isinstance(error, ValueError) or (isinstance(error, OSError) and error.errno in _LOCAL_ERRORS)
            if permanent or attempt == _TRIES:
                raise ValueError(f"{url} cannot be fetched, tried {attempt} times: {error!r}") from error
            wait = _WAIT * 2 ** (attempt - 1)
            _log.warning("%s: %r; trying again in %s s", url, error, wait)
            time.sleep(wait)
    raise AssertionError("unreachable")
