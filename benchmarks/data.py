"""How fast real speech becomes shards, and shards batches, and how both grow with the hours of a corpus.

    python benchmarks/data.py ../shared/data/LibriSpeech ../shared/data/speechocean762

Everything is measured in one run on one machine, in turn and several times, so that figures can be compared as ratios:
the decoder of soundfile alone (each sound is forgotten at once), a loop over loose files, and the loader. A corpus of
more hours is the given ones again and again under new names.
"""

import argparse
import io
import math
import multiprocessing
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import soundfile
import torch
from torch import Tensor

from lightning_vc.corpora.base import Corpus
from lightning_vc.corpora.kaldi import KaldiCorpus
from lightning_vc.corpora.librispeech import LibriSpeech
from lightning_vc.data.datamodule import Loading
from lightning_vc.data.index import SETS, Index
from lightning_vc.data.loader import Loader
from lightning_vc.data.reading import read_shards
from lightning_vc.data.shards import prepare
from lightning_vc.data.splits import Splits
from lightning_vc.data.tts import TTSDataModule
from lightning_vc.data.utterance import Limits, encode
from lightning_vc.text.frontend import Characters
from lightning_vc.types import Utterance

T = TypeVar("T")
TRAINING = ("train", "validation")


class Repeated(Corpus):
    """Corpora one after the other, again and again with other names for speakers and utterances."""

    def __init__(self, corpora: Sequence[Corpus], times: int = 1, every: int = 1) -> None:
        self.corpora, self.times, self.every = corpora, times, every

    def __iter__(self) -> Iterator[Utterance]:
        for time_ in range(self.times):
            for number, corpus in enumerate(self.corpora):
                for utterance in list(corpus)[:: self.every]:
                    prefix = f"{number}-{time_}-"
                    speaker = replace(utterance.speaker, id=prefix + utterance.speaker.id)
                    yield replace(utterance, id=prefix + utterance.id, speaker=speaker)

    def read(self, utterance: Utterance, sample_rate: int) -> Tensor:
        return self.corpora[int(utterance.id.partition("-")[0])].read(utterance, sample_rate)


def corpus_at(root: str) -> Corpus:
    if Path(root, "wav.scp").exists():
        return KaldiCorpus(root)
    return LibriSpeech(root, ["train-clean-5"] if Path(root, "train-clean-5").exists() else None)


