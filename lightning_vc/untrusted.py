"""Reading and checking checkpoints and exported models as data, whoever wrote them.

A checkpoint (.ckpt) is a zip file of tensors and a pickle of plain values; an exported model (.safetensors) has the
weights and settings of one model. Both are read within bounds that their size on disk sets.
"""

import json
import os
import pickle
import re
from collections.abc import Mapping, Sequence, Sized
from io import BytesIO
from pathlib import Path
from pickle import UnpicklingError
from struct import Struct
from struct import error as StructError
from typing import IO, Any, ClassVar, TypeVar
from zipfile import ZIP_STORED, BadZipFile, ZipFile

import torch
from packaging.version import InvalidVersion, Version
from safetensors import SafetensorError, safe_open
from torch import Tensor

from lightning_vc.console import short
from lightning_vc.files import check_sum

T = TypeVar("T")

FLOATS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
VERSION = "pytorch-lightning_version"
MODELS = "models"  # field of a checkpoint: {prefix of the names of its weights: class and settings of a model}
_OLDEST = Version("2.0")
_MAX_HEADER = 16_000_000  # bytes of a pickle or of the header of a safetensors file
_MAX_VALUES = 5_000_000  # in lists and dictionaries
_MAX_DEPTH = 40
_Unpickler: Any = vars(pickle)["_Unpickler"]  # in Python: the memo of the one in C is an array
_LARGEST_KEY = 2**53
_SETS = {pickle.DICT[0], pickle.EMPTY_SET[0], pickle.ADDITEMS[0], pickle.FROZENSET[0]}  # torch.save writes none
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
    """Read what `lightning_vc.checkpoint.save_model` wrote."""
    if _MAX_HEADER < header_size(path) <= os.path.getsize(path):
        raise _Refused(f"has a header of more than {_MAX_HEADER} bytes")
    with safe_open(path, "pt") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  # it is no dictionary
        about = file.metadata() or {}
    if "model" not in about:
        raise _Refused("is no model of this version of lightning_vc: commit 5d3a505 reads those from before")
    return {MODELS: {"": json.loads(about["model"])}, "state_dict": tensors}


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
        _DryRun(BytesIO(archive.read(pickled))).load()
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


class _DryRun(_Unpickler):  # type: ignore[misc]
    """Read a pickle of torch.save with stubs in the place of all functions, so that nothing is built or run.

    It refuses every other function, those copies of collections by which a small file would take much memory, and keys
    of dictionaries that take long to hash.
    """

    dispatch: ClassVar[dict[int, Any]] = {code: read for code, read in _Unpickler.dispatch.items() if code not in _SETS}

    def __init__(self, file: IO[bytes]) -> None:
        super().__init__(file)
        self.left = _MAX_VALUES

    def load_setitem(self) -> None:
        """Check the key before it is hashed."""
        _check_keys(self.stack[-2:-1])
        super().load_setitem()

    def load_setitems(self) -> None:
        """Check the keys before they are hashed."""
        _check_keys(self.stack[::2])
        super().load_setitems()

    dispatch[pickle.SETITEM[0]], dispatch[pickle.SETITEMS[0]] = load_setitem, load_setitems

    def find_class(self, module: str, name: str) -> Any:
        """Return the stub of a function or class."""
        if not _GLOBALS.fullmatch(f"{module} {name}"):
            raise _Refused(f"is refused: it holds more than data, its pickle names {short(f'{module} {name}')}")
        return {"Counter": self._count, "Size": self._count, "OrderedDict": _Mapping}.get(name, _nothing)

    def persistent_load(self, pid: Any) -> None:
        """Take nothing for the storage of a tensor; its key is a number as text."""
        if not isinstance(pid, tuple) or len(pid) != 5 or not isinstance(pid[2], str) or not pid[2].isdecimal():
            raise _Refused("has the storage of a tensor that torch.save does not write")

    def _count(self, items: Sized) -> None:
        self.left -= len(items)
        if self.left < 0:
            raise _Refused(f"has more than {_MAX_VALUES} values")


def _check_keys(keys: Sequence[object]) -> None:
    """Raise _Refused for keys of a dictionary other than text and whole numbers whose hashes differ."""
    for key in keys:
        if not isinstance(key, str) and not (isinstance(key, int) and abs(key) < _LARGEST_KEY):
            raise _Refused(f"has a key of a dictionary of type {type(key).__name__}, which a checkpoint never has")


class _Mapping(dict[Any, Any]):
    """An OrderedDict, which torch.save makes empty and then fills."""

    def __init__(self) -> None:
        super().__init__()


def _nothing(*_: object) -> None:
    """Stand in for a function that makes a tensor."""


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
    """Raise ValueError for a field that all checkpoints have and that is of another kind."""
    if MODELS not in saved and "hyper_parameters" in saved and "task" in saved:
        raise ValueError(
            f"{path} was made by lightning_vc before its second edition: train the model again, or use commit 5d3a505"
        )
    for prefix, config in field(saved, MODELS, dict, path).items():
        if not isinstance(prefix, str) or not isinstance(config, dict):
            raise ValueError(f"{path}: {MODELS} holds {short(prefix)}, which is no class and settings of a model")
    for name, value in field(saved, "state_dict", dict, path).items():
        if not isinstance(name, str) or not isinstance(value, Tensor):
            raise ValueError(f"{path}: state_dict holds {short(name)}, which is no weight")
    if Path(path).suffix == ".safetensors":
        return
    field(saved, "task", str, path)
    field(saved, "hyper_parameters", dict, path)
    try:
        version = Version(field(saved, VERSION, str, path))
    except InvalidVersion as error:
        raise ValueError(f"{path}: {VERSION} is {short(saved[VERSION])}, where one such as 2.6.0 is needed") from error
    if version < _OLDEST:  # Lightning would move what it holds to other fields after they were checked
        raise ValueError(f"{path}: {VERSION} is {version}, and lightning_vc has never written one below {_OLDEST}")
