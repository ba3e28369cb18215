"""How fast real speech becomes shards, and shards batches.

    python benchmarks/data.py --root ../shared/data/LibriSpeech --subsets train-clean-5

Everything is measured in one run on this machine, so that figures can be compared as ratios: the decoder of soundfile
alone, a loop over loose files, and the loader with 0, 1 and 2 workers.
"""

import argparse
import io
import os
import resource
import statistics
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import soundfile
import torch

from lightning_vc.corpora.base import Corpus
from lightning_vc.corpora.kaldi import KaldiCorpus
from lightning_vc.corpora.librispeech import LibriSpeech
from lightning_vc.data.datamodule import Loading, TTSDataModule
from lightning_vc.data.encoding import Limits, encode
from lightning_vc.data.index import SETS, Index
from lightning_vc.data.pipeline import Sample, read_shards
from lightning_vc.data.shards import prepare
from lightning_vc.data.splits import Splits
from lightning_vc.data.stream import Loader
from lightning_vc.text.frontend import Characters


def seconds(work: Callable[[], Any]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def median(works: dict[str, Callable[[], Any]], rounds: int) -> dict[str, float]:
    """Median seconds of each, taken in turn so that a noisy moment meets all of them."""
    times: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(rounds):
        for name, work in works.items():
            times[name].append(seconds(work))
    return {name: statistics.median(taken) for name, taken in times.items()}


def resident() -> float:
    """Memory of this process now, in MiB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 2**20


def drain(things: Iterable[object]) -> int:
    return sum(1 for _ in things)


def preparing(corpus: Corpus, count: int) -> None:
    """One core's speed: CPU seconds, since other work may share the machine."""
    torch.set_num_threads(1)
    utterances = list(corpus)
    chosen = utterances[:: max(1, len(utterances) // count)]
    encode(corpus, chosen[0], Limits(split_seconds=1.0), 16000)  # loads dictionaries and models
    for name, limits in (("whole", Limits(max_seconds=99)), ("split at 6 s", Limits(split_seconds=6.0))):
        started, made = time.process_time(), 0.0
        for utterance in chosen:
            made += sum(sample.seconds for sample in encode(corpus, utterance, limits, 16000).samples)
        rate = made / (time.process_time() - started)
        print(f"prepare, {name:14} {rate:6.0f} x real time a core = {rate / 60:5.2f} hours a minute and core")


def loose(samples: list[Sample], folder: Path) -> list[Path]:
    """The same sounds as files of their own."""
    files = []
    for number, sample in enumerate(samples):
        files.append(folder / f"{number:06d}.flac")
        files[-1].write_bytes(sample.flac)
    return files


def loader(index: Index, workers: int, **options: Any) -> Loader[Any]:
    return TTSDataModule(index.folder, Characters(), loading=Loading(workers), **options).train_dataloader()


def streaming(index: Index, folder: Path, rounds: int) -> None:
    torch.set_num_threads(1)
    names = ("train", "validation")
    samples = list(read_shards(index.files(*names)))
    files = loose(samples, folder)
    works: dict[str, Callable[[], Any]] = {
        "decoder alone": lambda: [soundfile.read(io.BytesIO(sample.flac), dtype="float32") for sample in samples],
        "loose files": lambda: [torch.from_numpy(soundfile.read(file, dtype="float32")[0]) for file in files],
        "shards, not decoded": lambda: drain(read_shards(index.files(*names))),
        "loader, 0 workers": lambda: drain(loader(index, 0)),
        "loader, 0 workers, no shuffling": lambda: drain(loader(index, 0, shuffle=1)),
        "loader, 1 worker": lambda: drain(loader(index, 1)),
        "loader, 2 workers": lambda: drain(loader(index, 2)),
    }
    times = median(works, rounds)
    speech = sum(sample.seconds for sample in samples)
    for name, taken in times.items():
        share = times["decoder alone"] / taken
        pace = f"{len(samples) / taken:7.0f} samples/s  {speech / taken:7.0f} x real time"
        print(f"{name:32} {pace}  {share:5.0%} of the decoder")
    for workers in (0, 2):
        first = [seconds(lambda workers=workers: next(iter(loader(index, workers)))) for _ in range(rounds)]
        print(f"first batch, {workers} workers: {statistics.median(first):.2f} s")
    real, padded = 0, 0
    for batch in loader(index, 0):
        real, padded = real + int(batch.lengths.sum()), padded + batch.waves.numel()
    print(f"padding in batches of 16: {1 - real / padded:.1%}")


def growing(index: Index, hours: Iterable[float]) -> None:
    """Read ever longer sets, which are the same shards again and again under the same names."""
    files = index.files(*SETS)
    whole = index.seconds(*SETS) / 3600
    for wanted in hours:
        times = max(1, round(wanted / whole))
        started = time.perf_counter()
        for sample in read_shards(files * times):
            sample.wave(16000)
        taken = time.perf_counter() - started
        print(f"{times * whole:5.1f} h read in {taken:6.1f} s; memory {resident():.0f} MiB")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", required=True, help="folder of LibriSpeech, or a Kaldi folder with wav.scp")
    parser.add_argument("--subsets", nargs="*", default=["train-clean-5"], help="of LibriSpeech")
    parser.add_argument("--utterances", type=int, default=100, help="to measure preparation with")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--hours", type=float, nargs="*", default=[1, 5, 20])
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1, help="to prepare the shards with")
    options = parser.parse_args()
    kaldi = Path(options.root, "wav.scp").exists()
    corpus = KaldiCorpus(options.root) if kaldi else LibriSpeech(options.root, options.subsets)
    preparing(corpus, options.utterances)
    with tempfile.TemporaryDirectory() as folder:
        out, files = Path(folder, "shards"), Path(folder, "files")
        files.mkdir()
        index = None

        def make() -> None:
            nonlocal index
            index = prepare(corpus, out, Splits(), workers=options.workers)

        taken = seconds(make)
        assert index is not None
        total = index.seconds(*SETS)
        pace = f"{total / taken:.0f} x real time"
        print(f"prepared {total / 3600:.2f} h with {options.workers} processes in {taken:.0f} s: {pace}")
        streaming(index, files, options.rounds)
        growing(index, options.hours)


if __name__ == "__main__":
    main()
