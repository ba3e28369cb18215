"""A cloned speaker, the file that holds one, and the folder of those that have names."""

import os
import re
from dataclasses import dataclass, field
from datetime import date
from importlib.metadata import version
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from lightning_vc.audio import io

_FORMAT = "lightning_vc voice 2"
_SUFFIX = ".safetensors"
_HOME = "~/.local/share/lightning_vc/voices"
_NAME = re.compile(r"[\w-][\w.-]*")


@dataclass(frozen=True)
class Voice:
    """A cloned speaker: what `Cloner.clone` returns and a .safetensors file holds.

    Attributes:
        vector: (E,), the voice itself.
        method: how it was cloned.
        base: fingerprint of the model that it belongs to; no other can speak with it.
        clips: how many recordings it was made from.
        moved: parameters of the acoustic model that adaptation changed, by name.
        seconds: how much sound they have, without silence at the ends.
        consent: what the speaker has agreed to, in the words of whoever made the voice; empty if nobody said.
        made: date, as in 2026-11-23.
        version: of lightning_vc that made it.
    """

    vector: Tensor
    method: str
    base: str
    clips: int
    moved: dict[str, Tensor] = field(default_factory=dict)
    seconds: float = 0.0
    consent: str = ""
    made: str = field(default_factory=lambda: date.today().isoformat())
    version: str = field(default_factory=lambda: version("lightning_vc"))

    @property
    def about(self) -> dict[str, str]:
        """All that is known of it but its numbers."""
        plain = ("method", "base", "clips", "seconds", "consent", "made", "version")
        return {name: str(getattr(self, name)) for name in plain}

    def save(self, path: str | Path) -> None:
        """Write one portable file."""
        tensors = {"vector": self.vector, **{f"moved.{name}": value for name, value in self.moved.items()}}
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        plain = {name: value.detach().cpu().contiguous() for name, value in tensors.items()}
        partial = Path(f"{path}.{os.getpid()}.partial")
        try:
            save_file(plain, partial, {"format": _FORMAT, **self.about})
            partial.replace(path)
        except SafetensorError as error:
            raise OSError(f"{path} cannot be written: {error}") from error
        finally:
            partial.unlink(missing_ok=True)

    @classmethod
    def load(cls, path: str | Path) -> "Voice":
        """Read a saved voice.

        Raises:
            FileNotFoundError: if there is no such file.
            ValueError: if it is not a voice.
        """
        if not Path(path).is_file():
            raise FileNotFoundError(f"no voice at {path}: make one with `python -m lightning_vc.recipes.clone`")
        try:
            with safe_open(path, "pt") as file:
                about = file.metadata() or {}
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - it is no dict
        except SafetensorError as error:
            raise ValueError(f"{path} is not a voice: {error}") from error
        if about.pop("format", None) != _FORMAT or "vector" not in tensors:
            raise ValueError(f"{path} is a safetensors file, but not a voice of this version of lightning_vc")
        vector = tensors.pop("vector")
        moved = {name.removeprefix("moved."): value for name, value in tensors.items()}
        if vector.dim() != 1 or not vector.isfinite().all():
            raise ValueError(f"{path} is not a voice: its vector is no row of finite numbers")
        try:
            clips, seconds = int(about.pop("clips")), float(about.pop("seconds"))
            return cls(vector=vector, moved=moved, clips=clips, seconds=seconds, **about)
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"{path} is not a voice of this version of lightning_vc: {error}") from error


class VoiceLibrary:
    """Voices by name, each in a file of one folder.

    Args:
        folder: if none is given, what LIGHTNING_VC_VOICES names, or else ~/.local/share/lightning_vc/voices.

    Raises:
        NotADirectoryError: if it is a file.
    """

    def __init__(self, folder: str | Path | None = None) -> None:
        self.folder = Path(folder or os.environ.get("LIGHTNING_VC_VOICES") or _HOME).expanduser()
        if self.folder.exists() and not self.folder.is_dir():
            raise NotADirectoryError(f"{self.folder} is no library of voices: name a folder")

    def files(self) -> list[Path]:
        """Of all voices, sorted."""
        return sorted(path for path in self.folder.glob(f"*{_SUFFIX}") if not path.is_dir())

    def names(self) -> list[str]:
        """Of all voices, sorted."""
        return [path.stem for path in self.files()]

    def path(self, name: str) -> Path:
        """The file of a voice, whether it is there or not; raises ValueError for what cannot be a name."""
        if not _NAME.fullmatch(name):
            raise ValueError(f"{name!r} is no name of a voice: take letters, digits, '.', '_' and '-'")
        return self.folder / f"{name}{_SUFFIX}"

    def known(self, name: str) -> Path:
        """The file of a voice that is there; raises FileNotFoundError where there is none of this name."""
        path = self.path(name)
        if not path.exists():
            known = ", ".join(self.names()) or "none yet"
            raise FileNotFoundError(f"no voice {name!r} in {self.folder}; there are: {known}")
        return path

    def free(self, name: str) -> Path:
        """The file of a voice that is not there yet.

        Raises ValueError for what cannot be a name, or is that of a sound, FileExistsError where the name is taken.
        """
        path = self.path(name)
        if Path(name).suffix.lower() in io.SUFFIXES:
            raise ValueError(f"{name!r} is the name of a sound: take another for a voice, or a file ({_SUFFIX})")
        if path.exists():
            raise FileExistsError(f"there is a voice {name!r} already: take another name, or delete that one first")
        return path


def load_voice(name: str) -> Voice:
    """A voice file, where `name` is a path or ends in .safetensors, else the voice of that name in the library."""
    return Voice.load(name if _is_file(name) else VoiceLibrary().known(name))


def place_for_voice(name: str) -> Path:
    """Where to save a voice: a file or a place in the library, as in `load_voice`.

    Raises ValueError for what cannot be the name of a voice, FileExistsError for one that is there, OSError where none
    can be written.
    """
    if _is_file(name) and not name.endswith(_SUFFIX):
        raise ValueError(f"{name} is no name of a voice file: let it end in {_SUFFIX}")
    if _is_file(name) and Path(name).exists():
        raise FileExistsError(f"there is {name} already: take another name, or delete that one first")
    place = Path(name) if _is_file(name) else VoiceLibrary().free(name)
    io.probe(place)
    return place


def _is_file(name: str) -> bool:
    return name.endswith(_SUFFIX) or "/" in name or os.sep in name
