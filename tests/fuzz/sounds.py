"""Sound files of every kind, and what can be wrong with them. Each function yields names and contents."""

import io
import random
import struct
from collections.abc import Iterator

import numpy as np
import soundfile
from numpy.typing import NDArray

RATE = 16000
MAIN = {"wav": ("WAV", "PCM_16"), "flac": ("FLAC", "PCM_16"), "ogg": ("OGG", "VORBIS"), "opus": ("OGG", "OPUS"),
        "mp3": ("MP3", "MPEG_LAYER_III")}  # fmt: skip
_OTHERS = {"aiff": ("AIFF", "PCM_16"), "au": ("AU", "ULAW"), "caf": ("CAF", "ALAC_16"), "w64": ("W64", "PCM_16"),
           "gsm": ("WAV", "GSM610"), "adpcm": ("WAV", "IMA_ADPCM"), "float": ("WAV", "FLOAT"), "voc": ("VOC", "PCM_16"),
           "nist": ("NIST", "PCM_16"), "rf64": ("RF64", "PCM_16")}  # fmt: skip
_ODD = (0, 1, 2, 7, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)

Named = Iterator[tuple[str, bytes]]  # name without its number, content


def voiced(seconds: float = 3.0, rate: int = RATE, channels: int = 1) -> NDArray[np.float32]:
    """Something with the harmonics and syllables of a voice: (W,) or (W, channels)."""
    time = np.arange(int(seconds * rate)) / rate
    harmonics = sum(np.sin(2 * np.pi * 120 * n * time + n) / n for n in range(1, 25) if 120 * n < rate / 2)
    wave = (0.15 * harmonics * (0.55 + 0.45 * np.sin(2 * np.pi * 3 * time))).astype(np.float32)
    return wave if channels == 1 else np.stack([wave] * channels, 1)


def coded(kind: tuple[str, str], samples: NDArray[np.float32] | None = None, rate: int = RATE) -> bytes:
    """A whole file of a format and coding."""
    file = io.BytesIO()
    wave = voiced() if samples is None else samples
    with soundfile.SoundFile(file, "w", rate, 1 if wave.ndim == 1 else wave.shape[1], kind[1], format=kind[0]) as out:
        for start in range(0, len(wave), 65536):
            out.write(wave[start : start + 65536])
    return file.getvalue()


def whole(rng: random.Random) -> Named:
    """Every format and coding that soundfile writes, with one and with two channels."""
    for format in sorted(soundfile.available_formats().keys() - {"SD2"}):  # it writes a second file
        for coding in sorted(soundfile.available_subtypes(format)):
            for channels in (1, 2):
                rate = rng.choice([8000, 16000, 44100, 48000])
                try:
                    content = coded((format, coding), voiced(0.6, rate, channels), rate)
                except (soundfile.SoundFileError, ValueError):
                    continue  # not every coding exists for every rate and number of channels
                yield f"{format}-{coding}-{channels}.{format.lower()}", content


def usual(rng: random.Random) -> Named:
    """What everybody has: the formats that we write too, at the rates that phones and recorders have."""
    for suffix, kind in MAIN.items():
        for rate in (8000, 11025, 16000, 22050, 32000, 44100, 48000, 96000):
            if soundfile.check_format(*kind) and not (suffix in ("mp3", "opus") and rate in (11025, 22050, 96000)):
                if suffix == "opus" and rate not in (8000, 16000, 48000):
                    continue
                channels = rng.choice([1, 2])
                yield f"{rate}-{channels}.{suffix}", coded(kind, voiced(1.5, rate, channels), rate)


def cut(rng: random.Random) -> Named:
    """Files that end too early, as after a broken download."""
    for suffix, kind in MAIN.items():
        content = coded(kind)
        for _ in range(16):
            length = int(len(content) * rng.uniform(0.1, 0.8))
            yield f"cut-{length}.{suffix}", content[:length]


def stumps(rng: random.Random) -> Named:
    """The first bytes of a file, and less."""
    for suffix, kind in (MAIN | _OTHERS).items():
        content = coded(kind)
        for length in (0, 1, rng.randrange(2, 12), rng.randrange(12, 45), rng.randrange(45, 300)):
            yield f"stump-{length}.{suffix}", content[:length]


def flipped(rng: random.Random) -> Named:
    """Bits that changed, anywhere."""
    for suffix, kind in (MAIN | _OTHERS).items():
        content = coded(kind)
        for count in (1, 1, 3, 3, 10, 10, 50, 500):
            changed = bytearray(content)
            for _ in range(count):
                changed[rng.randrange(len(changed))] ^= 1 << rng.randrange(8)
            yield f"flips-{count}.{suffix}", bytes(changed)