def seconds(work: Callable[[], Any]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def drain(things: Iterable[object]) -> int:
    return sum(1 for _ in things)


def apart(work: Callable[..., T], *arguments: Any) -> tuple[T, float]:
    """Do something in a new process: its result, and the most memory it held, in MiB."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        return pool.submit(_measured, work, *arguments).result()


def _measured(work: Callable[..., T], *arguments: Any) -> tuple[T, float]:
    torch.set_num_threads(1)
    result = work(*arguments)
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return result, int(status["VmHWM"].split()[0]) / 1024


def one_core(corpora: Sequence[Corpus], utterances: int) -> None:
    """Preparation by one core: seconds of its time, since other work may share the machine."""
    chosen = []
    for corpus in corpora:
        all_of_it = list(corpus)
        chosen += [(corpus, each) for each in all_of_it[:: max(1, len(all_of_it) * len(corpora) // utterances)]]
    encode(*chosen[0], Limits(split_seconds=1.0), 16000)  # loads dictionaries and models
    for name, limits in (("whole", Limits(max_seconds=99)), ("split at 6 s", Limits(split_seconds=6.0))):
        started, made = time.process_time(), 0.0
        for corpus, utterance in chosen:
            made += sum(sample.seconds for sample in encode(corpus, utterance, limits, 16000).samples)
        rate = made / (time.process_time() - started)
        print(f"prepare, {name:14} {rate:6.0f} x real time a core = {rate / 60:5.2f} hours a minute and core")


def loader(folder: str, workers: int, **options: Any) -> Loader[Any]:
    return TTSDataModule(folder, Characters(), loading=Loading(workers), **options).train_dataloader()


def decode(sounds: Sequence[bytes]) -> None:
    for flac in sounds:
        soundfile.read(io.BytesIO(flac), dtype="float32")


def decode_in_two(sounds: Sequence[bytes]) -> None:
    fork = multiprocessing.get_context("fork")
    processes = [fork.Process(target=decode, args=(sounds[half::2],)) for half in range(2)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()


def streaming(folder: str, rounds: int) -> tuple[float, float]:
    """The loader against what bounds it: seconds of the decoder alone, and of the loader without workers, for all.

    The loaders have run one epoch before, so their workers are there.
    """
    files = Index.load(folder).files(*TRAINING)
    samples = list(read_shards(files))
    sounds, lengths = [sample.coded() for sample in samples], [sample.seconds for sample in samples]
    with tempfile.TemporaryDirectory() as loose:
        paths = [Path(loose, f"{number:06d}.flac") for number in range(len(sounds))]
        for path, flac in zip(paths, sounds, strict=True):
            path.write_bytes(flac)
        del samples
        loaders = {
            "loader, 0 workers": loader(folder, 0),
            "loader, 0 workers, no shuffling": loader(folder, 0, shuffle=1, buckets=1),
            "loader, 1 worker": loader(folder, 1),
            "loader, 2 workers": loader(folder, 2),
        }
        works: dict[str, Callable[[], Any]] = {
            "decoder alone, 1 process": lambda: decode(sounds),
            "decoder alone, 2 processes": lambda: decode_in_two(sounds),
            "loose files, 1 process": lambda: [None for path in paths if soundfile.read(path, dtype="float32") is None],
            "shards, without the sounds": lambda: drain(read_shards(files)),
        } | {name: lambda each=each: drain(each) for name, each in loaders.items()}
        times: dict[str, list[float]] = {name: [] for name in works}
        for done in range(rounds + 1):
            for name, work in works.items():
                taken = seconds(work)
                if done:  # the first round warms up
                    times[name].append(taken)
    alone = statistics.median(times["decoder alone, 1 process"]) / len(sounds)
    for name, all_taken in times.items():
        # The loader leaves out what makes no whole batch.
        read = len(loaders[name]) * 16 if name in loaders else len(sounds)
        each = statistics.median(all_taken) / read
        pace = f"{1 / each:7.0f} samples/s  {statistics.mean(lengths) / each:7.0f} x real time"
        print(f"{name:32} {pace}  {alone / each:5.0%} of one decoder")
    real, padded = 0, 0
    for batch in loaders["loader, 0 workers"]:
        real, padded = real + int(batch.lengths.sum()), padded + batch.waves.numel()
    print(f"padding in batches of 16: {1 - real / padded:.1%}")
    batches = len(loaders["loader, 0 workers"])
    return alone * len(sounds), statistics.median(times["loader, 0 workers"]) / (batches * 16) * len(sounds)


def first_batch(folder: str, workers: int) -> float:
    return seconds(lambda: next(iter(loader(folder, workers))))


def epoch(folder: str) -> float:
    """Seconds for each hour of speech."""
    return seconds(lambda: drain(loader(folder, 0))) / Index.load(folder).seconds(*TRAINING) * 3600


def decoding(folder: str) -> float:
    """The same of nothing but decoding."""
    index, taken = Index.load(folder), 0.0
    for sample in read_shards(index.files(*TRAINING)):
        flac = sample.coded()
        started = time.perf_counter()
        soundfile.read(io.BytesIO(flac), dtype="float32")
        taken += time.perf_counter() - started
    return taken / index.seconds(*TRAINING) * 3600


def growing(corpora: Sequence[Corpus], hours: Iterable[float], whole: float, workers: int) -> None:
    """What more hours cost; `whole` is how many the corpora have."""
    print(
        f"{'hours':>6} {'prepared at':>14} {'decoder':>14} {'loader':>10} {'memory':>10}   first batch, 0 and 2 workers"
    )
    for wanted in hours:
        times, every = max(1, math.ceil(wanted / whole)), max(1, round(whole / wanted))
        with tempfile.TemporaryDirectory() as folder:
            out = str(Path(folder, "shards"))
            taken = seconds(lambda: prepare(Repeated(corpora, times, every), out, Splits(), workers=workers))  # noqa: B023
            made = Index.load(out).seconds(*SETS)
            alone, (pace, memory) = apart(decoding, out)[0], apart(epoch, out)
            first = [first_batch(out, processes) for processes in (0, 2)]
        line = f"{made / 3600:6.1f} {made / taken:9.0f} x rt {alone:10.2f} s/h {pace:6.2f} s/h {memory:6.0f} MiB"
        print(f"{line} {first[0]:20.2f} s {first[1]:6.2f} s", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("roots", nargs="+", help="folders of LibriSpeech, or Kaldi folders with wav.scp")
    parser.add_argument("--utterances", type=int, default=200, help="to measure preparation on one core with")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--hours", type=float, nargs="*", default=[1, 5, 20])
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1, help="to prepare shards with")
    options = parser.parse_args()
    torch.set_num_threads(1)
    corpora = [corpus_at(root) for root in options.roots]
    one_core(corpora, options.utterances)
    whole = decoder = streamed = 0.0
    for root, corpus in zip(options.roots, corpora, strict=True):
        with tempfile.TemporaryDirectory() as folder:
            out = str(Path(folder, "shards"))
            taken = seconds(lambda: prepare(corpus, out, Splits(), workers=options.workers))  # noqa: B023
            made = Index.load(out).seconds(*SETS)
            whole += made / 3600
            print(f"\n{root}: {made / 3600:.2f} h prepared in {taken:.0f} s by {options.workers} processes", flush=True)
            alone, loaded = streaming(out, options.rounds)
            decoder, streamed = decoder + alone, streamed + loaded
    print(f"\nall of them: the loader, 0 workers, at {decoder / streamed:.1%} of one decoder\n")
    growing(corpora, options.hours, whole, options.workers)


if __name__ == "__main__":
    main()
