"""Whether a speaker encoder has collapsed to an average voice: pitch of clones against pitch of recordings.

    python benchmarks/average_voice.py SHARDS OUT.png runs/mini runs/mini/joint ...

The encoder of each run clones each test and validation speaker from five clips, and each clone says three sentences.
The pitch of clones follows that of the recordings, unless the encoder has collapsed: then it is the same for all.
"""

import argparse
from pathlib import Path

import torch
from matplotlib.figure import Figure

from lightning_vc import Cloner, Voice
from lightning_vc.audio.features import Spectrograms
from lightning_vc.audio.loudness import level
from lightning_vc.audio.pitch import LOWEST, HarmonicPitch
from lightning_vc.data.index import Index
from lightning_vc.data.reading import clips_of

TEXTS = [
    "The friendly baker gave seven golden apples to the captain.",
    "Two clever foxes slept under the bridge.",
    "We will sing an old song about the river.",
]


def pitch(wave: torch.Tensor, sample_rate: int) -> float:
    """Median fundamental frequency of the voiced frames of a wave (W,), in hertz."""
    window = round(0.064 * sample_rate)  # several periods of the lowest pitch
    spectrograms = Spectrograms(sample_rate, window, window, sample_rate // 100)
    linear = spectrograms(wave.unsqueeze(0)).linear
    mask = torch.ones(linear.shape[:2], dtype=torch.bool)
    octaves, voiced = HarmonicPitch(spectrograms.n_bins, sample_rate)(linear, mask)
    return float((LOWEST * 2 ** octaves[voiced]).median())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("shards")
    parser.add_argument("out")
    parser.add_argument("runs", nargs="+")
    options = parser.parse_args()
    index = Index.load(options.shards)
    figure = Figure(figsize=(4 * len(options.runs), 4), layout="constrained")
    for run, axes in zip(options.runs, figure.subplots(1, len(options.runs), squeeze=False)[0], strict=True):
        cloner = Cloner.load(run)
        real, cloned = [], []
        for speaker in index.speakers_of("test", "validation"):
            waves = [level(clip.wave(cloner.sample_rate)) for clip in clips_of(index, speaker.id)[:5]]
            voice = Voice(cloner.embed(waves), "encoder", cloner.tts_fingerprint, len(waves))
            spoken = [speech.wave for speech in cloner.say_all(TEXTS, voice)]
            real.append(pitch(torch.cat(waves), cloner.sample_rate))
            cloned.append(pitch(torch.cat(spoken), cloner.sample_rate))
        both = torch.tensor([real, cloned]).log2() * 12  # semitones
        slope = float(torch.cov(both)[0, 1] / both[0].var())
        spread = float(both[1].std() / both[0].std())
        print(f"{run}: pitch of clones against recordings: ratio of deviations {spread:.2f}, slope {slope:.2f}")
        axes.loglog([70, 300], [70, 300], color="lightgrey")
        axes.loglog(real, cloned, "o")
        axes.set(title=Path(run).name, xlabel="pitch of the recordings, Hz", ylabel="pitch of the clone, Hz")
        axes.set(xlim=(70, 300), ylim=(70, 300), aspect="equal")
    figure.savefig(options.out, dpi=80)


if __name__ == "__main__":
    main()
