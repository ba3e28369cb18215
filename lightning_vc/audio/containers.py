"""What sound files declare about their length, and whether they were cut off, where libsndfile does not tell.

Each function takes an open binary file of any content and leaves it at any position.
"""

import io
import os
import struct
from typing import BinaryIO

_UNKNOWN = 0x7FFFF000  # bytes: ffmpeg, sox and others declare so many or more in a WAV that they write to a pipe
_MAX_BYTES = 2**29  # that are read of a WAV without a length
_MAX_CHUNKS = 100  # of a WAV before its samples
_OGG_PAGE = 27 + 255 + 255 * 255  # bytes of the longest page
_MP3_TABLES = (b"Xing", b"Info", b"VBRI")  # one of these names stands before the number of frames


def with_length(stream: BinaryIO) -> BinaryIO:
    """Return the file itself; of a WAV whose recorder never replaced the length 0, a copy that libsndfile reads."""
    start, declared, held = _wav_data(stream)
    if declared or not held or _is_wav_chunk(stream, start):
        return stream
    stream.seek(0)
    content = bytearray(stream.read(_MAX_BYTES))
    content[start - 4 : start] = b"\xff" * 4  # unknown
    return io.BytesIO(content)


def missing_ratio(stream: BinaryIO) -> float:
    """Return the ratio of missing to present sample bytes of a WAV; 0 for other formats and unknown lengths."""
    _, declared, held = _wav_data(stream)
    return (declared - held) / held if 0 < held < declared < _UNKNOWN else 0.0


def last_page_is_incomplete(stream: BinaryIO) -> bool:
    """Return whether an Ogg file ends within a page, or within a packet that another page should continue.

    A missing end-of-stream flag does not tell: Android's recorder never sets it.
    """
    stream.seek(max(0, stream.seek(0, os.SEEK_END) - 2 * _OGG_PAGE))
    tail = stream.read()
    page = tail[max(0, tail.rfind(b"OggS")) :]
    if len(page) < 27:
        return True
    segments = page[27 : 27 + page[26]]
    end = 27 + page[26] + sum(segments)
    begins_another = end < len(page) and b"OggS".startswith(page[end : end + 4])
    return len(page) < end or segments[-1:] == b"\xff" or begins_another


def declares_mp3_frames(stream: BinaryIO) -> bool:
    """Return whether an MP3 file declares its number of frames; otherwise libsndfile guesses it."""
    stream.seek(0)
    head = stream.read(2**16)
    return any(table in head for table in _MP3_TABLES)


def _wav_data(stream: BinaryIO) -> tuple[int, int, int]:
    """Return where the samples of a WAV file start, and how many bytes are declared and held; zeros for other files."""
    size = stream.seek(0, os.SEEK_END)
    stream.seek(0)
    head = stream.read(12)
    if head[:4] == b"RIFF" and head[8:] == b"WAVE":
        start = len(head)
        for _ in range(_MAX_CHUNKS):
            stream.seek(start)
            name, declared = struct.unpack("<4sI", stream.read(8).ljust(8, b"\0"))
            start += 8
            if name == b"data":
                return start, declared, max(0, size - start)
            start += declared + declared % 2
    return 0, 0, 0


def _is_wav_chunk(stream: BinaryIO, start: int) -> bool:
    """Return whether a chunk starts there: four letters and a length that the file has room for."""
    size = stream.seek(0, os.SEEK_END)
    stream.seek(start)
    name, length = struct.unpack("<4sI", stream.read(8).ljust(8, b"\0"))
    return name.isascii() and name.decode("latin-1").isprintable() and start + 8 + length <= size
