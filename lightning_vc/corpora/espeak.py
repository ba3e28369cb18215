"""espeak-ng through ctypes: text in, samples out.

The library and its data come with the pip package espeakng-loader (extra `demo`).
"""

import _ctypes
import ctypes
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

import torch
from torch import Tensor

_SYNCHRONOUS, _DONT_EXIT, _UTF8, _CHARACTERS, _RATE, _VOLUME = 2, 0x8000, 1, 1, 1, 2  # of speak_lib.h
_Callback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_int, ctypes.c_void_p)
_one_at_a_time = threading.Lock()  # the library works in global variables


def synthesize(text: str, voice: str, rate: int = 175) -> tuple[Tensor, int]:
    """Let espeak-ng say a text: (W,) float32 in [-1, 1] and its sample rate.

    `voice` is what a voice file of espeak-ng holds: lines such as `language en-us`, `pitch 82 118`, `formant 1 95 100
    100` (its docs/voices.md). The rate is in words a minute. Equal arguments give equal samples, whatever was said
    before. Raises ImportError without espeakng-loader, ValueError where nothing is said.
    """
    library, data = _paths()
    pieces: list[bytes] = []

    def collect(samples: int | None, count: int, _: int | None) -> int:
        if samples and count > 0:
            pieces.append(ctypes.string_at(samples, 2 * count))
        return 0

    with _one_at_a_time, TemporaryFile() as file, _fresh(library) as calls:
        sample_rate = int(calls.espeak_Initialize(_SYNCHRONOUS, 0, str(data).encode(), _DONT_EXIT))
        if sample_rate <= 0:
            raise RuntimeError(f"espeak-ng does not start with its data in {data}; reinstall espeakng-loader")
        calls.espeak_ng_SetRandSeed(ctypes.c_long(1))  # or breath and noise follow the clock
        callback = _Callback(collect)  # a name of its own: C holds only a bare pointer
        calls.espeak_SetSynthCallback(callback)
        file.write(voice.encode())
        file.seek(0)
        if calls.espeak_SetVoiceByFile(f"/dev/fd/{file.fileno()}".encode()) != 0:  # it takes short paths without "+"
            raise ValueError(f"espeak-ng does not load this voice:\n{voice}")
        for parameter, value in ((_RATE, rate), (_VOLUME, 50)):  # its own volume of 100 clips some voices
            calls.espeak_SetParameter(parameter, value, 0)
        spoken = text.encode()
        calls.espeak_Synth(spoken, ctypes.c_size_t(len(spoken) + 1), 0, _CHARACTERS, 0, _UTF8, None, None)
        calls.espeak_Terminate()
    sound = bytearray().join(pieces)
    if not any(sound):
        raise ValueError(f"espeak-ng has nothing to say for {text!r}: give a text with words")
    return torch.frombuffer(sound, dtype=torch.int16).float() / 32768, sample_rate


def voice_lines(name: str) -> list[str]:
    """The lines of one of espeak-ng's own voice files: "lang/gmw/en-US", "voices/!v/f2"."""
    file = _paths()[1] / name
    if not file.is_file():
        known = ", ".join(sorted(p.name for p in file.parent.iterdir())) if file.parent.is_dir() else "nothing"
        raise ValueError(f"espeak-ng has no voice file {file}: in that folder it has {known}")
    return file.read_text(encoding="utf-8").splitlines()


@contextmanager
def _fresh(path: Path) -> Iterator[Any]:
    """Load the library and unload it after use.

    Its pitch flutter and noise run on from one utterance to the next in static variables that nothing resets,
    Terminate and Initialize included; only a newly loaded library (0.5 ms) says the same words the same way.
    """
    calls = ctypes.CDLL(str(path))
    try:
        yield calls
    finally:
        _ctypes.dlclose(calls._handle)


def _paths() -> tuple[Path, Path]:
    try:
        import espeakng_loader
    except ImportError as error:
        raise ImportError(
            "generated voices need espeak-ng, which is not installed: pip install lightning_vc[demo]"
        ) from error
    return Path(espeakng_loader.get_library_path()), Path(espeakng_loader.get_data_path())
