"""Quality of copy synthesis by each vocoder: from a recording to its mel spectrogram and back.

    pip install 'lightning_vc[judges]' pesq pystoi && pip install --no-deps resemblyzer
    python benchmarks/vocoder.py SHARDS runs/base/vocoder/alone/last.ckpt [other/last.ckpt ...]

Mel spectrograms of recordings of test speakers are inverted by each vocoder checkpoint, and by Griffin-Lim of 30 and 60
rounds from the linear spectrogram that fits the mel spectrogram best. The table has PESQ (wide band) and STOI with the
recording as reference, DNSMOS (p808, ovrl), Resemblyzer's cosine to other recordings of the speaker, the mean absolute
difference of mel spectrograms (on a scale of 1), and seconds of work per second of sound on one thread and on two.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor
from torchmetrics.functional.audio.pesq import perceptual_evaluation_speech_quality
from torchmetrics.functional.audio.stoi import short_time_objective_intelligibility

from lightning_vc.audio import io
from lightning_vc.audio.features import Spectrograms
from lightning_vc.audio.vocoder import GriffinLim, NeuralVocoder
from lightning_vc.checkpoint import load_model
from lightning_vc.data.index import Index
from lightning_vc.data.reading import clips_of
from lightning_vc.evaluation.folder import Row, Scores, Sound
from lightning_vc.evaluation.metrics import DNSMOS, Metric, Resemblyzer
from lightning_vc.types import Spectra

ROUNDS = (30, 60)
TIMES = 3

Copy = Callable[[Tensor], Tensor]  # mel (1, T, M) -> wave (1, W)


class FromMel:
    """Griffin-Lim from the non-negative least-squares inverse of a mel spectrogram."""

    def __init__(self, spectrograms: Spectrograms, rounds: int) -> None:
        self.vocoder = GriffinLim(spectrograms, rounds)

    def __call__(self, mel: Tensor) -> Tensor:
        wave: Tensor = self.vocoder(Spectra(mel, self.vocoder.spectrograms.linear_of(mel)))
        return wave


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("shards")
    parser.add_argument("checkpoints", nargs="+", help="vocoders of the same spectrogram settings")
    parser.add_argument("--clips", type=int, default=3, help="recordings of each speaker")
    parser.add_argument("--speakers", nargs="*", help="test speakers; default: all")
    options = parser.parse_args()
    trained = {path: load_model(path, NeuralVocoder) for path in options.checkpoints}  # type: ignore[type-abstract]
    spectrograms = next(iter(trained.values())).spectrograms
    if any(vocoder.spectrograms.settings != spectrograms.settings for vocoder in trained.values()):
        parser.error("the vocoders have different spectrogram settings: compare those with the same")
    index = Index.load(options.shards)
    speakers = [s.id for s in index.speakers_of("test") if not options.speakers or s.id in options.speakers]
    vocoders: dict[str, Copy] = {path: vocoder.from_mel for path, vocoder in trained.items()}
    vocoders |= {f"Griffin-Lim, {rounds} rounds": FromMel(spectrograms, rounds) for rounds in ROUNDS}
    metrics = [Resemblyzer(), DNSMOS()]
    with tempfile.TemporaryDirectory() as folder, torch.no_grad():
        real, references = {}, {}
        for speaker in speakers:
            clips = clips_of(index, speaker)[: options.clips + 5]
            paths = [Path(folder, speaker, f"{number}.wav") for number in range(len(clips))]
            for path, clip in zip(paths, clips, strict=True):
                io.write(path, clip.wave(index.sample_rate), index.sample_rate)
            for path in paths[: options.clips]:
                real[path] = io.read(path, index.sample_rate)
                references[path] = paths[options.clips :]
        mels = {path: spectrograms.mel(wave[None]) for path, wave in real.items()}
        print(f"{len(real)} recordings of {len(speakers)} speakers, {sum(map(len, real.values())) / 16000:.0f} s\n")
        print("| | PESQ | STOI | p808 | ovrl | similarity | mel error | real time, 1 thread | 2 threads |")
        print("| --- |" + " --- |" * 8, flush=True)
        measured = [scores_of(metrics, path, references[path]) for path in real]
        print(f"| recordings | | | {row(measured)} | 0 | | |", flush=True)
        for name, vocoder in vocoders.items():
            scores, measured = [], []
            for path, wave in real.items():
                copy = vocoder(mels[path])[0]
                wave = wave[: len(copy)]
                file = Path(folder, "copy.wav")
                io.write(file, copy, index.sample_rate)
                measured.append(scores_of(metrics, file, references[path]))
                error = (spectrograms.mel(copy * wave.std() / copy.std()) - spectrograms.mel(wave)).abs().mean()
                pesq = perceptual_evaluation_speech_quality(copy, wave, index.sample_rate, "wb")
                stoi = short_time_objective_intelligibility(copy, wave, index.sample_rate)
                scores.append([float(pesq), float(stoi), float(error)])
            pesq, stoi, error = (statistics.mean(values) for values in zip(*scores, strict=True))
            times = " | ".join(f"{factor(vocoder, list(mels.values()), spectrograms, n):.3f}" for n in (1, 2))
            print(f"| {name} | {pesq:.2f} | {stoi:.3f} | {row(measured)} | {error:.4f} | {times} |", flush=True)


def scores_of(metrics: list[Metric], path: Path, references: list[Path]) -> Scores:
    """Objective metrics of a sound."""
    sound = Sound(path, Row("copy"), "", "", tuple(references))
    return {name: score for metric in metrics for name, score in metric(sound).items()}


def row(measured: list[dict[str, float]]) -> str:
    """Means of the objective metrics, as cells of a table."""
    return " | ".join(
        f"{statistics.mean(scores[name] for scores in measured):.2f}" for name in ("p808", "ovrl", "similarity")
    )


def factor(vocoder: Copy, mels: list[Tensor], spectrograms: Spectrograms, threads: int) -> float:
    """Seconds of work per second of sound: the median of several measurements."""
    torch.set_num_threads(threads)
    seconds = sum(mel.shape[1] for mel in mels) * spectrograms.hop / spectrograms.sample_rate
    took = []
    for _ in range(TIMES):
        started = time.perf_counter()
        for mel in mels:
            vocoder(mel)
        took.append(time.perf_counter() - started)
    return statistics.median(took) / seconds


if __name__ == "__main__":
    main()
