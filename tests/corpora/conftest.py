"""Small corpora in the layouts in which the large ones are published."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

Write = Callable[..., Path]


@pytest.fixture
def write_sound() -> Write:
    """Give a function that writes a hum, with the folders above it; its sample rate can be chosen."""

    def write(path: Path, hertz: float = 220.0, sample_rate: int = 16000, seconds: float = 0.5) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        time = np.arange(int(sample_rate * seconds)) / sample_rate
        container, coding = {".opus": ("OGG", "OPUS"), ".flac": ("FLAC", "PCM_16"), ".wav": ("WAV", "PCM_16")}[
            path.suffix
        ]
        wave = 0.3 * np.sin(2 * np.pi * hertz * time)
        soundfile.write(path, wave, sample_rate, format=container, subtype=coding)
        return path

    return write


@pytest.fixture
def write_text() -> Write:
    """Give a function that writes lines, with the folders above the file."""

    def write(path: Path, *lines: str) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        return path

    return write
