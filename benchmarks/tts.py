"""How fast the acoustic model trains and speaks, beside what the machine can do at most.

    python benchmarks/tts.py                # all of it; --profile adds where the time goes

Deep Voice 3 at the sizes of the LibriSpeech experiments (docs/paper.md), linear spectrograms of 513 bins, on random
but realistic inputs: batches of 16 texts of 120 symbols and 804 frames. Everything is measured in one run, as medians.
"""

import argparse
import statistics
import time
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.profiler import ProfilerActivity, profile
from torch.utils.flop_counter import FlopCounterMode

from lightning_vc.audio.features import Spectrograms
from lightning_vc.audio.vocoder import GriffinLim
from lightning_vc.modules.acoustic import DeepVoice3
from lightning_vc.tasks.tts import TTSTask
from lightning_vc.text.frontend import Mixed
from lightning_vc.text.symbols import SYMBOLS
from lightning_vc.types import Spectra, TTSBatch

RATE, N_FFT, HOP = 22050, 1024, 256
SPEAKERS = 100


def median(work: Callable[[], Any], rounds: int, device: str = "cpu") -> float:
    """Seconds that something takes, after it was done once to warm up."""
    times = []
    for _ in range(rounds + 1):
        started = time.perf_counter()
        work()
        if device == "cuda":
            torch.cuda.synchronize()
        times.append(time.perf_counter() - started)
    return statistics.median(times[1:])


def made(device: str = "cpu") -> TTSTask:
    torch.manual_seed(0)
    spectrograms = Spectrograms(RATE, N_FFT, N_FFT, HOP)
    task = TTSTask(DeepVoice3(n_fft=N_FFT), spectrograms, Mixed(), [str(i) for i in range(SPEAKERS)])
    task.configure_model()
    return task.to(device)


def batch(size: int = 16, symbols: int = 120, frames: int = 804, device: str = "cpu") -> TTSBatch:
    """Sentences that are all as long, so that shapes and work are those of the peers."""
    torch.manual_seed(1)
    samples = (frames - 1) * HOP
    return TTSBatch(
        text=torch.randint(2, len(SYMBOLS), (size, symbols), device=device),
        waves=torch.randn(size, samples, device=device) * 0.1,
        lengths=torch.full((size,), samples, device=device),
        speakers=torch.arange(size, device=device) % SPEAKERS,
        ids=[str(i) for i in range(size)],
    )


def ceilings(rounds: int) -> None:
    """What a product of matrices and a convolution reach, in GFLOP a second."""
    for name, kind in (("fp32", torch.float32), ("bf16", torch.bfloat16)):
        a, b = torch.randn(2048, 2048).to(kind), torch.randn(2048, 2048).to(kind)
        rate = 2 * 2048**3 / median(lambda: a @ b, rounds) / 1e9  # noqa: B023
        x, w = torch.randn(16, 256, 804).to(kind), torch.randn(512, 256, 5).to(kind)
        convolved = 2 * 16 * 800 * 256 * 512 * 5 / median(lambda: torch.conv1d(x, w), rounds) / 1e9  # noqa: B023
        print(f"ceiling, {name}: product of matrices {rate:5.0f} GFLOP/s, convolution {convolved:5.0f} GFLOP/s")


def training(task: TTSTask, of: TTSBatch, kind: torch.dtype, rounds: int, device: str = "cpu") -> tuple[float, float]:
    """Seconds and GFLOP of a step: loss, gradient, clipping, optimizer."""
    task.train()
    optimizer = torch.optim.Adam(task.parameters(), lr=5e-4)

    def step() -> None:
        with torch.autocast(device, kind, enabled=kind != torch.float32):
            loss = task.loss(of)["loss"]
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(task.parameters(), 50)
        optimizer.step()

    with FlopCounterMode(display=False) as counter:
        step()
    return median(step, rounds, device), counter.get_total_flops() / 1e9


def decoding(task: TTSTask, size: int, symbols: int, steps: int, rounds: int, device: str = "cpu") -> float:
    """Seconds a step of free running."""
    task.eval()
    text, voice = batch(size, symbols, device=device).text, task.table.voices[:size].detach()
    decoder = task.model.decoder
    torch.nn.init.constant_(decoder.done.bias, -100)
    with torch.no_grad():
        keys, values = task.model.encoder(text, voice)
    limits = torch.full((size,), steps, device=device)
    return median(lambda: decoder.generate(keys, values, text == 0, voice, limits, (1, 3)), rounds, device) / steps


def speaking(task: TTSTask, symbols: int, frames: int, rounds: int, vocoder: GriffinLim | None) -> float:
    """Seconds from text to spectrogram, or to wave, of one sentence."""
    task.eval()
    model = task.model
    text, voice = batch(1, symbols).text, task.table.voices[:1].detach()
    torch.nn.init.constant_(model.decoder.done.bias, -100)
    model.frames_per_symbol = frames / symbols

    def speak() -> Tensor | Spectra:
        made = model.synthesize(text, voice)
        return vocoder(made.spectra) if vocoder else made.spectra

    return median(speak, rounds)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", choices=["training", "speaking"])
    parser.add_argument("--profile", action="store_true", help="show where the time goes")
    options = parser.parse_args()
    rounds = options.rounds
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads")
    ceilings(rounds)
    task = made()
    weights = sum(weight.numel() for weight in task.model.parameters()) / 1e6
    print(f"parameters: {weights:.2f} M, and {task.table.voices.shape[1]} a voice")
    if options.only != "speaking":
        for name, kind in (("fp32", torch.float32), ("bf16", torch.bfloat16)):
            taken, work = training(task, batch(), kind, rounds)
            print(f"training step, {name}: {taken:.2f} s, {work:.0f} GFLOP, {work / taken:.0f} GFLOP/s", flush=True)
    if options.only != "training":
        for size in (1, 16):
            print(f"decoding, batch {size}: {decoding(task, size, 120, 100, rounds) * 1e3:.2f} ms a step")
        vocoder = GriffinLim(task.spectrograms)
        for symbols in (30, 60, 120, 240, 480):
            frames = symbols * 400 // 60
            spoken = frames * HOP / RATE
            alone, whole = (speaking(task, symbols, frames, rounds, each) for each in (None, vocoder))
            print(
                f"{symbols:4d} symbols, {spoken:5.2f} s: to spectrogram {alone:.3f} s ({alone / spoken:.3f} of "
                f"real time), to wave {whole:.3f} s ({whole / spoken:.3f})",
                flush=True,
            )
    if options.profile:
        with profile(activities=[ProfilerActivity.CPU]) as profiled:
            if options.only != "speaking":
                training(task, batch(), torch.float32, 1)
            if options.only != "training":
                speaking(task, 60, 400, 3, GriffinLim(task.spectrograms))
        print(profiled.key_averages().table(sort_by="self_cpu_time_total", row_limit=25, max_name_column_width=50))


if __name__ == "__main__":
    main()
