"""Reading, checking, writing and fingerprinting model files, which are data, whoever wrote them.

A checkpoint (.ckpt) is a zip file of tensors and a pickle of plain values; an exported model (.safetensors) has the
same content without that of training. Both are read within bounds that their size on disk sets.
"""

import hashlib
import json
import os
import pickletools
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from pickle import UnpicklingError
from struct import Struct
from struct import error as StructError
from typing import Any, TypeVar
from zipfile import ZIP_STORED, BadZipFile, ZipFile

import torch
from packaging.version import InvalidVersion, Version
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from lightning_vc.console import short
from lightning_vc.files import atomic_write, read_text, sha256_of

T = TypeVar("T")

FLOATS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
VERSION = "pytorch-lightning_version"
SUMS = "SHA256SUMS"  # beside exported files: a line of `sha256sum` for each
_OLDEST = Version("2.0")
_EXPORTED = "checkpoint/"  # prefix of tensors in an exported file that are no weights
_TRAINING = (
    *("optimizer_states", "lr_schedulers", "loops", "callbacks", "wandb_run"),
    *("current_model_state", "averaging_state"),  # of a callback that averages weights
)
_MAX_HEADER = 16_000_000  # bytes of a pickle or of the header of a safetensors file
_MAX_SUMS = 100_000  # bytes of a SHA256SUMS file
_MAX_VALUES = 5_000_000  # in lists and dictionaries
_MAX_DEPTH = 40
_SHARED = 4  # how many times larger than its file the tensors may be, where some share their numbers
_RECORD = re.compile(
    r"[^/]+/(data\.pkl|data/[0-9]+|version|byteorder|\.format_version|\.storage_alignment|\.data/serialization_id)"
)
_END = Struct("<4s4H2IH")  # of a zip file: signature, ..., offset of the directory, length of the comment
_LOCATOR = Struct("<4sIQI")  # of its 64-bit form: signature, disk, offset of `_END_64`, disks
_END_64 = Struct("<4sQ2H2I4Q")  # signature, ..., offset of the directory
_GLOBALS = re.compile(
    r"torch \w+Storage|torch\._utils _rebuild_(tensor_v2|parameter)|torch Size|collections (OrderedDict|Counter)"
)


def read_checkpoint(path: str | Path) -> dict[str, Any]:
    """Read a checkpoint or an exported model: task, hyper-parameters, weights, and the state of training if any.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it is no model file, damaged, not the one that SHA256SUMS beside it names, or has a field of a
            wrong kind; the message names file and field.
    """
    if "://" in str(path):
        raise ValueError(f"{path} is a URL: download the file, and give its path")
    if not Path(path).is_file():
        raise FileNotFoundError(f"no checkpoint at {path}: name one that training left (last.ckpt)")
    check_sum(Path(path))
    try:
        saved = _read_exported(path) if Path(path).suffix == ".safetensors" else _read_pickled(path)
        _check_values(saved, path)
    except _Refused as error:
        raise ValueError(f"{path} {error}") from error
    except (
        *(SafetensorError, BadZipFile, UnpicklingError, RuntimeError, LookupError, TypeError, ValueError),
        *(AttributeError, EOFError, OSError, MemoryError, NotImplementedError, OverflowError, StructError),
    ) as error:
        raise ValueError(f"{path} is not a checkpoint of lightning_vc, or it is damaged") from error
    _check_fields(saved, str(path))
    return saved


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


def write_checkpoint(saved: Mapping[str, Any], path: str | Path) -> None:
    """Write a checkpoint; the file that was there before is kept until the new one is complete.

    Raises:
        OSError: if it cannot be written, with its name.
    """
    with atomic_write(path) as partial:
        try:
            torch.save(dict(saved), partial)
        except RuntimeError as error:  # torch's own writer does not say why
            raise OSError(f"{path} cannot be written: the disk may be full ({str(error).splitlines()[0]})") from error


def with_weights(path: str | Path, weights: Mapping[str, Tensor]) -> dict[str, Any]:
    """Return the content of a checkpoint with other weights, and without the state of training.

    Raises what `read_checkpoint` raises.
    """
    saved = {key: value for key, value in read_checkpoint(path).items() if key not in _TRAINING}
    return saved | {"state_dict": {key: value.detach().cpu() for key, value in weights.items()}}


