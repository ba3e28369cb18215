"""Speed of training and synthesis of the acoustic model, compared with the limits of the machine.

    python benchmarks/tts.py                      # everything; --profile adds a profile of the CPU
    python benchmarks/tts.py --model runs/mini    # and latency of streaming by a trained model

Deep Voice 3 at the sizes of the LibriSpeech experiments (docs/paper.md), linear spectrograms of 513 bins, on random
but realistic inputs: batches of 16 texts of 120 symbols and 804 frames to train on, 5 frames a symbol to speak.
Everything is measured in one run, as medians. On a machine with a GPU the same is measured there too.
"""

import argparse
import resource
import statistics
import time
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.profiler import ProfilerActivity, profile
from torch.utils.flop_counter import FlopCounterMode

from lightning_vc import Cloner, Voice
from lightning_vc.audio.features import Spectrograms
from lightning_vc.audio.vocoder import GriffinLim
from lightning_vc.modules.acoustic import DeepVoice3
from lightning_vc.modules.tts import TTSModel
from lightning_vc.tasks.tts import TTSTask
from lightning_vc.text.frontend import Mixed
from lightning_vc.text.symbols import SYMBOLS
from lightning_vc.types import Spectra, TTSBatch

RATE, N_FFT, HOP = 22050, 1024, 256
SPEAKERS = 256
FRAMES_PER_SYMBOL = 5
KINDS = {"fp32": torch.float32, "bf16": torch.bfloat16}
TEXT = (
    "The friendly baker gave seven golden apples. My sister found a broken mirror. Why did the captain open this "
    "letter? Nine hungry rabbits crawled through the garden. She will bring a warm blanket tonight."
)


def median(work: Callable[[], Any], rounds: int, device: str = "cpu") -> float:
    """Median of the seconds that a function takes, after one call to warm up."""
    times = []
    for _ in range(rounds + 1):
        started = time.perf_counter()
        work()
        if device == "cuda":
            torch.cuda.synchronize()
        times.append(time.perf_counter() - started)
    return statistics.median(times[1:])


def memory(device: str) -> float:
    """Peak memory of the process or on the GPU in GiB."""
    if device == "cuda":
        return torch.cuda.max_memory_allocated() / 2**30
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def random_task(device: str = "cpu") -> TTSTask:
    torch.manual_seed(0)
    spectrograms = Spectrograms(RATE, N_FFT, N_FFT, HOP)
    model = DeepVoice3(n_fft=N_FFT, frames_per_symbol=FRAMES_PER_SYMBOL)
    task = TTSTask(TTSModel(model, spectrograms, Mixed(), [str(i) for i in range(SPEAKERS)]))
    task.configure_model()
    return task.to(device)


def batch(size: int = 16, symbols: int = 120, frames: int = 804, device: str = "cpu") -> TTSBatch:
    """Random utterances of equal length."""
    torch.manual_seed(1)
    samples = (frames - 1) * HOP
    return TTSBatch(
        text=torch.randint(2, len(SYMBOLS), (size, symbols), device=device),
        waves=torch.randn(size, samples, device=device) * 0.1,
        lengths=torch.full((size,), samples, device=device),
        times=torch.full((size, symbols), torch.nan, device=device),
        speakers=torch.arange(size, device=device),
        ids=[str(i) for i in range(size)],
    )


def ceilings(rounds: int, device: str) -> dict[str, float]:
    """Print GFLOP per second of a matrix product and a convolution; returns those of the matrix product."""
    rates, size = {}, 8192 if device == "cuda" else 2048
    for name, kind in KINDS.items():
        a, b = (torch.randn(size, size, device=device).to(kind) for _ in range(2))
        rates[name] = 2 * size**3 / median(lambda: a @ b, rounds, device) / 1e9  # noqa: B023
        x, w = torch.randn(16, 256, 804, device=device).to(kind), torch.randn(512, 256, 5, device=device).to(kind)
        convolved = 2 * 16 * 800 * 256 * 512 * 5 / median(lambda: torch.conv1d(x, w), rounds, device) / 1e9  # noqa: B023
        print(f"ceiling, {name}: matrix product {rates[name]:5.0f} GFLOP/s, convolution {convolved:5.0f} GFLOP/s")
    return rates


def training(task: TTSTask, of: TTSBatch, kind: torch.dtype, rounds: int) -> tuple[float, float]:
    """Seconds and GFLOP of a training step: loss, gradient, clipping, optimizer."""
    device = of.text.device.type
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


def endless(task: TTSTask) -> DeepVoice3:
    """The model, changed so that decoding ends at its limit only: random weights would stop at any step."""
    task.eval()
    assert isinstance(task.tts.model, DeepVoice3)
    torch.nn.init.constant_(task.tts.model.decoder.done.bias, -100)
    task.tts.model.frames_at_end = 10**6
    return task.tts.model


def reading(task: TTSTask, rounds: int) -> float:
    """Seconds per decoder step of the matrix products with convolution weights alone, for one sentence."""
    convolutions = [part for part in endless(task).decoder.modules() if isinstance(part, torch.nn.Conv1d)]
    weights = [part.weight.detach().flatten(1) for part in convolutions]  # (2H, H * width)
    inputs = weights[0].new_zeros(1, weights[0].shape[1])

    def steps() -> None:
        for weight in weights * 100:
            torch.nn.functional.linear(inputs, weight)

    return median(steps, rounds, task.device.type) / 100


