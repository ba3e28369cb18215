"""How far does a bad recording move the voice that an encoder hears? By noise, a telephone, clicks, pauses and so on.

    python benchmarks/bad_recordings.py LIBRISPEECH runs/base other/run --readers 32 226 3242 6848 1088 118 163 1737

The first five clips of each reader of LibriSpeech are made worse and cloned from; the next five, as they are, make the
voices to compare with. The table has the distance between the voices of bad and of clean clips, in parts of the mean
distance between two readers, and the share of the readers whose voice is nearest to their own.
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

CLIPS = 5  # that a voice is made of
Damage = Callable[[Tensor, int], Tensor]  # (W,) at a sample rate -> (W', channels)


def augmented(**options: float | tuple[float, float]) -> Damage:
    def damage(wave: Tensor, rate: int) -> Tensor:
        worsen = Augmentation(rate, **{"noise": 0.0, "phone": 0.0, "reverberation": 0.0} | options)  # type: ignore[arg-type]
        spoilt: Tensor = worsen(wave.view(1, 1, -1), torch.tensor([[len(wave)]]))
        return spoilt.view(-1, 1)

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


WORSE: dict[str, Damage] = {
    "none": lambda wave, _: wave.unsqueeze(1),
    "click": with_click,
    "offset of 0.01": lambda wave, _: wave.unsqueeze(1) + 0.01,
    "offset of 0.05": lambda wave, _: wave.unsqueeze(1) + 0.05,
    "offset of 0.1": lambda wave, _: wave.unsqueeze(1) + 0.1,
    "pauses": with_pauses,
    "one side inverted": lambda wave, _: torch.stack([wave, -wave], 1),
    "noise, 20 dB": augmented(noise=1.0, snr=(20.0, 20.0)),
    "noise, 10 dB": augmented(noise=1.0, snr=(10.0, 10.0)),
    "telephone": augmented(phone=1.0),
    "room": augmented(reverberation=1.0),
    "noise, 10 dB, by telephone": augmented(noise=1.0, snr=(10.0, 10.0), phone=1.0),
}


def clone(cloner: Cloner, clips: Sequence[Path], damage: Damage, folder: Path) -> Tensor:
    """The voice (E,) of damaged clips, read from files as those of users are."""
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
    parser.add_argument("--readers", nargs="+", required=True, help="of at least ten clips each, two or more")
    options = parser.parse_args()
    clips: dict[str, list[Path]] = {reader: [] for reader in options.readers}
    for utterance in LibriSpeech(options.librispeech):
        if utterance.speaker.id in clips and utterance.audio:
            clips[utterance.speaker.id].append(utterance.audio)
    for model in options.models or [None]:
        cloner = Cloner.load(model)
        with tempfile.TemporaryDirectory() as folder:

            def voices(first: int, damage: Damage, cloner: Cloner = cloner, folder: str = folder) -> Tensor:
                chosen = (own[first : first + CLIPS] for own in clips.values())
                return torch.stack([clone(cloner, own, damage, Path(folder)) for own in chosen])

            others, clean = voices(CLIPS, WORSE["none"]), voices(0, WORSE["none"])  # (readers, E)
            between = torch.pdist(others, p=1).mean()
            for name, damage in WORSE.items():
                spoilt = voices(0, damage)
                nearest = torch.cdist(spoilt, others, p=1).argmin(1)
                right = int((nearest == torch.arange(len(clips))).sum())
                moved = float((spoilt - clean).abs().sum(1).mean() / between)
                print(f"{model or 'base'}  {name:27} {moved:.2f}  {right} of {len(clips)}", flush=True)


if __name__ == "__main__":
    main()
