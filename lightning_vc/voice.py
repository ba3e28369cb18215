"""Cloned voices: the class, the file format, and the library of named voices."""

import math
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from safetensors import SafetensorError, safe_open

from lightning_vc.console import short, warn
from lightning_vc.files import header_size, write_file

if TYPE_CHECKING:  # functions import torch where they need it, as a list of voices does not
    from torch import Tensor

_FORMAT = "lightning_vc voice 4"
_PREFIX = "adapted_parameters."  # of the names of tensors in a voice file
_SUFFIX = ".safetensors"
_HOME = "~/.local/share/lightning_vc/voices"
_MAX_HEADER = 4_000_000  # bytes
_MAX_LETTERS = 200  # characters of a text in a voice file
_MAX_CONSENT = 100_000
_HOMELESS = "voices"  # library of users without a home folder, as in containers
_NAME = re.compile(r"[\w-][\w.-]*")
_TEXTS = ("method", "tts_fingerprint", "clips", "seconds", "consent", "made", "version")  # all fields except tensors


@dataclass(frozen=True, eq=False, repr=False)
class Voice:
    """A cloned voice, as returned by `Cloner.clone` and stored in a .safetensors file; its tensors are on the CPU.

    Voices with the same content are equal. Its tensors must not be changed.

    Attributes:
        embedding: the speaker embedding, (E,).
        method: cloning method.
        tts_fingerprint: fingerprint of the model for which the voice was cloned; other models cannot use it.
        clips: number of recordings.
        adapted_parameters: parameters of the acoustic model that adaptation trained, by name.
        seconds: total duration of the trimmed recordings.
        consent: what the speaker has agreed to; may be empty.
        made: date of cloning, such as 2026-11-23.
        version: version of lightning_vc.

    Raises:
        ValueError: for an embedding of another shape, values that are NaN, infinite or no floats, a negative or
            infinite number, and a text that is too long. Tensors are converted to float32 and moved to the CPU.
    """

    embedding: "Tensor"
    method: str
    tts_fingerprint: str
    clips: int
    adapted_parameters: dict[str, "Tensor"] = field(default_factory=dict)
    seconds: float = 0.0
    consent: str = ""
    made: str = field(default_factory=lambda: date.today().isoformat())
    version: str = field(default_factory=lambda: version("lightning_vc"))

    def __post_init__(self) -> None:
        """Check shapes, values and texts."""
        from lightning_vc.untrusted import single_precision

        if self.embedding.dim() != 1 or not len(self.embedding):
            raise ValueError(f"the embedding of a voice must be a vector, got the shape {tuple(self.embedding.shape)}")
        object.__setattr__(self, "embedding", single_precision(self.embedding.detach().cpu(), "embedding"))
        parameters = {
            name: single_precision(value.detach().cpu(), short(_PREFIX + name))
            for name, value in self.adapted_parameters.items()
        }
        object.__setattr__(self, "adapted_parameters", parameters)
        if not (self.clips >= 0 and 0 <= self.seconds < math.inf):
            raise ValueError(f"a voice of {self.clips} clips and {self.seconds} seconds: both are numbers from 0")
        check_texts(self.about)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Voice):
            return NotImplemented
        one, two = self.adapted_parameters, other.adapted_parameters
        same = self.about == other.about and self.embedding.equal(other.embedding) and one.keys() == two.keys()
        return same and all(value.equal(two[name]) for name, value in one.items())

    def __hash__(self) -> int:
        return hash((*self.about.values(), *self.embedding.tolist()))

    def __repr__(self) -> str:
        adapted = sum(value.numel() for value in self.adapted_parameters.values())
        return (
            f"<Voice by {short(self.method)} from {self.clips} clips ({self.seconds:g} s), {adapted} adapted weights, "
            f"model {short(self.tts_fingerprint)}, made {short(self.made)}, consent {short(self.consent)}>"
        )

    @property
    def about(self) -> dict[str, str]:
        """All fields except tensors, as texts."""
        return {name: str(getattr(self, name)) for name in _TEXTS}

    def save(self, path: str | Path) -> None:
        """Write the voice to one portable file."""
        from safetensors.torch import save

        parameters = {f"{_PREFIX}{name}": value for name, value in self.adapted_parameters.items()}
        tensors = {"embedding": self.embedding, **parameters}
        tensors = {name: value.contiguous() for name, value in tensors.items()}
        write_file(path, save(tensors, {"format": _FORMAT, **self.about}))

    @classmethod
    def load(cls, path: str | Path) -> "Voice":
        """Read a saved voice; raises FileNotFoundError for a missing file, ValueError for any other kind of file."""
        about = read_about(path)
        clips, seconds = int(about.pop("clips")), float(about.pop("seconds"))
        try:
            with safe_open(path, "pt") as file:
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a dict
            embedding = tensors.pop("embedding")
            parameters = {name.removeprefix(_PREFIX): value for name, value in tensors.items()}
            return cls(embedding=embedding, adapted_parameters=parameters, clips=clips, seconds=seconds, **about)
        except (SafetensorError, MemoryError, ValueError) as error:
            raise ValueError(f"{path} is not a voice of this version of lightning_vc: {error}") from error


