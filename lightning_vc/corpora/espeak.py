"""Speech synthesis by espeak-ng through ctypes.

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

_SYNCHRONOUS, _DONT_EXIT, _UTF8, _CHARACTERS, _RATE, _VOLUME = 2, 0x8000, 1, 1, 1, 2  # constants of speak_lib.h
_Callback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_int, ctypes.c_void_p)
_lock = threading.Lock()  # the library has global state


def synthesize(text: str, voice: str, rate: int = 175) -> tuple[Tensor, int]:
    """Synthesise a text by espeak-ng: returns (W,) float32 in [-1, 1] and its sample rate.

    `voice` is the content of a voice file of espeak-ng: lines such as `language en-us`, `pitch 82 118`, `formant 1 95
    100 100` (see its docs/voices.md). `rate` is in words per minute. The output depends on the arguments only, not on
    earlier calls. Raises ImportError without espeakng-loader, ValueError if the output is silent.
    """
    library, data = _paths()
    pieces: list[bytes] = []

    def collect(address: int | None, count: int, _: int | None) -> int:
        if address and count > 0:
            pieces.append(ctypes.string_at(address, 2 * count))
        return 0

    with _lock, TemporaryFile() as file, _fresh(library) as calls:
        sample_rate = int(calls.espeak_Initialize(_SYNCHRONOUS, 0, str(data).encode(), _DONT_EXIT))
        if sample_rate <= 0:
            raise RuntimeError(f"espeak-ng does not start with its data in {data}; reinstall espeakng-loader")
        calls.espeak_ng_SetRandSeed(ctypes.c_long(1))  # otherwise seeded by the clock
        callback = _Callback(collect)  # this name keeps the callback alive: C stores a bare pointer
        calls.espeak_SetSynthCallback(callback)
        file.write(voice.encode())
        file.seek(0)
        if calls.espeak_SetVoiceByFile(f"/dev/fd/{file.fileno()}".encode()) != 0:  # only short paths without "+" work
            raise ValueError(f"espeak-ng does not load this voice:\n{voice}")
        for parameter, value in ((_RATE, rate), (_VOLUME, 50)):  # the default volume, 100, clips some voices
            calls.espeak_SetParameter(parameter, value, 0)
        encoded = text.encode()
        calls.espeak_Synth(encoded, ctypes.c_size_t(len(encoded) + 1), 0, _CHARACTERS, 0, _UTF8, None, None)
        calls.espeak_Terminate()
    samples = bytearray().join(pieces)
    if not any(samples):
        raise ValueError(f"espeak-ng produces silence for {text!r}: give a text with words")
    return torch.frombuffer(samples, dtype=torch.int16).float() / 32768, sample_rate


def voice_lines(name: str) -> list[str]:
    """Return the lines of a voice file of espeak-ng, such as "lang/gmw/en-US" or "voices/!v/f2"."""
    file = _paths()[1] / name
    if not file.is_file():
        files = ", ".join(sorted(p.name for p in file.parent.iterdir())) if file.parent.is_dir() else "nothing"
        raise ValueError(f"espeak-ng has no voice file {file}: its folder has {files}")
    return file.read_text(encoding="utf-8").splitlines()


@contextmanager
def _fresh(path: Path) -> Iterator[Any]:
    """Load the library and unload it after use.

    Pitch flutter and noise depend on static variables that not even Terminate and Initialize reset. Loading the library
    anew (0.5 ms) makes the output reproducible.
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
