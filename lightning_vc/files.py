"""Atomic writes, checksums, and names and paths that stay inside their folder."""

import errno
import fcntl
import hashlib
import os
import platform
import re
import secrets
import shutil
import stat
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

SUMS = "SHA256SUMS"  # file beside exported models, in the format of `sha256sum`
_MAX_SUMS = 100_000  # bytes of that file
_PARTIAL = ".partial"
_PATIENCE = 60.0  # seconds that a download may take at any rate
_SLOWEST = 50_000  # least mean rate of a download in bytes a second, after that time
_PLAIN = re.compile(r"[\w+@=,#][\w.+@=,#~-]{0,199}")


@contextmanager
def atomic_write(path: str | Path) -> Iterator[Path]:
    """Yield a temporary file beside `path`, which replaces `path` when the block ends without an error.

    The temporary file is flushed to the disk before it is renamed. After a kill, a crash or a full disk, `path`
    therefore holds either its former content or all of the new one. The temporary file of a killed process is removed
    by the next write to the same path. Parent folders are created; a symbolic link is followed.

    Raises:
        OSError: if the file cannot be written, with its name; also if `path` is a folder, a device or a pipe.
    """
    target = Path(os.path.realpath(path))
    partial = target.with_name(f".{target.name}.{platform.node()}-{secrets.token_hex(4)}{_PARTIAL}")
    with named_errors(path, partial):
        if target.exists() and not target.is_file():
            raise OSError(f"{path} is not a regular file: name a file to write")
        target.parent.mkdir(parents=True, exist_ok=True)
        remove_abandoned(target)
        try:
            with partial.open("xb") as lock:  # fails if the name exists, such as a planted link
                fcntl.flock(lock, fcntl.LOCK_EX)  # shows other processes that the writer is alive
                yield partial
                with partial.open("rb") as written:  # opened again: the writer may have replaced the file
                    os.fsync(written.fileno())
                partial.replace(target)
        finally:
            partial.unlink(missing_ok=True)


def write_file(path: str | Path, content: str | bytes) -> None:
    """Write a file atomically, text as UTF-8; raises what `atomic_write` raises."""
    with atomic_write(path) as partial:
        partial.write_bytes(content.encode() if isinstance(content, str) else content)


@contextmanager
def named_errors(path: str | Path, partial: Path | None = None) -> Iterator[None]:
    """Name `path` in errors of writing it, unless they name a file other than `partial` and the parent folders."""
    try:
        yield
    except OSError as error:
        parents = map(str, Path(path).absolute().parents)
        if error.errno is None or error.filename not in (None, str(partial), *parents):
            raise  # the error names another file
        raise OSError(error.errno, f"{path} cannot be written: {os.strerror(error.errno)}") from error


def read_file(path: str | Path, most: int) -> bytes:
    """Read all of a regular file.

    Raises:
        FileNotFoundError: if the file does not exist.
        ValueError: if it has more than `most` bytes, or is a device or a pipe, which may be endless.
    """
    try:
        with open(path, "rb", opener=_open_at_once) as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise ValueError(f"{path} is not a regular file: give a file")
            content = file.read(most + 1)
    except FileNotFoundError as error:
        raise FileNotFoundError(f"{path}: no such file") from error
    if len(content) > most:
        raise ValueError(f"{path} has more than {most:,} bytes: give a smaller file")
    return content


def _open_at_once(path: str, flags: int) -> int:
    """Open a file; do not wait for the writer of a pipe."""
    return os.open(path, flags | os.O_NONBLOCK)


def read_text(path: str | Path, most: int = 64 << 20) -> str:
    """Read a UTF-8 file, without a byte order mark.

    Raises what `read_file` raises, UnicodeDecodeError, and ValueError for a NUL character, as in the environment of a
    process (/proc/self/environ).
    """
    text = read_file(path, most).decode("utf-8-sig")
    if "\0" in text:
        raise ValueError(f"{path} has a NUL character, so it is no text: give a text file")
    return text


def refuse_links(path: Path, root: Path | None = None) -> None:
    """Raise ValueError if `path`, or a symbolic link in it at any depth, leads out of `root`, by default `path`.

    Links to folders are followed. Log files of W&B may be links out of `root`, because only W&B writes to them. Raises
    OSError for a folder that cannot be listed.
    """
    root = root or path
    allowed = Path(os.path.realpath(root))
    left, seen = [path], {""}
    while left:
        place = left.pop()
        target = os.path.realpath(place)
        if not Path(target).is_relative_to(allowed):
            if os.path.isdir(target) or not place.match("wandb/*/logs/*.log"):
                raise ValueError(f"{place} is a symbolic link: give a folder without links that lead out of {root}")
        elif target not in seen and os.path.isdir(target):
            seen.add(target)
            with os.scandir(target) as entries:
                left += [place / entry.name for entry in entries if entry.is_symlink() or entry.is_dir()]


