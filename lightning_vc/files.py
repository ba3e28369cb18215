"""Atomic writes, and names and paths that stay inside their folder."""

import errno
import fcntl
import hashlib
import os
import platform
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_PARTIAL = ".partial"
_PLAIN = re.compile(r"[\w+@=,#~-][\w.+@=,#~-]{0,199}")


@contextmanager
def atomic_write(path: str | Path) -> Iterator[Path]:
    """Yield a temporary file beside `path`, which replaces `path` when the block ends without an error.

    The temporary file is flushed to the disk before it is renamed. After a kill, a crash or a full disk, `path`
    therefore holds either its former content or all of the new one. What a killed process left behind is removed by the
    next write to the same path. Parent folders are created; a symbolic link is followed.

    Raises:
        OSError: if the file cannot be written, with its name; also if `path` is a folder, a device or a pipe.
    """
    target = Path(os.path.realpath(path))
    partial = target.with_name(f".{target.name}.{platform.node()}-{os.getpid()}{_PARTIAL}")
    with named_errors(path, partial):
        if target.exists() and not target.is_file():
            raise OSError(f"{path} is not a regular file: name a file to write")
        target.parent.mkdir(parents=True, exist_ok=True)
        _remove_abandoned(target)
        try:
            with partial.open("wb") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)  # tells other processes that the writer still lives
                yield partial
                with partial.open("rb") as written:  # opened again: the writer may have replaced the file
                    os.fsync(written.fileno())
                partial.replace(target)
        finally:
            partial.unlink(missing_ok=True)


def write_file(path: str | Path, content: str | bytes) -> None:
    """Write all of a file, text as UTF-8, or leave it as it was; raises what `atomic_write` raises."""
    with atomic_write(path) as partial:
        partial.write_bytes(content.encode() if isinstance(content, str) else content)


@contextmanager
def named_errors(path: str | Path, partial: Path | None = None) -> Iterator[None]:
    """Put the name of the file into the errors of writing it, which have none, or that of its `partial`."""
    try:
        yield
    except OSError as error:
        if error.errno is None or error.filename not in (None, str(partial)):
            raise  # it names a file already
        raise OSError(error.errno, f"{path} cannot be written: {os.strerror(error.errno)}") from error


def sha256_of(file: Path) -> str:
    """Return the SHA-256 of a file in hexadecimal."""
    digest = hashlib.sha256()
    with file.open("rb") as stream:
        while block := stream.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def _remove_abandoned(target: Path) -> None:
    """Remove the temporary files of `target` that no process has locked."""
    pattern = re.compile(rf"\.{re.escape(target.name)}\..*-\d+{re.escape(_PARTIAL)}")
    for file in target.parent.iterdir():
        if not pattern.fullmatch(file.name):
            continue
        try:
            with file.open("rb") as stream:
                fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
                file.unlink(missing_ok=True)
        except OSError as error:
            if error.errno not in (errno.EAGAIN, errno.EACCES, errno.ENOENT):  # still written, or already removed
                raise


def plain_name(name: object, what: str) -> str:
    """Return `name` if it is safe as the name of a file or folder; `what` says in the message what it names.

    Raises:
        ValueError: if it is not a string of 1 to 200 letters, digits and `. _ - + @ = , # ~` without a leading dot.
    """
    if not isinstance(name, str) or not _PLAIN.fullmatch(name):
        raise ValueError(
            f"{what} {name!r} is not a plain name: use 1 to 200 letters, digits and ._-+@=,#~, and no leading '.'"
        )
    return name


def inside(folder: str | Path, *names: str) -> Path:
    """Join `names` to `folder`.

    Raises:
        ValueError: if the path, with symbolic links followed, is not below `folder`.
    """
    path = Path(folder, *names)
    root, target = Path(folder).resolve(), path.resolve()
    if target == root or not target.is_relative_to(root):
        raise ValueError(f"{path} is not inside of {folder}: nothing is written or deleted there")
    return path


def remove_folder(folder: str | Path, *names: str) -> None:
    """Delete the folder `names` below `folder`, if there is one; raises what `inside` raises."""
    path = inside(folder, *names)
    if path.exists():
        shutil.rmtree(path)
