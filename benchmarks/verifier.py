"""How often a verifier of ours, and Resemblyzer, take two speakers for one, on the same trials.

    pip install 'lightning_vc[judges]' && pip install --no-deps resemblyzer
    python benchmarks/verifier.py SHARDS runs/mini/verifier/last.ckpt [--seconds 10] [--enrolled 1 5]

The recordings of each test speaker are enrolled in groups of so many, and each recording is tried against every group
that it is not in. Of a recording so many seconds are heard, from its start.
"""

import argparse

import torch
from resemblyzer import VoiceEncoder, preprocess_wav
from torch import Tensor

from lightning_vc.audio.io import resample
from lightning_vc.data.index import Index
from lightning_vc.data.reading import apart, clips_of
from lightning_vc.metrics import equal_error_rate
from lightning_vc.tasks.verifier import SpeakerVerifierTask

MOST = 24  # recordings of a speaker
RATE = 16000  # hertz that Resemblyzer hears


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("shards")
    parser.add_argument("checkpoint")
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--enrolled", type=int, nargs="+", default=[1, 5])
    options = parser.parse_args()
    index, task = Index.load(options.shards), SpeakerVerifierTask.load(options.checkpoint)
    longest = round(options.seconds * index.sample_rate)
    waves = {
        speaker.id: [
            clip.wave(index.sample_rate)[:longest] for clip in apart(index, clips_of(index, speaker.id))[:MOST]
        ]
        for speaker in index.speakers_of("test")
    }
    other = VoiceEncoder("cpu", verbose=False)
    voices = {
        speaker: [embedded(other, resample(wave, index.sample_rate, RATE)) for wave in own]
        for speaker, own in waves.items()
    }
    print("| enrolled | trials of one speaker, of two | this verifier | Resemblyzer |\n| --- | --- | --- | --- |")
    for count in options.enrolled:
        trials = [
            (speaker, group, tried, number)
            for speaker, own in waves.items()
            for group in range(len(own) // count)
            for tried, theirs in waves.items()
            for number in range(len(theirs))
            if not (speaker == tried and number // count == group)
        ]
        same = torch.tensor([speaker == tried for speaker, _, tried, _ in trials])
        known = [waves[speaker][group * count :][:count] for speaker, group, _, _ in trials]
        ours = task.verify(known, [waves[tried][number] for _, _, tried, number in trials])
        means = {
            (speaker, group): torch.stack(own[group * count :][:count]).mean(0)
            for speaker, own in voices.items()
            for group in range(len(own) // count)
        }
        theirs = torch.stack(
            [
                torch.cosine_similarity(means[speaker, group], voices[tried][number], 0)
                for speaker, group, tried, number in trials
            ]
        )
        rates = " | ".join(f"{100 * equal_error_rate(scores, same):.2f} %" for scores in (ours, theirs))
        print(f"| {count} | {int(same.sum())}, {int((~same).sum())} | {rates} |", flush=True)


def embedded(encoder: VoiceEncoder, wave: Tensor) -> Tensor:
    """What Resemblyzer makes of a recording at 16 kHz, (256,)."""
    trimmed = preprocess_wav(wave.numpy(), RATE)
    return torch.from_numpy(encoder.embed_utterance(trimmed if len(trimmed) else wave.numpy()))


if __name__ == "__main__":
    main()
