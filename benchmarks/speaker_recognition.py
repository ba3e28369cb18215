"""Equal error rates of our speaker embeddings and of Resemblyzer's, on the same trials of the test speakers.

    pip install 'lightning_vc[judges]' && pip install --no-deps resemblyzer
    python benchmarks/speaker_recognition.py SHARDS CHECKPOINT [--seconds 10] [--enrolled 1 5]

The recordings of each test speaker are enrolled in groups of `--enrolled`. A trial compares a recording with a group
that does not contain it. The first `--seconds` of each recording are used.
"""

import argparse
from collections.abc import Mapping

import torch
from resemblyzer import VoiceEncoder, preprocess_wav
from torch import Tensor

from lightning_vc.audio.io import resample
from lightning_vc.checkpoint import load_model
from lightning_vc.data.index import Index
from lightning_vc.data.reading import clips_of, first_pieces
from lightning_vc.metrics import equal_error_rate
from lightning_vc.modules.speaker_recognition import SpeakerRecognizer

MAX_CLIPS = 24  # per speaker
RATE = 16000  # sample rate of Resemblyzer in hertz


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("shards")
    parser.add_argument("checkpoint")
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--enrolled", type=int, nargs="+", default=[1, 5])
    options = parser.parse_args()
    index, recognizer = Index.load(options.shards), load_model(options.checkpoint, SpeakerRecognizer)
    longest = round(options.seconds * index.sample_rate)
    waves = {
        speaker.id: [
            clip.wave(index.sample_rate)[:longest]
            for clip in first_pieces(index, clips_of(index, speaker.id))[:MAX_CLIPS]
        ]
        for speaker in index.speakers_of("test")
    }
    encoder = VoiceEncoder("cpu", verbose=False)
    with torch.no_grad():
        ours = {
            speaker: torch.cat([recognizer.embed(wave[None], torch.tensor([len(wave)])) for wave in recordings])
            for speaker, recordings in waves.items()
        }
    theirs = {
        speaker: torch.stack([embedded(encoder, resample(wave, index.sample_rate, RATE)) for wave in recordings])
        for speaker, recordings in waves.items()
    }
    print("| enrolled | trials of same, of different speakers | ours | Resemblyzer |\n| --- | --- | --- | --- |")
    for count in options.enrolled:
        scored = [trials(embeddings, count) for embeddings in (ours, theirs)]
        rates = " | ".join(f"{100 * equal_error_rate(*pair):.2f} %" for pair in scored)
        same = scored[0][1]
        print(f"| {count} | {int(same.sum())}, {int((~same).sum())} | {rates} |", flush=True)


def trials(embeddings: Mapping[str, Tensor], count: int) -> tuple[Tensor, Tensor]:
    """Embeddings (n, E) of each speaker -> cosines of all trials, and whether each is of one speaker."""
    cosines, same = [], []
    for speaker, enrolment in embeddings.items():
        for group in range(len(enrolment) // count):
            enrolled = enrolment[group * count :][:count].mean(0)
            for test_speaker, tests in embeddings.items():
                outside = torch.ones(len(tests), dtype=torch.bool)
                if speaker == test_speaker:
                    outside[group * count :][:count] = False
                cosines.append(torch.cosine_similarity(enrolled[None], tests[outside]))
                same.append(torch.full((int(outside.sum()),), speaker == test_speaker))
    return torch.cat(cosines), torch.cat(same)


def embedded(encoder: VoiceEncoder, wave: Tensor) -> Tensor:
    """Resemblyzer's embedding of a recording at 16 kHz, (256,)."""
    trimmed = preprocess_wav(wave.numpy(), RATE)
    return torch.from_numpy(encoder.embed_utterance(trimmed if len(trimmed) else wave.numpy()))


if __name__ == "__main__":
    main()
