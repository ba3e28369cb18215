"""Models that come with the package, and how a run becomes one: half the bytes, no pickle, nothing of its training."""

import json
from pathlib import Path

import torch
from safetensors.torch import save

from lightning_vc.checkpoint import SUMS, VERSION, exported, read_checkpoint, read_sums
from lightning_vc.files import sha256_of, write_file
from lightning_vc.tasks.base import Task
from lightning_vc.tasks.speaker_encoder import SpeakerEncoderTask
from lightning_vc.tasks.tts import TTSTask
from lightning_vc.tasks.vocoder import VocoderTask

PARTS: dict[str, type[Task]] = {"tts": TTSTask, "encoder": SpeakerEncoderTask, "vocoder": VocoderTask}
_MODELS = Path(__file__).parent / "models"


def checkpoint_in(folder: str | Path, part: str) -> Path | None:
    """The checkpoint of a part in the folder of a run (`tts/last.ckpt`) or of an exported model (`tts.safetensors`)."""
    places = (Path(folder, part, "last.ckpt"), Path(folder, f"{part}.safetensors"))
    return next((place for place in places if place.exists()), None)


def shipped(name: str = "base") -> Path:
    """The folder of a model that comes with the package.

    Raises:
        FileNotFoundError: if there is none of that name, or one of its files is missing.
    """
    folder = _MODELS / name
    if not (folder / SUMS).is_file():
        known = ", ".join(sorted(path.parent.name for path in _MODELS.glob(f"*/{SUMS}"))) or "none"
        raise FileNotFoundError(f"no model '{name}' comes with this version of lightning_vc; those that do: {known}")
    if missing := [name for name in read_sums(folder / SUMS) if not (folder / name).is_file()]:
        raise FileNotFoundError(f"{folder / missing[0]} is missing: install lightning_vc again")
    return folder


def export(run: str | Path, out: str | Path) -> list[Path]:
    """Write the parts of a run as safetensors in half precision, and their checksums; returns the files.

    Rounded weights are other weights: voices and encoders of the run do not belong to the exported model, so its
    encoder is told the fingerprint of what is written.

    Raises:
        FileNotFoundError: if the run has no TTS.
        ValueError: if its encoder was trained for another one.
    """
    found = {part: place for part in PARTS if (place := checkpoint_in(run, part))}
    if "tts" not in found:
        raise FileNotFoundError(f"no tts/last.ckpt in {run}: name the folder of a run")
    tts = TTSTask.load(found["tts"])
    fingerprint = tts.fingerprint()
    if "encoder" in found and SpeakerEncoderTask.load(found["encoder"]).base_fingerprint != fingerprint:
        raise ValueError(f"{found['encoder']} was trained for the voices of another model than {found['tts']}")
    tts.load_state_dict({name: _half(value).to(value.dtype) for name, value in tts.state_dict().items()})
    files, rounded = [], tts.fingerprint()
    for part, place in found.items():
        saved = read_checkpoint(place)
        if part == "encoder":
            saved["base_fingerprint"] = rounded
            saved["hyper_parameters"]["base"] = Path(saved["hyper_parameters"]["base"]).name  # not whose folder it was
        weights = {name: _half(value) for name, value in saved["state_dict"].items()}
        if "lengths" in saved:
            weights[exported("lengths")] = saved["lengths"]
        about = {name: saved[name] for name in ("task", "hyper_parameters", VERSION)}
        about |= {name: saved[name] for name in ("base_fingerprint", "global_step") if name in saved}
        files.append(Path(out, f"{part}.safetensors"))
        write_file(files[-1], save(weights, {"about": json.dumps(about)}))
    sums = "".join(f"{sha256_of(file)}  {file.name}\n" for file in files)
    write_file(Path(out, SUMS), sums)
    return files


def _half(value: torch.Tensor) -> torch.Tensor:
    return value.half().contiguous() if value.is_floating_point() else value.contiguous()
