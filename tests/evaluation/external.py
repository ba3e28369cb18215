"""Systems whose scores are known, for an evaluation to measure beside the clones."""

from collections.abc import Sequence
from pathlib import Path

import torch

from lightning_vc.audio import io
from lightning_vc.audio.conditioning import condition
from lightning_vc.corpora.generated import GeneratedCorpus

EXTERNAL = ("same", "shuffled", "silence", "noise")


def write_external(
    folder: Path, corpus: GeneratedCorpus, speakers: Sequence[str], sentences: Sequence[str]
) -> list[Path]:
    """The real speakers saying the sentences, under their own ids and another's; silence; and noise."""
    noise = torch.Generator().manual_seed(0)
    for speaker, other in zip(speakers, [*speakers[1:], speakers[0]], strict=True):
        for number, text in enumerate(sentences, 1):
            wave, others = (condition(corpus.say(who, text, 16000), 16000) for who in (speaker, other))
            hiss = 0.1 * torch.randn(len(wave), generator=noise)
            waves = {"same": wave, "shuffled": others, "silence": torch.zeros_like(wave), "noise": hiss}
            for name in EXTERNAL:
                io.write(folder / name / speaker / f"{number:02d}.wav", waves[name], 16000)
    return [folder / name for name in EXTERNAL]