def exported(name: str) -> str:
    """Return the name that a tensor of a checkpoint that is no weight has in an exported file."""
    return f"{_EXPORTED}{name}"


def fingerprint(module: nn.Module) -> str:
    """Return the first 16 hex digits of the SHA-256 of a module's weights."""
    digest = hashlib.sha256()
    for name, value in sorted(module.state_dict().items()):
        digest.update(name.encode())
        digest.update(value.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()[:16]


def field(saved: Mapping[str, Any], name: str, kind: type[T], path: str) -> T:
    """Return a field of a checkpoint.

    Raises:
        ValueError: if it is missing or of another kind, naming file and field.
    """
    value = saved.get(name)
    if not isinstance(value, kind) or isinstance(value, bool) != (kind is bool):
        found = "missing" if name not in saved else short(value)
        raise ValueError(f"{path}: {name} is {found}, where {kind.__name__} is needed")
    return value


def fitting_weights(found: Mapping[str, Tensor], model: nn.Module, path: str) -> dict[str, Tensor]:
    """Return the weights of a file in the types of a model, which may be on the `meta` device.

    Raises:
        ValueError: if one is missing, unexpected, of another shape or kind, or not finite, naming file and weight.
    """
    expected = model.state_dict()
    if missing := sorted(expected.keys() - found.keys()):
        raise ValueError(f"{path} has no weight {short(missing[0])} of its {type(model).__name__}")
    if unexpected := sorted(found.keys() - expected.keys()):
        raise ValueError(
            f"{path} has the weight {short(unexpected[0])}, which its {type(model).__name__} does not have"
        )
    fitting = {}
    for name, value in found.items():
        shape, kind = tuple(expected[name].shape), expected[name].dtype
        if tuple(value.shape) != shape:
            raise ValueError(f"{path}: the weight {name} has the shape {tuple(value.shape)}, where {shape} is needed")
        if value.dtype != kind and not (value.dtype in FLOATS and kind in FLOATS):
            raise ValueError(f"{path}: the weight {name} has the type {value.dtype}, where {kind} is needed")
        fitting[name] = finite(value.to(kind), f"{path}: the weight {name}")
    return fitting


def single_precision(value: Tensor, what: str) -> Tensor:
    """Return a tensor of finite numbers as float32.

    Raises:
        ValueError: if it holds no floating-point numbers of 16 to 64 bits, or numbers that are not finite.
    """
    if value.dtype not in FLOATS:
        raise ValueError(f"{what} has the type {value.dtype}, where float32 is needed")
    return finite(value.float(), what)


def finite(value: Tensor, what: str) -> Tensor:
    """Return a tensor unchanged; raises ValueError if one of its numbers is NaN or infinite."""
    sound = not value.is_floating_point() or value.sum().isfinite() or value.isfinite().all()  # a sum is faster
    if not sound:
        raise ValueError(f"{what} has numbers that are NaN or infinite")
    return value


def header_size(path: str | Path) -> int:
    """Return how many bytes of a safetensors file are its header, as the file says."""
    with Path(path).open("rb") as file:
        return int.from_bytes(file.read(8), "little")


class _Refused(ValueError):
    """The file is no plain data."""


def _read_exported(path: str | Path) -> dict[str, Any]:
    """Read what `lightning_vc.pretrained.export` wrote."""
    if _MAX_HEADER < header_size(path) <= os.path.getsize(path):
        raise _Refused(f"has a header of more than {_MAX_HEADER} bytes")
    with safe_open(path, "pt") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  # it is no dictionary
        saved: dict[str, Any] = json.loads((file.metadata() or {})["about"])
    rest = {name.removeprefix(_EXPORTED): tensors.pop(name) for name in list(tensors) if name.startswith(_EXPORTED)}
    return saved | rest | {"state_dict": tensors}


def _read_pickled(path: str | Path) -> dict[str, Any]:
    """Read what torch.save wrote, if its pickle makes nothing but tensors and plain values."""
    with ZipFile(path) as archive:
        entries = archive.infolist()
        names = {entry.filename.casefold() for entry in entries}
        if len(names) < len(entries) or not all(map(_RECORD.fullmatch, names)):
            raise _Refused("has records that torch.save does not write: save it again by torch.save")
        if archive.start_dir != _directory_offset(Path(path)):
            raise _Refused("has another directory for torch than for Python: save it again by torch.save")
        if any(entry.compress_type != ZIP_STORED for entry in entries):
            raise _Refused("is compressed, which a checkpoint never is")
        if sum(entry.file_size for entry in entries) > os.path.getsize(path):
            raise _Refused("declares more bytes than it has")
        (pickled,) = [entry for entry in entries if entry.filename.endswith("/data.pkl")]
        if pickled.file_size > _MAX_HEADER:
            raise _Refused(f"has a pickle of more than {_MAX_HEADER} bytes")
        for called in _called(archive.read(pickled)):
            if not _GLOBALS.fullmatch(called):
                raise _Refused(f"is refused: it holds more than data, its pickle names {short(called)}")
    return dict(torch.load(path, map_location="cpu", weights_only=True))


def _directory_offset(path: Path) -> int:
    """Return where the central directory of a zip file without a comment begins, as its last bytes say.

    torch goes by that offset, and Python's zipfile by the place of those bytes: a file could show one what it hides
    from the other. Raises BadZipFile for a file that ends otherwise.
    """
    with path.open("rb") as file:
        if file.read(4) != b"PK\3\4":  # torch would take it for its format of before
            raise BadZipFile
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - _END.size))
        signature, *_, offset, comment = _END.unpack(file.read().rjust(_END.size, b"\0"))
        if signature != b"PK\5\6" or comment:
            raise BadZipFile
        if offset != 0xFFFFFFFF:
            return int(offset)
        place = size - _END.size - _LOCATOR.size
        file.seek(max(0, place))
        signature, _, start, _ = _LOCATOR.unpack(file.read(_LOCATOR.size))
        if signature != b"PK\6\7" or start != place - _END_64.size:
            raise BadZipFile
        file.seek(start)
        return int(_END_64.unpack(file.read(_END_64.size))[-1])


