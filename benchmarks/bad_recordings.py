"""How far does a bad recording move the voice that an encoder hears? By noise, a telephone, a room.

    python benchmarks/bad_recordings.py SHARDS runs/mini/tts/last.ckpt runs/mini/encoder/last.ckpt other/last.ckpt

Each test and validation speaker is heard from five clips as they are, and from the same clips made worse. The table has
the distance between both voices, in parts of the mean distance between two speakers, and the share of the speakers who
are still nearest to their own voice.
"""

import argparse
from typing import Any

import torch
from torch.nn.utils.rnn import pad_sequence

from lightning_vc import Cloner
from lightning_vc.audio.augmentation import Augmentation
from lightning_vc.audio.loudness import level
from lightning_vc.data.index import Index
from lightning_vc.data.reading import clips_of

CLEAN = {"noise": 0.0, "phone": 0.0, "reverberation": 0.0}
WORSE: dict[str, dict[str, Any]] = {
    "noise, 20 dB": {"noise": 1.0, "snr": (20.0, 20.0)},
    "noise, 10 dB": {"noise": 1.0, "snr": (10.0, 10.0)},
    "telephone": {"phone": 1.0},
    "room": {"reverberation": 1.0},
    "noise, 10 dB, by telephone": {"noise": 1.0, "snr": (10.0, 10.0), "phone": 1.0},
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("shards")
    parser.add_argument("tts", help="checkpoint of the model")
    parser.add_argument("encoders", nargs="+", help="checkpoints of its encoders")
    options = parser.parse_args()
    index = Index.load(options.shards)
    clips = [
        [level(clip.wave(index.sample_rate)) for clip in clips_of(index, speaker.id)[:5]]
        for speaker in index.speakers_of("test", "validation")
    ]
    lengths = torch.tensor([[len(wave) for wave in own] for own in clips])  # (speakers, 5)
    waves = pad_sequence([wave for own in clips for wave in own], batch_first=True).view(*lengths.shape, -1)
    print(f"{len(clips)} speakers; distance, and share that stays nearest to the own voice")
    for path in options.encoders:
        cloner = Cloner(options.tts, path)
        clean = torch.stack([cloner.hear(own) for own in clips])  # (speakers, E)
        between = torch.pdist(clean, p=1).mean()
        for name, shares in WORSE.items():
            worsen = Augmentation(index.sample_rate, **CLEAN | shares)
            torch.manual_seed(0)
            spoilt = worsen(waves, lengths)
            heard = [
                cloner.hear([level(wave[:end]) for wave, end in zip(*each, strict=True)])
                for each in zip(spoilt, lengths, strict=True)
            ]
            apart = torch.cdist(torch.stack(heard), clean, p=1)  # (speakers, speakers)
            stay = float((apart.argmin(1) == torch.arange(len(clips))).float().mean())
            print(f"{path}  {name:27} {float(apart.diag().mean() / between):.2f}  {stay:.2f}", flush=True)


if __name__ == "__main__":
    main()