def decoding(task: TTSTask, size: int, steps: int, rounds: int) -> float:
    """Seconds per step of free-running decoding."""
    model, device = endless(task), task.device.type
    text, embedding = batch(size, device=device).text, task.tts.table.weight[:size].detach()
    with torch.no_grad():
        keys, values = model.encoder(text, embedding)
    limits = torch.full((size,), steps, device=device)

    def decode() -> None:
        model.decoder.generate(keys, values, text == 0, embedding, limits, model.monotonic)

    return median(decode, rounds, device) / steps


def speaking(task: TTSTask, size: int, symbols: int, rounds: int, vocoder: GriffinLim | None) -> float:
    """Seconds from texts to spectrograms, or with a vocoder to waves."""
    model, device = endless(task), task.device.type
    text, embedding = batch(size, symbols, device=device).text, task.tts.table.weight[:size].detach()

    def speak() -> Tensor | Spectra:
        output = model.synthesize(text, embedding)
        return vocoder(output.spectra) if vocoder else output.spectra

    return median(speak, rounds, device)


def report(device: str, rounds: int, only: str | None) -> None:
    """Measure and print everything on one device."""
    print(f"\n{device}: {torch.cuda.get_device_name() if device == 'cuda' else f'{torch.get_num_threads()} threads'}")
    products = ceilings(rounds, device)
    task = random_task(device)
    if only != "training":
        print(f"ceiling, decoding: {reading(task, rounds) * 1e3:.2f} ms a step for reading convolution weights")
        for size in (1, 16):
            print(f"decoding, batch {size}: {decoding(task, size, 100, rounds) * 1e3:.2f} ms a step", flush=True)
        vocoder = task.tts.griffin_lim()
        for size, symbols in ((1, 40), (1, 80), (1, 160), (1, 320), (1, 640), (16, 80)):
            spoken = size * symbols * FRAMES_PER_SYMBOL * HOP / RATE
            alone, whole = (speaking(task, size, symbols, rounds, v) for v in (None, vocoder))
            print(
                f"{size:2d} x {symbols:3d} symbols, {spoken:5.2f} s: to spectrogram {alone:.3f} s "
                f"({alone / spoken:.4f} of real time), to wave {whole:.3f} s ({whole / spoken:.4f})",
                flush=True,
            )
        print(f"memory, speaking: {memory(device):.2f} GiB at most")
    if only != "speaking":
        for size in (16, 64, 256) if device == "cuda" else (16,):
            for name, kind in KINDS.items():
                taken, work = training(task, batch(size, device=device), kind, rounds)
                print(
                    f"training step, {name}, batch {size}: {taken:.3f} s ({1 / taken:.2f} a second), {work:.0f} GFLOP, "
                    f"{work / taken:.0f} GFLOP/s, {work / taken / products[name]:.0%} of the matrix product",
                    flush=True,
                )
        print(f"memory, training: {memory(device):.2f} GiB at most")


def first_words(run: str, rounds: int) -> None:
    """Print the latency of a trained model that streams some sentences."""
    cloner = Cloner.load(run)
    voice = Voice(cloner.tts.table.weight[0].detach(), "table", cloner.tts_fingerprint, 1)

    def first() -> float:
        started = time.perf_counter()
        parts = cloner.stream(TEXT, voice)
        next(parts)
        taken = time.perf_counter() - started
        list(parts)
        return taken

    cold, *later = [first() for _ in range(1 + rounds)]
    warm, whole = statistics.median(later), median(lambda: list(cloner.stream(TEXT, voice)), rounds)
    spoken = len(cloner.say(TEXT, voice).wave) / cloner.sample_rate
    print(
        f"streaming {spoken:.1f} s of {run}: first audio after {warm:.3f} s ({cold:.2f} s in a new process, "
        f"which loads the lexicon), all after {whole:.3f} s ({whole / spoken:.3f} of real time)"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", choices=["training", "speaking"])
    parser.add_argument("--model", help="folder of a run: measure the latency of streaming")
    parser.add_argument("--profile", action="store_true", help="print a profile of the CPU")
    options = parser.parse_args()
    task = random_task()
    weights = sum(weight.numel() for weight in task.tts.model.parameters()) / 1e6
    print(f"torch {torch.__version__}; {weights:.2f} M parameters, {task.tts.table.weight.shape[1]} per embedding")
    if options.model:
        first_words(options.model, options.rounds)
    for device in ("cpu", *(["cuda"] if torch.cuda.is_available() else [])):
        report(device, options.rounds, options.only)
    if options.profile:
        with profile(activities=[ProfilerActivity.CPU]) as profiled:
            if options.only != "speaking":
                training(task, batch(), torch.float32, 1)
            if options.only != "training":
                speaking(task, 1, 80, 3, task.tts.griffin_lim())
        print(profiled.key_averages().table(sort_by="self_cpu_time_total", row_limit=25, max_name_column_width=50))


if __name__ == "__main__":
    main()