def headers(rng: random.Random) -> Named:
    """Other numbers in the first hundred bytes, where headers have their fields."""
    for suffix, kind in (MAIN | _OTHERS).items():
        content = coded(kind)
        for _ in range(8):
            place, size = rng.randrange(4, 100), rng.choice([1, 2, 4])
            number = rng.choice(_ODD) % (1 << 8 * size)
            order = rng.choice(["little", "big"])
            changed = content[:place] + number.to_bytes(size, order) + content[place + size :]
            yield f"header-{place}-{number:x}.{suffix}", changed


def wav(
    rate: int = RATE, channels: int = 1, bits: int = 16, tag: int = 1, length: int | None = None,
    data: bytes | None = None, riff: int | None = None,
) -> bytes:  # fmt: skip
    """A WAV file whose header says what one wants."""
    data = (voiced() * 32767).astype("<i2").tobytes() if data is None else data
    align = channels * bits // 8 % 65536
    fields = struct.pack("<HHIIHH", tag, channels, rate, rate * align % (1 << 32), align, bits)
    chunks = b"fmt " + struct.pack("<I", 16) + fields + b"data"
    chunks += struct.pack("<I", len(data) if length is None else length) + data
    return b"RIFF" + struct.pack("<I", len(chunks) + 4 if riff is None else riff) + b"WAVE" + chunks


def flac(rate: int = RATE, total: int | None = None, channels: int = 1, bits: int = 16) -> bytes:
    """A FLAC file whose STREAMINFO says what one wants."""
    content = coded(MAIN["flac"])
    known = len(voiced()) if total is None else total
    packed = (rate % (1 << 20)) << 44 | (channels - 1) << 41 | (bits - 1) << 36 | known % (1 << 36)
    return content[:18] + packed.to_bytes(8, "big") + content[26:]


def ogg(kind: str, granule: int, which: str = "last") -> bytes:
    """An Ogg file that says of its last page, or of all, that it ends at a sample; its checksums hold."""
    pages = list(_pages(coded(MAIN[kind])))
    for number, page in enumerate(pages):
        if number == len(pages) - 1 or (which == "all" and number > 1):
            page[6:14] = struct.pack("<q", granule)
        page[22:26] = bytes(4)
        page[22:26] = struct.pack("<I", _crc(page))
    return b"".join(pages)


def _pages(content: bytes) -> Iterator[bytearray]:
    place = 0
    while place < len(content):
        segments = content[place + 26]
        size = 27 + segments + sum(content[place + 27 : place + 27 + segments])
        yield bytearray(content[place : place + size])
        place += size


def _remainder(byte: int) -> int:
    crc = byte << 24
    for _ in range(8):
        crc = (crc << 1 ^ 0x04C11DB7 if crc & 0x80000000 else crc << 1) & 0xFFFFFFFF
    return crc


_REMAINDERS = [_remainder(byte) for byte in range(256)]


def _crc(page: bytes) -> int:
    """The checksum of an Ogg page."""
    crc = 0
    for byte in page:
        crc = crc << 8 & 0xFFFFFFFF ^ _REMAINDERS[crc >> 24 ^ byte]
    return crc


def absurd(rng: random.Random) -> Named:
    """Headers with rates, channels and lengths that nobody records with."""
    for rate in (0, 1, 7, 100, 999, 768001, 10_000_000, 2**31 - 1, 2**31, 2**32 - 1, rng.randrange(2, 900)):
        yield f"rate-{rate}.wav", wav(rate=rate)
    for channels in (0, 3, 8, 255, 1024, 1025, 65535):
        yield f"channels-{channels}.wav", wav(channels=channels)
    for bits in (0, 1, 7, 8, 12, 31, 64, 65535):
        yield f"bits-{bits}.wav", wav(bits=bits)
    for tag in (0, 2, 3, 6, 0x55, 0x161, 0xFFFE, 0xFFFF):
        yield f"tag-{tag}.wav", wav(tag=tag)
    for length in (1, 2**31 - 2, 2**32 - 2, 96001, 95999):
        yield f"length-{length}.wav", wav(length=length)
    for rate in (0, 1, 999, 655350, 2**20 - 1):
        yield f"rate-{rate}.flac", flac(rate=rate)
    for total in (1, 2**31, 2**35, 2**36 - 1):
        yield f"total-{total}.flac", flac(total=total)
    for channels, bits in ((8, 16), (2, 16), (1, 4), (1, 24), (1, 32)):
        yield f"channels-{channels}-bits-{bits}.flac", flac(channels=channels, bits=bits)
    for kind in ("ogg", "opus"):
        for which in ("last", "all"):
            for granule in (-1, 0, 1, 2**31, 2**40, 2**62, 2**63 - 1, -(2**63)):
                yield f"granule-{granule}-{which}.{kind}", ogg(kind, granule, which)
    mp3 = coded(MAIN["mp3"])
    for size in (0, 1000, 2**28 - 1):
        packed = bytes(size >> shift & 0x7F for shift in (21, 14, 7, 0))
        yield f"id3-{size}.mp3", b"ID3\4\0\0" + packed + mp3
    place = max(mp3.find(b"Xing"), mp3.find(b"Info"))
    for frames in (0, 1, 2**31, 2**32 - 1):
        yield f"frames-{frames}.mp3", mp3[: place + 8] + struct.pack(">I", frames) + mp3[place + 12 :]


