"""How much bad recordings change the predicted speaker embedding: noise, telephone, clicks, pauses and so on.

    python benchmarks/bad_recordings.py LIBRISPEECH runs/base other/run --readers 32 226 3242 6848 1088 118 163 1737

Each reader of LibriSpeech is cloned from five damaged clips, and from the next five clips, unchanged, as reference.
The table has the L1 distance between the embeddings of damaged and of clean clips, relative to the mean distance of two
readers, and the number of readers whose embedding is nearest to the reference of the same reader.
"""

import argparse
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import soundfile
import torch
from torch import Tensor

from lightning_vc import Cloner
from lightning_vc.audio.augmentation import Augmentation
from lightning_vc.audio.decoding import decode
from lightning_vc.corpora.librispeech import LibriSpeech

CLIPS = 5  # per speaker embedding
Damage = Callable[[Tensor, int], Tensor]  # (W,) at a sample rate -> (W', channels)


def augmented(**options: float | tuple[float, float]) -> Damage:
    def damage(wave: Tensor, rate: int) -> Tensor:
        augment = Augmentation(rate, **{"noise": 0.0, "telephone": 0.0, "reverberation": 0.0} | options)  # type: ignore[arg-type]
        damaged: Tensor = augment(wave.view(1, 1, -1), torch.tensor([[len(wave)]]))
        return damaged.view(-1, 1)

    return damage


def with_click(wave: Tensor, rate: int) -> Tensor:
    """Speech with a peak of 0.1, half a second of silence, a click of 0.9 for 5 ms, and silence again."""
    pause = torch.zeros(rate)
    pause[rate // 2 : rate // 2 + rate // 200] = 0.9
    return torch.cat([0.1 * wave / wave.abs().max(), pause]).unsqueeze(1)


def with_pauses(wave: Tensor, rate: int) -> Tensor:
    """Pieces of one second with pauses of 1.5 s between them."""
    pause = torch.zeros(3 * rate // 2)
    return torch.cat([part for piece in wave.split(rate) for part in (piece, pause)][:-1]).unsqueeze(1)


DAMAGES: dict[str, Damage] = {
    "none": lambda wave, _: wave.unsqueeze(1),
    "click": with_click,
    "offset of 0.01": lambda wave, _: wave.unsqueeze(1) + 0.01,
    "offset of 0.05": lambda wave, _: wave.unsqueeze(1) + 0.05,
    "offset of 0.1": lambda wave, _: wave.unsqueeze(1) + 0.1,
    "pauses": with_pauses,
    "one side inverted": lambda wave, _: torch.stack([wave, -wave], 1),
    "noise, 20 dB": augmented(noise=1.0, snr=(20.0, 20.0)),
    "noise, 10 dB": augmented(noise=1.0, snr=(10.0, 10.0)),
    "telephone": augmented(telephone=1.0),
    "room": augmented(reverberation=1.0),
    "noise, 10 dB, by telephone": augmented(noise=1.0, snr=(10.0, 10.0), telephone=1.0),
}


def clone(cloner: Cloner, clips: Sequence[Path], damage: Damage, folder: Path) -> Tensor:
    """The speaker embedding (E,) of damaged clips, which are read from files like those of users."""
    files = [folder / f"{number}.wav" for number in range(len(clips))]
    torch.manual_seed(0)
    for clip, file in zip(clips, files, strict=True):
        channels, rate = decode(clip)
        soundfile.write(file, damage(channels[:, 0], rate).numpy(), rate, subtype="FLOAT")
    return cloner.clone(files).embedding


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("librispeech", help="folder of SPEAKERS.TXT and the subsets")
    parser.add_argument(
        "models", nargs="*", help="folder of a run, or one TTS checkpoint; default: the model of the package"
    )
    parser.add_argument("--readers", nargs="+", required=True, help="two or more readers with at least ten clips each")
    options = parser.parse_args()
    clips: dict[str, list[Path]] = {reader: [] for reader in options.readers}
    for utterance in LibriSpeech(options.librispeech):
        if utterance.speaker.id in clips and utterance.audio:
            clips[utterance.speaker.id].append(utterance.audio)
    for model in options.models or [None]:
        cloner = Cloner.load(model)
        with tempfile.TemporaryDirectory() as folder:

            def embeddings(first: int, damage: Damage, cloner: Cloner = cloner, folder: str = folder) -> Tensor:
                chosen = (files[first : first + CLIPS] for files in clips.values())
                return torch.stack([clone(cloner, files, damage, Path(folder)) for files in chosen])

            reference, clean = embeddings(CLIPS, DAMAGES["none"]), embeddings(0, DAMAGES["none"])  # (readers, E)
            between = torch.pdist(reference, p=1).mean()
            for name, damage in DAMAGES.items():
                damaged = embeddings(0, damage)
                nearest = torch.cdist(damaged, reference, p=1).argmin(1)
                right = int((nearest == torch.arange(len(clips))).sum())
                distance = float((damaged - clean).abs().sum(1).mean() / between)
                print(f"{model or 'base'}  {name:27} {distance:.2f}  {right} of {len(clips)}", flush=True)


if __name__ == "__main__":
    main()