def read_about(path: str | Path) -> dict[str, str]:
    """Read the texts of a voice file, and check them and the names of its tensors; errors as of `Voice.load`."""
    if not Path(path).is_file():
        raise FileNotFoundError(f"no voice at {path}: make one with `lightning-vc clone`")
    try:
        if _MAX_HEADER < header_size(path) <= os.path.getsize(path):
            raise ValueError(f"its header has more than {_MAX_HEADER} bytes")
        with safe_open(path, "np") as file:
            about, tensors = file.metadata() or {}, {*file.keys()}
        if about.pop("format", None) != _FORMAT or "embedding" not in tensors:
            raise ValueError("clone it again")
        _check_about(about, tensors - {"embedding"})
        check_texts(about)
    except (SafetensorError, MemoryError, ValueError) as error:
        raise ValueError(f"{path} is not a voice of this version of lightning_vc: {error}") from error
    return about


def check_texts(about: Mapping[str, str]) -> None:
    """Raise ValueError for a text that is too long for a voice file."""
    for name, text in about.items():
        limit = _MAX_CONSENT if name == "consent" else _MAX_LETTERS
        if len(text) > limit:
            raise ValueError(f"{name} of a voice has {len(text)} letters, where {limit} are allowed")


def _check_about(about: dict[str, str], tensors: Iterable[str]) -> None:
    """Raise ValueError for missing or unknown fields or tensors of a voice file, and for invalid numbers."""
    if unknown := sorted(name for name in tensors if not name.startswith(_PREFIX)):
        raise ValueError(f"its tensor {short(unknown[0])} is neither the embedding nor an adapted parameter")
    if wrong := sorted(about.keys() ^ set(_TEXTS)):
        raise ValueError(f"its field {short(wrong[0])} is {'unknown' if wrong[0] in about else 'missing'}")
    for name, kind in (("clips", int), ("seconds", float)):
        try:
            is_valid = 0 <= kind(about[name]) < math.inf
        except ValueError:
            is_valid = False
        if not is_valid:
            raise ValueError(f"its field {name} is {short(about[name])}, where a number from 0 is needed")


class VoiceLibrary:
    """Named voices, each in a file of one folder.

    Args:
        folder: by default the environment variable LIGHTNING_VC_VOICES, or else ~/.local/share/lightning_vc/voices,
            or else, for a user without a home folder, `voices` in the current folder, with a warning.

    Raises:
        NotADirectoryError: if it is a file.
    """

    def __init__(self, folder: str | Path | None = None) -> None:
        try:
            self.folder = Path(folder or os.environ.get("LIGHTNING_VC_VOICES") or _HOME).expanduser()
        except RuntimeError:  # no home folder is known
            self.folder = Path(_HOMELESS)
            warn(f"you have no home folder: voices are kept in ./{_HOMELESS}; LIGHTNING_VC_VOICES names another")
        if self.folder.exists() and not self.folder.is_dir():
            raise NotADirectoryError(f"{self.folder} is no library of voices: name a folder")

    def files(self) -> list[Path]:
        """Return the files of all voices, sorted."""
        return sorted(path for path in self.folder.glob(f"*{_SUFFIX}") if not path.is_dir())

    def names(self) -> list[str]:
        """Return the names of all voices, sorted."""
        return [path.stem for path in self.files()]

    def path(self, name: str) -> Path:
        """Return the file of a voice, which need not exist; raises ValueError for an invalid name."""
        if not _NAME.fullmatch(name):
            raise ValueError(f"{name!r} is no name of a voice: take letters, digits, '.', '_' and '-'")
        return self.folder / f"{name}{_SUFFIX}"

    def known(self, name: str) -> Path:
        """Return the file of an existing voice; raises FileNotFoundError if no voice has this name."""
        path = self.path(name)
        if not path.exists():
            names = ", ".join(self.names()) or "none yet"
            raise FileNotFoundError(f"no voice {name!r} in {self.folder}; there are: {names}")
        return path

    def free(self, name: str) -> Path:
        """Return the file for a new voice; raises ValueError for an invalid, FileExistsError for an existing name."""
        from lightning_vc.audio.io import SUFFIXES

        path = self.path(name)
        if Path(name).suffix.lower() in SUFFIXES:
            raise ValueError(f"{name!r} is the name of a sound: take another for a voice, or a file ({_SUFFIX})")
        if os.path.lexists(path):  # also a broken link, through which the voice would be written
            raise FileExistsError(f"there is a voice {name!r} already: take another name, or delete that one first")
        return path


def load_voice(name: str | Path) -> Voice:
    """Load a voice file if `name` is a path or ends in .safetensors, else the voice of this name in the library."""
    return Voice.load(name if isinstance(name, Path) or is_voice_file(name) else VoiceLibrary().known(name))


def place_for_voice(name: str) -> Path:
    """Return the path at which to save a voice: a file or a file of the library, as in `load_voice`.

    Raises whatever `VoiceLibrary.free` raises, and OSError if the file cannot be written.
    """
    from lightning_vc.audio.io import probe

    if not is_voice_file(name):
        path = VoiceLibrary().free(name)
    elif not name.endswith(_SUFFIX):
        raise ValueError(f"{name} is no name of a voice file: let it end in {_SUFFIX}")
    elif os.path.lexists(path := Path(name)):
        raise FileExistsError(f"there is {name} already: take another name, or delete that one first")
    probe(path)
    return path


def is_voice_file(name: str) -> bool:
    """Whether the name of a voice is the path of a file, not a name in the library."""
    return name.endswith(_SUFFIX) or "/" in name or os.sep in name
