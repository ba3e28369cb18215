"""Models of a run, of an exported folder, and of the package."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from lightning_vc.audio.vocoder import NeuralVocoder
from lightning_vc.checkpoint import fingerprint, model_of, save_model
from lightning_vc.files import SUMS, read_sums, sha256_of, write_file
from lightning_vc.hub import download, is_hub_name
from lightning_vc.modules.speaker_encoder import SpeakerEncoder
from lightning_vc.modules.tts import TTSModel
from lightning_vc.untrusted import MODELS, read_checkpoint

_KINDS: dict[str, type[nn.Module]] = {"tts": TTSModel, "encoder": SpeakerEncoder, "vocoder": NeuralVocoder}
_MODELS = Path(__file__).parent / "models"


def load_folder(folder: str | Path) -> dict[str, Any]:
    """Load the models "tts", "encoder" and "vocoder" of a folder, or those of them that it has.

    A run has tts/last.ckpt and so on, an exported folder tts.safetensors and so on, and a run of joint training one
    last.ckpt with two models. Each file is read once.

    Raises:
        FileNotFoundError: if there is no TTS model.
        ValueError: for a file without a model of the expected class.
    """
    shared = Path(folder, "last.ckpt")
    joint: Mapping[str, Any] = read_checkpoint(shared) if shared.exists() else {MODELS: {}}
    models = {}
    for part, kind in _KINDS.items():
        paths = (Path(folder, part, "last.ckpt"), Path(folder, f"{part}.safetensors"))
        if f"{part}." in joint[MODELS]:
            models[part] = model_of(joint, kind, shared)
        elif path := next((path for path in paths if path.exists()), None):
            models[part] = model_of(read_checkpoint(path), kind, path)
    if "tts" not in models:
        raise FileNotFoundError(f"no tts/last.ckpt in {folder}: name the folder of a run")
    return models


def pretrained_folder(name: str | Path = "base", revision: str | None = None) -> Path:
    """Return the folder of a model of the package, of a path, or of the Hugging Face Hub.

    Args:
        name: the first that exists of a model of the package, a folder or checkpoint, and a repository of the Hub,
            organisation/repository.
        revision: branch, tag or commit; with one, `name` is a repository.

    Raises:
        FileNotFoundError: if there is no such model.
        OSError, ValueError, ImportError: what `hub.download` raises.
    """
    path = Path(name)
    if revision is not None or (is_hub_name(str(name)) and not path.exists()):
        return download(str(name), revision)
    if path.name != str(name) or (path.exists() and not (_MODELS / path / SUMS).is_file()):
        return path
    return shipped(path.name)


def shipped(name: str = "base") -> Path:
    """Return the folder of a model that comes with the package.

    Raises:
        FileNotFoundError: if there is no model of that name, or one of its files is missing.
    """
    folder = _MODELS / name
    if not (folder / SUMS).is_file():
        known = ", ".join(sorted(path.parent.name for path in _MODELS.glob(f"*/{SUMS}"))) or "none"
        raise FileNotFoundError(
            f"no model '{name}' comes with this version of lightning_vc; those that do: {known}; or give a path"
        )
    if missing := [name for name in read_sums(folder / SUMS) if not (folder / name).is_file()]:
        raise FileNotFoundError(f"{folder / missing[0]} is missing: install lightning_vc again")
    return folder


@torch.no_grad()
def export(run: str | Path, out: str | Path) -> list[Path]:
    """Write the models of a run as safetensors in half precision, and their checksums; returns the files.

    Rounding changes the fingerprint: voices of the run do not fit the exported model, and the exported encoder gets the
    fingerprint of the rounded model.

    Raises:
        FileNotFoundError: if the run has no TTS model.
        ValueError: if its encoder was trained for another TTS model.
    """
    models = load_folder(run)
    tts, encoder = models["tts"], models.get("encoder")
    if encoder is not None and encoder.tts_fingerprint != fingerprint(tts):
        raise ValueError(f"the encoder in {run} was trained for another TTS model than the one beside it")
    for value in (value for model in models.values() for value in model.state_dict().values()):
        if value.is_floating_point():
            value.copy_(value.half())
    if encoder is not None:
        encoder.tts_fingerprint = fingerprint(tts)
    files = []
    for part, model in models.items():
        files.append(Path(out, f"{part}.safetensors"))
        save_model(files[-1], model, half=True)
    write_file(Path(out, SUMS), "".join(f"{sha256_of(file)}  {file.name}\n" for file in files))
    return files
