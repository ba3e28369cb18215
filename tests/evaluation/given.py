"""Sounds whose scores are known beforehand, for an evaluation to measure in the place of clones."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import torch

from lightning_vc.audio import io

GIVEN = ("real", "shuffled", "silence", "noise")

Figures = dict[tuple[str, str], float]


def given(evaluated: Path, folder: Path) -> Iterator[Path]:
    """The real voices saying the sentences, under their own names and another's; and what is no speech."""
    references = evaluated / "references"
    speakers = sorted(path.name for path in references.iterdir())
    noise = torch.Generator().manual_seed(0)
    for speaker, other in zip(speakers, speakers[1:] + speakers[:1], strict=True):
        shutil.copytree(references / speaker, folder / "real" / speaker)
        shutil.copytree(references / other, folder / "shuffled" / speaker)
        for path in (references / speaker).iterdir():
            wave = io.read(path, 16000)
            io.write(folder / "silence" / speaker / path.name, torch.zeros_like(wave), 16000)
            hiss = 0.1 * torch.randn(len(wave), generator=noise)
            io.write(folder / "noise" / speaker / path.name, hiss, 16000)
    yield from (folder / name for name in GIVEN)


def figures(evaluated: Path) -> Figures:
    results = json.loads((evaluated / "results.json").read_text())["results"]
    return {(each["voice"], each["measure"]): each["value"] for each in results}