def _called(pickled: bytes) -> Iterator[str]:
    """Yield the functions and classes that a pickle names."""
    for operation, argument, _ in pickletools.genops(pickled):
        if operation.name in ("GLOBAL", "INST"):
            yield str(argument)
        elif operation.name in ("STACK_GLOBAL", "EXT1", "EXT2", "EXT4"):  # torch.save writes protocol 2 without them
            yield f"something by {operation.name}"


def _check_values(saved: object, path: str | Path) -> None:
    """Raise _Refused for nesting, numbers of values and sizes of tensors that the size of the file does not explain."""
    room, left = _SHARED * os.path.getsize(path), _MAX_VALUES
    waiting: list[tuple[object, int]] = [(saved, 0)]
    while waiting:
        value, depth = waiting.pop()
        if isinstance(value, Tensor):
            size = value.numel() * value.element_size()
            room -= size
            if room < 0 or size > value.untyped_storage().nbytes():
                raise _Refused(f"has a tensor of the shape {tuple(value.shape)}, which is larger than the file")
        # An OrderedDict may have attributes, also in the place of its methods.
        inside = [*dict.keys(value), *dict.values(value)] if isinstance(value, dict) else value
        if isinstance(value, dict) and hasattr(value, "__dict__"):
            waiting.append((vars(value), depth + 1))
        if isinstance(inside, list | tuple | set):
            left -= len(inside)
            if left < 0 or depth > _MAX_DEPTH:
                raise _Refused(f"has more than {_MAX_VALUES} values, or nests them more than {_MAX_DEPTH} deep")
            waiting += [(item, depth + 1) for item in inside]


def _check_fields(saved: dict[str, Any], path: str) -> None:
    """Raise ValueError for a field that all tasks have and that is of another kind."""
    field(saved, "task", str, path)
    saved.setdefault("hyper_parameters", {})
    field(saved, "hyper_parameters", dict, path)
    for name, value in field(saved, "state_dict", dict, path).items():
        if not isinstance(name, str) or not isinstance(value, Tensor):
            raise ValueError(f"{path}: state_dict holds {short(name)}, which is no weight")
    try:
        version = Version(field(saved, VERSION, str, path))
    except InvalidVersion as error:
        raise ValueError(f"{path}: {VERSION} is {short(saved[VERSION])}, where one such as 2.6.0 is needed") from error
    if version < _OLDEST:  # Lightning would move what it holds to other fields after they were checked
        raise ValueError(f"{path}: {VERSION} is {version}, and lightning_vc has never written one below {_OLDEST}")
