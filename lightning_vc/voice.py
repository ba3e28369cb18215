"""A cloned speaker, and the file that holds one."""

from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

_FORMAT = "lightning_vc voice 1"


@dataclass(frozen=True)
class Voice:
    """A cloned speaker: what `Cloner.clone` returns and a .safetensors file holds.

    Attributes:
        vector: (E,), the voice itself.
        method: how it was cloned.
        base: fingerprint of the model that it belongs to; no other can speak with it.
        clips: how many recordings it was made from.
        moved: parameters of the acoustic model that adaptation changed, by name.
    """

    vector: Tensor
    method: str
    base: str
    clips: int
    moved: dict[str, Tensor] = field(default_factory=dict)

    def save(self, path: str | Path) -> None:
        """Write one portable file."""
        about = {
            "format": _FORMAT,
            "method": self.method,
            "base": self.base,
            "clips": str(self.clips),
            "version": version("lightning_vc"),
        }
        tensors = {"vector": self.vector, **{f"moved.{name}": value for name, value in self.moved.items()}}
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        try:
            save_file({name: value.detach().cpu().contiguous() for name, value in tensors.items()}, path, about)
        except SafetensorError as error:
            raise OSError(f"{path} cannot be written: {error}") from error

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
        if about.get("format") != _FORMAT or "vector" not in tensors:
            raise ValueError(f"{path} is a safetensors file, but not a voice of this version of lightning_vc")
        vector = tensors.pop("vector")
        moved = {name.removeprefix("moved."): value for name, value in tensors.items()}
        return cls(vector, about["method"], about["base"], int(about["clips"]), moved)
