"""Sound files that lie about their length, were cut off, or are no files at all."""

import io
import math
import os
import resource
import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch
from numpy.typing import NDArray

from lightning_vc.audio.decoding import decode, read_into
from lightning_vc.audio.io import read

RATE = 16000
CODINGS = {
    ".wav": ("WAV", "PCM_16"),
    ".flac": ("FLAC", "PCM_16"),
    ".ogg": ("OGG", "VORBIS"),
    ".opus": ("OGG", "OPUS"),
    ".mp3": ("MP3", "MPEG_LAYER_III"),
}


def noise(seconds: float) -> NDArray[np.float32]:
    """(W,) of a tone in noise, with a second half that has other sound than the first."""
    time = np.arange(round(seconds * RATE)) / RATE
    hiss = np.random.default_rng(0).standard_normal(len(time)) * np.where(time < seconds / 2, 0.001, 0.1)
    return (0.3 * np.sin(2 * np.pi * 220 * time) + hiss).astype(np.float32)


def encoded(samples: NDArray[np.float32], container: str, coding: str, **options: Any) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, samples, RATE, format=container, subtype=coding, **options)
    return file.getvalue()


def wav(riff: int, data: int, samples: bytes, rate: int = RATE, channels: int = 1) -> bytes:
    """A WAV of 16 bits, whose header declares any lengths."""
    form = struct.pack("<HHIIHH", 1, channels, rate, 2 * rate * channels % 2**32, 2 * channels, 16)
    return struct.pack("<4sI8sI", b"RIFF", riff, b"WAVEfmt ", 16) + form + struct.pack("<4sI", b"data", data) + samples


def flac_of(frames: int) -> bytes:
    """Ten seconds of FLAC whose header declares any number of samples."""
    content = bytearray(encoded(noise(10), "FLAC", "PCM_16"))
    [fields] = struct.unpack_from(">Q", content, 18)  # rate, channels, bits; 36 bits of length
    struct.pack_into(">Q", content, 18, fields >> 36 << 36 | frames)
    return bytes(content)


def with_last_page(content: bytes, flags: int | None = None, granule: int | None = None) -> bytes:
    """An Ogg file whose last page has other flags or another position, and the checksum that belongs to them."""
    start = content.rindex(b"OggS")
    page = bytearray(content[start:])
    if flags is not None:
        page[5] = flags
    if granule is not None:
        struct.pack_into("<q", page, 6, granule)
    page[22:26] = bytes(4)
    checksum = 0
    for byte in page:
        checksum ^= byte << 24
        for _ in range(8):
            checksum = (checksum << 1 ^ (0x04C11DB7 if checksum >> 31 else 0)) & 0xFFFFFFFF
    struct.pack_into("<I", page, 22, checksum)
    return content[:start] + bytes(page)


def without_table(mp3: bytes) -> bytes:
    """An MP3 without its first frame, which holds the number of frames."""
    return mp3[mp3.index(mp3[:2], 40) :]


@pytest.mark.parametrize("suffix", CODINGS)
@pytest.mark.parametrize("part", [0.2, 0.5, 0.9])
def test_truncated_files_are_refused(tmp_path: Path, suffix: str, part: float) -> None:
    whole = encoded(noise(10), *CODINGS[suffix])
    path = tmp_path / f"clip{suffix}"
    path.write_bytes(whole)
    assert len(decode(path)[0]) == 10 * RATE
    path.write_bytes(whole[: round(part * len(whole))])
    with pytest.raises(ValueError, match=rf"clip{suffix} (is cut off: only \d\.\d s of it are there|cannot be read)"):
        decode(path)


@pytest.mark.parametrize(("suffix", "granule"), [(".ogg", None), (".opus", 96480)])  # opus: whole packets
def test_an_ogg_that_android_recorded_has_no_end_flag(suffix: str, granule: int | None) -> None:
    content = encoded(noise(2), *CODINGS[suffix])
    assert content[content.rindex(b"OggS") + 5] == 4
    content = with_last_page(content, flags=0, granule=granule)
    assert len(decode(io.BytesIO(content))[0]) == pytest.approx(2 * RATE, abs=0.03 * RATE)