def samples(rng: random.Random) -> Named:
    """Files that are whole, with samples that are no sound."""
    wave = voiced(1.0)
    for coding in ("FLOAT", "DOUBLE"):
        for value in (1e20, 1e38, -3e38, 1e-40, float("inf"), float("-inf"), float("nan")):
            for count in (1, len(wave)):
                spoilt = wave.copy()
                spoilt[rng.sample(range(len(wave)), count)] = value
                yield f"{value}-{count}-{coding}.wav", coded(("WAV", coding), spoilt)
    yield "silent.wav", coded(MAIN["wav"], np.zeros(RATE, np.float32))
    yield "empty.wav", coded(MAIN["wav"], np.zeros(0, np.float32))
    yield "one.wav", coded(MAIN["wav"], np.ones(1, np.float32))
    yield "constant.wav", coded(MAIN["wav"], np.full(RATE, 0.5, np.float32))
    yield "clicks.wav", coded(MAIN["wav"], (np.arange(RATE) % 4000 == 0).astype(np.float32))
    yield "noise.wav", coded(MAIN["wav"], np.random.default_rng(0).normal(0, 0.2, RATE).astype(np.float32))
    yield "opposite.wav", coded(MAIN["wav"], np.stack([wave, -wave], 1))
    yield "many.wav", coded(MAIN["wav"], voiced(1.0, channels=64))


def other_files(rng: random.Random) -> Named:
    """What is no sound, whatever its name says."""
    contents = [
        b"%PDF-1.7\n", b"\x89PNG\r\n\x1a\n" + rng.randbytes(500), b"PK\3\4" + rng.randbytes(500), b"<html>" * 50,
        b"#!/bin/sh\ntouch canary\n", b"\x7fELF" + rng.randbytes(900), b"RIFF\0\0\0\0AVI LIST", b"OggS" + bytes(500),
        b"fLaC" + b"\xff" * 500, b"\xff\xfb" * 400, b"ID3" + b"\xff" * 300, b"FORM" + b"\xff" * 300, bytes(100_000),
        b"MThd" + bytes(50), b"\0\0\0 ftypM4A " + rng.randbytes(500), b"caff" + b"\xff" * 200, b".snd" + b"\xff" * 300,
        rng.randbytes(10), rng.randbytes(1000), rng.randbytes(100_000), "мир".encode() * 100,
    ]  # fmt: skip
    for content in contents:
        for suffix in rng.sample([*MAIN, "raw", "txt", "aiff"], 2):
            yield f"other.{suffix}", content
    for suffix, kind in MAIN.items():
        yield f"behind.{suffix}", coded(kind) + rng.randbytes(5000)
        yield f"before.{suffix}", rng.randbytes(500) + coded(kind)
        yield f"twice.{suffix}", coded(kind) * 2


def bombs(_: random.Random) -> Named:
    """Small files that are hours of sound."""
    silence = np.zeros((1 << 16, 8), np.float32)
    for name, kind, rate, channels, minutes in (
        ("hours.flac", MAIN["flac"], 16000, 1, 120),
        ("channels.flac", MAIN["flac"], 48000, 8, 15),
        ("minutes.opus", MAIN["opus"], 8000, 1, 11),
        ("minutes.ogg", MAIN["ogg"], 8000, 1, 11),
    ):
        file = io.BytesIO()
        with soundfile.SoundFile(file, "w", rate, channels, kind[1], format=kind[0]) as out:
            out.write(voiced(1.0, rate, channels))
            for _block in range(minutes * 60 * rate // len(silence)):
                out.write(silence[:, :channels])
        yield name, file.getvalue()
