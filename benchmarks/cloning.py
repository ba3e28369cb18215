"""Cost of each cloning method: Table 1 of the paper on this machine.

    python benchmarks/cloning.py runs/mini

One test speaker of the run is cloned by every method from 1, 2, 5 and 10 clips, and the clone says a sentence. Times
are medians; adaptation takes its default number of steps. Where that takes hours, `--steps 12` times a few steps and
extrapolates. Cost does not depend on what the model has learned, so a run of one training step is enough.

    python -m lightning_vc.recipes.run recipes/librispeech/recipe.yaml root=LIBRISPEECH dir=runs/untrained \
      sizes.paper.subsets=train-clean-5 sizes.paper.validation=3 sizes.paper.tts_steps=1 sizes.paper.encoder_steps=1 \
      --stages prepare,tts,encoder
    python benchmarks/cloning.py runs/untrained --steps 12
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TypeVar

from lightning_vc import Cloner
from lightning_vc.adaptation import METHODS
from lightning_vc.audio import io
from lightning_vc.data.index import Index
from lightning_vc.data.reading import clips_of

TEXT = "The friendly baker gave seven golden apples to the captain."
T = TypeVar("T")


def timed(work: Callable[[], T], rounds: int) -> tuple[T, float]:
    """The result of a function, and the median of its seconds."""
    times = []
    for _ in range(rounds):
        started = time.perf_counter()
        result = work()
        times.append(time.perf_counter() - started)
    return result, statistics.median(times)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", help="folder of a run, with tts, encoder and shards")
    parser.add_argument("--clips", type=int, nargs="+", default=[1, 2, 5, 10])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, help="time this number of adaptation steps, and extrapolate")
    options = parser.parse_args()
    cloner = Cloner.load(options.run)
    index = Index.load(Path(options.run, "shards"))
    speaker = index.speakers_of("test")[0].id
    samples = [sample for sample in clips_of(index, speaker) if sample.text][: max(options.clips)]
    if len(samples) < max(options.clips):
        parser.error(f"speaker {speaker} has {len(samples)} transcribed clips, --clips asks for {max(options.clips)}")
    weights = sum(weight.numel() for weight in cloner.tts.model.parameters())
    print(
        f"{options.run}: {weights / 1e6:.2f} M parameters; speaker {speaker}, {samples[0].seconds:.1f} s the first clip"
    )
    print("method       clips  sound, s  cloning, s  speaking, s  of real time  parameters  bytes of the voice")
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder, f"{number}.wav") for number in range(len(samples))]
        for path, sample in zip(paths, samples, strict=True):
            io.write(path, sample.wave(cloner.sample_rate), cloner.sample_rate)
        cloner.say(TEXT, cloner.clone(paths[:1], cloner.methods[0], [samples[0].text or ""], None))  # to warm up
        for method in cloner.methods:
            for clips in options.clips:
                texts = [sample.text or "" for sample in samples[:clips]]
                clone = partial(cloner.clone, paths[:clips], method, texts)
                if options.steps and method in METHODS:
                    clone(1)  # to warm up: the first adaptation takes longer than the next ones
                    _, one_step = timed(partial(clone, 1), options.rounds)
                    voice, all_steps = timed(partial(clone, 1 + options.steps), options.rounds)
                    if all_steps <= one_step:
                        parser.error(f"--steps {options.steps} are too few to measure their time: give more")
                    step = (all_steps - one_step) / options.steps
                    cloning = one_step + (METHODS[method].steps_for(clips, cloner.tts.model) - 1) * step
                else:
                    voice, cloning = timed(clone, options.rounds)
                voice.save(Path(folder, "voice.safetensors"))
                cloner.say(TEXT, voice)  # to warm up: loading a voice is not timed
                speech, speaking = timed(lambda: cloner.say(TEXT, voice), options.rounds)  # noqa: B023
                spoken = len(speech.wave) / speech.sample_rate
                numbers = voice.embedding.numel() + sum(value.numel() for value in voice.adapted_parameters.values())
                print(
                    f"{method:11} {clips:6} {voice.seconds:9.1f} {cloning:11.2f} {speaking:12.2f} "
                    f"{speaking / spoken:13.3f} {numbers:11} {Path(folder, 'voice.safetensors').stat().st_size:19}",
                    flush=True,
                )


if __name__ == "__main__":
    main()