@pytest.mark.parametrize("suffix", [".ogg", ".opus"])
def test_an_ogg_of_several_recordings_is_refused(suffix: str) -> None:
    content = encoded(noise(2), *CODINGS[suffix])
    with pytest.raises(ValueError, match=r"only its first 2\.0 s can be decoded, \d+ of \d+ bytes: convert it to wav"):
        decode(io.BytesIO(content + content))


def test_an_mp3_without_its_number_of_frames() -> None:
    constant = without_table(
        encoded(noise(10), "MP3", "MPEG_LAYER_III", bitrate_mode="CONSTANT", compression_level=0.5)
    )
    assert len(decode(io.BytesIO(constant))[0]) == pytest.approx(10 * RATE, abs=0.2 * RATE)
    half = decode(io.BytesIO(constant[: len(constant) // 2]))[0]  # nothing tells that there was more
    assert len(half) == pytest.approx(5 * RATE, abs=0.2 * RATE)
    backwards = encoded(noise(10)[::-1], *CODINGS[".mp3"], bitrate_mode="VARIABLE")
    with pytest.raises(ValueError, match=r"only its first \d\.\d s can be decoded"):  # libsndfile guesses too few
        decode(io.BytesIO(without_table(backwards)))


@pytest.mark.parametrize(
    ("riff", "data"),
    [
        (36, 0),  # the recorder was killed
        (0, 0),
        (36 + 2 * RATE, 0),
        (0xFFFFFFFF, 0xFFFFFFFF),  # ffmpeg to a pipe
        (0xFFFFFFFF, 0),
        (0x7FFFF024, 0x7FFFF000),  # sox to a pipe
        (0x80000024, 0x80000000),
        (0, 2 * RATE),
    ],
)
def test_a_wav_that_was_streamed_is_read(tmp_path: Path, riff: int, data: int) -> None:
    samples = (noise(1) * 32767).astype("<i2")
    (tmp_path / "a.wav").write_bytes(wav(riff, data, samples.tobytes()))
    for file in (tmp_path / "a.wav", io.BytesIO((tmp_path / "a.wav").read_bytes())):
        channels, rate = decode(file)
        assert (channels.shape, rate) == ((RATE, 1), RATE)
        assert np.array_equal(channels[:, 0].numpy() * 32768, samples)


@pytest.mark.parametrize("after", [b"", b"LIST\x04\0\0\0INFO"])
def test_a_wav_without_samples_is_empty(after: bytes) -> None:
    with pytest.raises(ValueError, match="is empty: it holds no audio samples"):
        decode(io.BytesIO(wav(36 + len(after), 0, after)))


def test_a_flac_that_was_streamed_is_read(tmp_path: Path) -> None:
    (tmp_path / "a.flac").write_bytes(flac_of(0))
    channels, _ = decode(tmp_path / "a.flac")
    assert torch.equal(channels, decode(io.BytesIO(flac_of(10 * RATE)))[0])
    (tmp_path / "a.flac").write_bytes(flac_of(0)[:100_000])
    with pytest.raises(ValueError, match=r"a\.flac cannot be read as audio"):
        decode(tmp_path / "a.flac")


def liars(folder: Path) -> dict[str, str]:
    """Write files that ask for gigabytes; returns what is said of each."""
    xing = bytearray(encoded(noise(2), *CODINGS[".mp3"]))
    struct.pack_into(">I", xing, xing.index(b"Xing") + 8, 2**31 - 1)
    files = {  # content, zeros after it, message
        "rate.wav": (wav(3236, 3200, bytes(3200), rate=2**31 - 1), 0, "declares a sample rate of 2147483647 Hz"),
        "fast.wav": (wav(3236, 3200, bytes(3200), rate=768_001), 0, "declares a sample rate of 768001 Hz"),
        "slow.wav": (wav(3236, 3200, bytes(3200), rate=999), 0, "declares a sample rate of 999 Hz"),
        "frames.flac": (flac_of(2**36 - 1), 0, "is cut off"),
        "xing.mp3": (bytes(xing), 0, "is cut off"),
        "granule.ogg": (with_last_page(encoded(noise(2), *CODINGS[".ogg"]), granule=2**62), 0, "is cut off"),
        "granule.opus": (with_last_page(encoded(noise(2), *CODINGS[".opus"]), granule=2**62), 0, "is cut off"),
        "bomb.wav": (wav(0, 2**29, b"", 96000, 8), 2**29, " is longer than 174.763 s"),
        "wide.wav": (wav(0, 2**29, b"", 16000, 1024), 2**29, " is longer than 8.192 s"),
    }
    for name, (content, zeros, _) in files.items():
        (folder / name).write_bytes(content)
        os.truncate(folder / name, len(content) + zeros)  # takes no space on the disk
    return {name: message for name, (_, _, message) in files.items()}


@contextmanager
def one_more_gigabyte() -> Iterator[None]:
    """Let this process have a gibibyte of memory more than it has, and no more."""
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    before = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (used + 2**30, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)


@pytest.mark.usefixtures("printed")
def test_no_header_decides_how_much_memory_is_used(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, message in liars(tmp_path).items():
        with one_more_gigabyte():
            if " is longer than " in message:
                decode(tmp_path / name)
                assert capsys.readouterr().err.startswith(f"warning: {tmp_path / name}{message}: the rest is not used")
            else:
                with pytest.raises(ValueError, match=rf"{name} {message}"):
                    decode(tmp_path / name)


@pytest.mark.usefixtures("printed")
def test_of_a_long_recording_the_beginning_is_used(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    samples, rate = np.tile(noise(30)[::8], 121), RATE // 8  # an hour and half a minute
    soundfile.write(tmp_path / "talk.flac", samples, rate)
    channels, _ = decode(tmp_path / "talk.flac")
    assert np.allclose(channels[:, 0].numpy(), samples[: 600 * rate], atol=1e-4)
    [warning] = capsys.readouterr().err.splitlines()
    assert warning.startswith(f"warning: {tmp_path / 'talk.flac'} is longer than 600 s: the rest is not used")
    assert len(read(tmp_path / "talk.flac", rate, max_seconds=3700)) == len(samples)
    soundfile.write(tmp_path / "just.wav", samples[: 2 * rate], rate)
    assert len(decode(tmp_path / "just.wav", max_seconds=2)[0]) == 2 * rate
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("subtype", ["FLOAT", "DOUBLE"])
def test_samples_of_absurd_size_are_refused(tmp_path: Path, subtype: str) -> None:
    huge = r"a\.wav holds a sample of 1e\+20, where full scale is 1"
    odd = r"a\.wav holds samples that are NaN or infinite"
    for value, message in ((1e20, huge), (-1e20, huge), (math.nan, odd), (math.inf, odd), (-math.inf, odd)):
        soundfile.write(tmp_path / "a.wav", np.array([0.1, value, 0.2]), RATE, subtype=subtype)
        with pytest.raises(ValueError, match=message):
            decode(tmp_path / "a.wav")
    soundfile.write(tmp_path / "a.wav", np.array([0.1, -(2.0**31)]), RATE, subtype=subtype)  # integers as floats
    assert float(decode(tmp_path / "a.wav")[0].min()) == -(2.0**31)


@pytest.mark.parametrize(
    ("container", "coding"), [("AU", "G721_32"), ("WAV", "GSM610"), ("WAV", "NMS_ADPCM_16"), ("XI", "DPCM_16")]
)
def test_codings_that_cannot_seek_are_read(tmp_path: Path, container: str, coding: str) -> None:
    content = encoded(noise(1), container, coding)
    assert not soundfile.SoundFile(io.BytesIO(content)).seekable()
    (tmp_path / "a.snd").write_bytes(content)
    for file in (tmp_path / "a.snd", io.BytesIO(content)):
        assert len(decode(file)[0]) == pytest.approx(RATE, abs=120)  # whole blocks


@pytest.mark.parametrize("rate", [1000, 768_000])
def test_rates_of_recorders_are_read(tmp_path: Path, rate: int) -> None:
    soundfile.write(tmp_path / "a.wav", np.zeros(rate), rate)
    assert decode(tmp_path / "a.wav")[1] == rate
    assert len(read(tmp_path / "a.wav", RATE)) == RATE


NAMES = [b"clip\xff\xfe.wav", b"two\nlines.wav", b"\x1b[31mred.wav", "b\u0131d\u202e.wav".encode()]


@pytest.mark.parametrize("name", NAMES)
def test_files_of_any_name_are_read_and_named_in_one_line(tmp_path: Path, name: bytes) -> None:
    path = os.fsdecode(os.path.join(os.fsencode(tmp_path), name))
    Path(path).write_bytes(encoded(noise(0.1), "WAV", "PCM_16"))
    assert len(decode(path)[0]) == RATE // 10
    Path(path).write_bytes(b"no sound")
    with pytest.raises(ValueError, match="cannot be read as audio") as refusal:
        decode(path)
    assert str(refusal.value).isprintable()
    with pytest.raises(FileNotFoundError, match="no such recording") as missing:
        decode(path + ".gone")
    assert str(missing.value).isprintable()


def test_pipes_and_sockets_are_refused_without_waiting(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.wav")
    for path in (tmp_path / "pipe.wav", "/dev/zero"):
        with pytest.raises(ValueError, match="is not a file: name one recording; save the output of a pipe"):
            decode(path)
    ours, theirs = socket.socketpair()
    reader, writer = os.pipe()
    with ours, theirs, open(writer, "wb"), open(reader, "rb") as pipe, ours.makefile("rb") as connection:
        for file in (pipe, connection):
            with pytest.raises(ValueError, match="cannot seek, as pipes and sockets cannot: save the recording"):
                decode(file)


@pytest.mark.parametrize("wrong", [torch.zeros(10), np.zeros(10), [0.0], b"RIFF", None, 3, io.StringIO("text")])
def test_samples_are_no_path(wrong: Any) -> None:
    message = rf"must be a path or an open binary file, not {type(wrong).__name__}: write samples to a file by"
    with pytest.raises(TypeError, match=message):
        decode(wrong)


def test_an_open_file_is_read_from_its_beginning_and_left_open(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.flac", noise(1), RATE)
    for buffering in (0, -1):
        with open(tmp_path / "a.flac", "rb", buffering=buffering) as file:
            file.read(100)
            assert len(decode(file)[0]) == RATE
            assert not file.closed


def test_samples_are_read_into_their_place() -> None:
    samples = np.zeros(RATE, np.float32)
    read_into(io.BytesIO(encoded(noise(1), "FLAC", "PCM_16")), samples)
    assert np.allclose(samples, noise(1), atol=1e-4)
    for content, message in (
        (encoded(noise(0.5), "FLAC", "PCM_16"), "it holds 8000 samples of 1 channels, not 16000 of one"),
        (encoded(np.zeros((RATE, 2), np.float32), "FLAC", "PCM_16"), "it holds 16000 samples of 2 channels"),
        (encoded(np.full(RATE, np.nan, np.float32), "WAV", "FLOAT"), "it holds samples that are NaN or infinite"),
        (encoded(noise(1), "FLAC", "PCM_16")[:9000], r"it cannot be read as audio \("),
    ):
        with pytest.raises(ValueError, match=message):
            read_into(io.BytesIO(content), samples)