def limited_blocks(blocks: Iterable[bytes], most: int) -> Iterator[bytes]:
    """Blocks of a download as they arrive; raises ValueError for more than `most` bytes, OSError for a slow server."""
    arrived, started = 0, time.monotonic()
    for block in blocks:
        arrived += len(block)
        if arrived > most:
            raise ValueError(f"it is longer than the {most} bytes that are allowed")
        if (seconds := time.monotonic() - started) > _PATIENCE + arrived / _SLOWEST:
            raise TimeoutError(f"{arrived} bytes arrived in {seconds:.0f} s, which is too slow")
        yield block


def sha256_of(file: Path) -> str:
    """Return the SHA-256 of a regular file in hexadecimal; raises OSError for a pipe, device or folder."""
    if not file.is_file():
        raise OSError(f"{file} is not a regular file")
    digest = hashlib.sha256()
    with file.open("rb") as stream:
        while block := stream.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def check_sum(file: Path) -> None:
    """Raise ValueError if the SHA256SUMS file beside an exported model does not list its checksum."""
    sums = file.with_name(SUMS)
    if file.suffix != ".safetensors" or not sums.is_file():
        return
    if sha256_of(file) != read_sums(sums).get(file.name):
        raise ValueError(
            f"{file} is damaged or was changed, {SUMS} beside it has another sum: export the model again, or install "
            f"lightning_vc again if it came with it; where you changed it yourself, delete {SUMS}"
        )


def read_sums(sums: Path) -> dict[str, str]:
    """Read a SHA256SUMS file as {file name: checksum}; raises ValueError for a bad line."""
    try:
        pairs = [line.split("  ", 1) for line in read_text(sums, _MAX_SUMS).splitlines()]
    except UnicodeDecodeError:
        pairs = [[]]
    if any(len(pair) != 2 for pair in pairs):
        raise ValueError(f"{sums} is damaged: it needs lines of a sum and a name, as `sha256sum` writes them")
    return {name: digest for digest, name in pairs}


def remove_abandoned(target: Path) -> None:
    """Remove the temporary files of `target` that killed processes have left: those that no process has locked."""
    pattern = re.compile(rf"\.{re.escape(target.name)}\..*-[0-9a-f]+{re.escape(_PARTIAL)}")
    for file in target.parent.iterdir():
        if not pattern.fullmatch(file.name) or not file.is_file() or file.is_symlink():
            continue
        try:
            with file.open("rb") as stream:
                fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
                file.unlink(missing_ok=True)
        except OSError as error:
            if error.errno not in (errno.EAGAIN, errno.EACCES, errno.ENOENT):  # locked, or already removed
                raise


def plain_name(name: object, what: str) -> str:
    """Return `name` if it is safe as the name of a file or folder; `what` describes it in the message.

    Raises:
        ValueError: unless it has 1 to 200 letters, digits and `. _ - + @ = , # ~` and begins with none of `. - ~`.
    """
    if not isinstance(name, str) or not _PLAIN.fullmatch(name):
        raise ValueError(
            f"{what} {name!r} is not a plain name: use 1 to 200 letters, digits and ._-+@=,#~, first none of .-~"
        )
    return name


def inside(folder: str | Path, *names: str) -> Path:
    """Join `names` to `folder`.

    Raises:
        ValueError: if the path, with symbolic links followed, is not below `folder`.
    """
    path = Path(folder, *names)
    root, target = Path(os.path.realpath(folder)), Path(os.path.realpath(path))
    if target == root or not target.is_relative_to(root):
        raise ValueError(f"{path} is not inside of {folder}: nothing is written or deleted there")
    return path


def remove_folder(folder: str | Path, *names: str) -> None:
    """Delete the folder `names` below `folder`, if it exists; raises what `inside` raises."""
    path = inside(folder, *names)
    if path.exists():
        shutil.rmtree(path)


def header_size(path: str | Path) -> int:
    """Return the size of the header of a safetensors file in bytes, as stored in the file."""
    with Path(path).open("rb") as file:
        return int.from_bytes(file.read(8), "little")
