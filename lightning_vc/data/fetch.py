"""Files from other machines, by fsspec: s3://, gs://, http(s):// and whatever else has a filesystem for it.

A shard is fetched whole and checked before it is read: so a dropped connection costs a new attempt and never a sample.
"""

import errno
import hashlib
import logging
import os
import platform
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import fsspec

T = TypeVar("T")

_TRIES = 5
_PATIENCE = 60.0  # seconds without a byte
_WAIT = 0.5  # seconds before the second try, doubled for each further one
_compared: set[Path] = set()
_log = logging.getLogger(__name__)


def is_remote(url: str) -> bool:
    """Whether this is an address and no path on this machine."""
    return "://" in url


def read_bytes(url: str) -> bytes:
    """Fetch a small file. Raises FileNotFoundError where there is none, ValueError where it cannot be had."""

    def fetch() -> bytes:
        with _opened(url) as remote:
            content: bytes = remote.read()
        return content

    return _stubborn(url, fetch)


@contextmanager
def local(url: str, sha256: str, cache: str | None = None) -> Iterator[Path]:
    """Give a file on this machine: itself, or a checked copy, which is kept in the folder `cache` if there is one.

    Raises FileNotFoundError where there is none, ValueError where it cannot be had or is not what it should be.
    """
    if not is_remote(url):
        if not Path(url).is_file():
            raise FileNotFoundError(f"{url}: no such file; bring it from where it was written")
        yield Path(url)
        return
    if cache is None:
        with tempfile.TemporaryDirectory(prefix="lightning_vc-") as folder:
            yield _copied(url, sha256, Path(folder, "shard.tar"))
    else:
        yield _kept(url, sha256, Path(cache, f"{sha256[:16]}-{url.rpartition('/')[2]}"))


def sha256_of(file: Path) -> str:
    """Checksum of a file, in hexadecimal."""
    digest = hashlib.sha256()
    with file.open("rb") as stream:
        while block := stream.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def unfinished(path: Path) -> Path:
    """A name beside a file that no other process writes to, on this machine or another."""
    return path.with_name(f"{path.name}.{platform.node()}-{os.getpid()}.unfinished")


def _kept(url: str, sha256: str, path: Path) -> Path:
    """A copy from before, or a new one; each is compared with its checksum once by each process."""
    if not path.exists():
        _copied(url, sha256, path)
    elif path not in _compared and sha256_of(path) != sha256:
        _log.warning("%s is not what it was: fetching it again", path)
        _copied(url, sha256, path)
    _compared.add(path)
    return path


def _copied(url: str, sha256: str, path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = unfinished(path)

    def fetch() -> Path:
        with _opened(url) as remote, partial.open("wb") as out:
            shutil.copyfileobj(remote, out, 1 << 20)
        if sha256_of(partial) != sha256:
            raise OSError("what arrived is not what the index says: its checksum differs")
        return partial.replace(path)

    try:
        return _stubborn(url, fetch)
    finally:
        partial.unlink(missing_ok=True)


def _opened(url: str) -> fsspec.core.OpenFile:
    if not url.startswith(("http://", "https://")):
        return fsspec.open(url, "rb")
    import aiohttp  # needed for nothing else

    # However long a file takes, but a server that says nothing for a minute has hung up.
    patience = aiohttp.ClientTimeout(total=None, sock_connect=_PATIENCE, sock_read=_PATIENCE)
    return fsspec.open(url, "rb", client_kwargs={"timeout": patience})


def _stubborn(url: str, fetch: Callable[[], T]) -> T:
    """Try again where a connection drops, each time after a longer wait."""
    for tried in range(1, _TRIES + 1):
        try:
            return fetch()
        except FileNotFoundError:
            raise
        except ImportError as error:
            raise ValueError(f"{url} needs a package: {error}") from error
        except Exception as error:  # every filesystem has errors of its own
            here = isinstance(error, OSError) and error.errno in {errno.ENOSPC, errno.EACCES, errno.EROFS}
            if tried == _TRIES or isinstance(error, ValueError) or here:
                raise ValueError(f"{url} cannot be fetched, tried {tried} times: {error!r}") from error
            wait = _WAIT * 2 ** (tried - 1)
            _log.warning("%s: %r; trying again in %s s", url, error, wait)
            time.sleep(wait)
    raise AssertionError("unreachable")
