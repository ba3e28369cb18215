"""Speed of preparing shards from real speech, and of loading batches, compared with the flac decoder.

    python benchmarks/data.py ../shared/data/LibriSpeech ../shared/data/speechocean762 --before ../old-checkout

Decoder and loader, and with `--before` those of another checkout, are measured alternately in several rounds, so that
ratios are reliable. Times are CPU seconds, because other processes may share the machine.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch

from lightning_vc.corpora.base import Corpus
from lightning_vc.corpora.kaldi import KaldiCorpus
from lightning_vc.corpora.librispeech import LibriSpeech
from lightning_vc.data.index import SETS
from lightning_vc.data.shards import prepare
from lightning_vc.data.splits import Splits
from lightning_vc.data.tts import TTSDataModule
from lightning_vc.data.utterance import Limits, encode
from lightning_vc.text.frontend import Characters

# One round for each input line: CPU seconds per sample of the decoder, and of the loader without workers.
ROUNDS = """
import io, sys, time
import soundfile, torch
from lightning_vc.data.index import Index
from lightning_vc.data.reading import read_shards
from lightning_vc.text.frontend import Characters
from lightning_vc.data.tts import TTSDataModule
torch.set_num_threads(1)
samples = read_shards(Index.load(sys.argv[1]).files("train", "validation"))
sounds = [sample.coded() if hasattr(sample, "coded") else sample.flac for sample in samples]
loader = TTSDataModule(sys.argv[1], Characters()).train_dataloader()
for _ in sys.stdin:
    times = [time.process_time()]
    for flac in sounds:
        soundfile.read(io.BytesIO(flac), dtype="float32")
    times.append(time.process_time())
    loaded = sum(len(batch.ids) for batch in loader)
    times.append(time.process_time())
    print((times[1] - times[0]) / len(sounds), (times[2] - times[1]) / loaded, flush=True)
"""


def corpus_at(root: str) -> Corpus:
    if Path(root, "wav.scp").exists():
        return KaldiCorpus(root)
    return LibriSpeech(root, ["train-clean-5"] if Path(root, "train-clean-5").exists() else None)


def preparing(corpus: Corpus, utterances: int) -> None:
    """Measure preparation on one core."""
    listed = list(corpus)
    chosen = listed[:: max(1, len(listed) // utterances)]
    encode(corpus, chosen[0], Limits(split_seconds=1.0), 16000)  # loads dictionaries and models
    for name, limits in (("whole", Limits(max_seconds=99)), ("split at 6 s", Limits(split_seconds=6.0))):
        started = time.process_time()
        seconds = sum(s.seconds for utterance in chosen for s in encode(corpus, utterance, limits, 16000).samples)
        print(f"prepare, {name:14} {seconds / (time.process_time() - started):6.0f} x real time a core")


def reading(shards: str, checkouts: dict[str, str], rounds: int) -> None:
    """Measure loader and decoder of each checkout alternately; the first round warms up."""
    processes = {
        name: subprocess.Popen(
            [sys.executable, "-c", ROUNDS, shards],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": folder},
        )
        for name, folder in checkouts.items()
    }  # fmt: skip
    times: dict[str, list[list[float]]] = {name: [] for name in checkouts}
    for round_number in range(rounds + 1):
        for name, process in processes.items():
            assert process.stdin is not None
            assert process.stdout is not None
            print(file=process.stdin, flush=True)
            line = process.stdout.readline()
            if round_number:
                times[name].append([float(seconds) for seconds in line.split()])
    for process in processes.values():
        process.communicate()
    decoder = statistics.median(pair[0] for pairs in times.values() for pair in pairs)
    loader = {name: statistics.median(pair[1] for pair in pairs) for name, pairs in times.items()}
    print(f"flac decoder alone             {1 / decoder:7.0f} samples a CPU-second")
    for name, seconds in loader.items():
        print(f"loader, 0 workers, {name:11} {1 / seconds:7.0f}, {decoder / seconds:.1%} of the decoder")
    if "before" in loader:
        print(f"ratio to before: {loader['before'] / loader['now']:.3f}")


def padding(shards: str) -> float:
    """Share of padding in the samples of batches."""
    real = padded = 0
    for batch in TTSDataModule(shards, Characters()).train_dataloader():
        real, padded = real + int(batch.lengths.sum()), padded + batch.waves.numel()
    return 1 - real / padded


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("roots", nargs="+", help="folders of LibriSpeech, or Kaldi folders with wav.scp")
    parser.add_argument("--before", help="folder of another checkout to compare with")
    parser.add_argument("--utterances", type=int, default=100, help="utterances to prepare on one core")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1, help="processes that prepare shards")
    options = parser.parse_args()
    torch.set_num_threads(1)
    checkouts = {"now": str(Path(__file__).parents[1])} | ({"before": options.before} if options.before else {})
    for root in options.roots:
        corpus = corpus_at(root)
        print(f"\n{root}")
        preparing(corpus, options.utterances)
        with tempfile.TemporaryDirectory() as folder:
            shards, started = str(Path(folder, "shards")), time.perf_counter()
            hours = prepare(corpus, shards, Splits(), workers=options.workers).seconds(*SETS) / 3600
            taken = time.perf_counter() - started
            print(f"{hours:.2f} h prepared in {taken:.0f} s by {options.workers} processes", flush=True)
            reading(shards, checkouts, options.rounds)
            print(f"padding in batches of 16: {padding(shards):.1%}", flush=True)


if __name__ == "__main__":
    main()
