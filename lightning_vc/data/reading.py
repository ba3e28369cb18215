"""From tar files to samples: the first stages of every pipeline, and what is broken in a shard, by name."""

import io
from collections.abc import Callable, Iterable, Iterator
from os import fstat
from typing import Any, BinaryIO

from webdataset.tariterators import group_by_keys

from lightning_vc.audio.io import read
from lightning_vc.data.fetch import local
from lightning_vc.data.index import LONGEST_SECONDS, Index, ShardFile
from lightning_vc.data.samples import BRING_AGAIN, Sample, largest_flac
from lightning_vc.data.splits import scattered

_BLOCK = 512  # bytes, of which a tar has whole ones
_ROUNDING = 0.01  # seconds by which the length of a sample may differ in the sum of a shard

Skip = Callable[[str, int], None]


def read_shards(shards: Iterable[ShardFile], cache: str | None = None, skip: Skip | None = None) -> Iterator[Sample]:
    """Samples of tar files, in their order: a stage of a pipeline.

    It does what `webdataset.tarfile_to_samples` does, but opens and walks the tar files itself. webdataset opens no
    local file where WDS_SECURE is set, does not limit downloads, and reads by tarfile, which takes unbounded memory for
    a sparse or compressed file, and a tenth of the time of decoding.

    Args:
        shards: on this machine or elsewhere.
        cache: folder in which copies of shards from elsewhere are kept.
        skip: told what is broken and how many samples that costs, which are then left out; the sound of each sample is
            decoded once more for that. What cannot be had at all is never left out: it may be there the next time.

    Raises:
        OSError: where a shard is not there or cannot be read.
        ValueError: where one cannot be fetched, or is broken and there is no `skip`, naming shard and sample.
    """
    for shard in shards:
        with local(shard.url, shard.shard.sha256, shard.shard.bytes, cache) as path, path.open("rb") as file:
            yield from _samples(shard, file, skip)


def _members(file: ShardFile, tar: BinaryIO, errors: list[Exception]) -> Iterator[dict[str, Any]]:
    """Files in a tar file as `group_by_keys` takes them; where it breaks they end, and the error is noted.

    A file that is larger than one of a sample can be is not read: a sparse tar file of a few bytes may declare it.
    """
    left, largest = fstat(tar.fileno()).st_size, largest_flac(round(LONGEST_SECONDS * file.sample_rate))
    try:
        while (header := tar.read(_BLOCK)).strip(b"\0"):  # zeros end a tar
            name = header[:100].rstrip(b"\0").decode("ascii", "replace")
            try:
                size, checksum = int(header[124:136].rstrip(b" \0"), 8), int(header[148:154], 8)
            except ValueError:
                raise ValueError("there is something that is no header of a tar") from None
            # The checksum is a sum in which its own eight bytes are blanks.
            if len(header) < _BLOCK or checksum != sum(header[:148]) + sum(header[156:]) + 8 * ord(" "):
                raise ValueError(f"the header of {name} is not what was written")
            left -= _BLOCK + size + -size % _BLOCK
            # A plain file with a short name (POSIX ustar), which is all that `prepare` writes
            plain = header[156:157] == b"0" and header[345:346] == b"\0" and name.endswith((".flac", ".json"))
            if not plain or left < 0 or not 0 <= size <= largest:
                raise ValueError(f"{name} of {size} bytes cannot be in it")
            yield {"fname": name, "data": tar.read(size), "__url__": file.url}
            tar.read(-size % _BLOCK)
    except ValueError as error:
        errors.append(error)


def _samples(file: ShardFile, tar: BinaryIO, skip: Skip | None) -> Iterator[Sample]:
    """Samples of one shard, in its turns; it is compared with what the index says of it."""
    shard = file.shard
    errors: list[Exception] = []
    keys: set[str] = set()
    taken, seconds, key, whole = 0, 0.0, "", file.step == 1

    def report(where: str, why: object, lost: int) -> None:
        message = f"{file.url} is broken {where} ({why})"
        if skip is None:
            raise ValueError(f"{message}; {BRING_AGAIN}")
        skip(message, lost)

    for files in group_by_keys(_members(file, tar, errors), handler=errors.append):  # which ends at an error
        number, key = len(keys), files["__key__"]
        repeated = key in keys
        keys.add(key)
        if number % file.step != file.first and not repeated:
            continue
        taken += 1
        try:
            if repeated:
                raise ValueError("it was there before")
            sample = Sample.decode(files, file.sample_rate)
            if skip:
                read(io.BytesIO(sample.flac), file.sample_rate, LONGEST_SECONDS)
        except ValueError as error:
            report(f"at sample {key}", error, 1)
            whole = False
            continue
        seconds += sample.seconds
        yield sample
    why = errors[0].args[0] if errors else ""
    if not why and len(keys) != shard.samples:
        why = f"it holds {len(keys)} samples, the index says {shard.samples}"
    if not why and whole and abs(seconds - shard.seconds) > _ROUNDING * shard.samples:
        why = f"it holds {seconds:.3f} seconds, the index says {shard.seconds}"
    if why:
        lost = len(range(file.first, shard.samples, file.step)) - taken
        report(f"after sample {key}" if keys else "from the beginning", why, max(0, lost))


def clips_of(index: Index, speaker: str, cache: str | None = None) -> list[Sample]:
    """All samples of one speaker, in a fixed order without meaning: the first n are the n clips to clone from.

    Raises ValueError for a speaker whom the index does not name.
    """
    entries = {entry.id: entry for entry in index.speakers}
    if speaker not in entries:
        heldout = ", ".join(entry.id for entry in index.speakers_of("test")) or "none"
        raise ValueError(f"{index.folder} has no speaker {speaker!r}; its test speakers are {heldout}")
    split = entries[speaker].split
    samples = read_shards(index.files(split, f"{split}-held"), cache)
    return sorted((each for each in samples if each.speaker.id == speaker), key=lambda each: scattered(each.id))


def apart(index: Index, samples: Iterable[Sample]) -> list[Sample]:
    """The first piece of each recording: two would be too easy a pair for speaker verification."""
    firsts: dict[str, Sample] = {}
    for sample in samples:
        firsts.setdefault(index.recording(sample.id), sample)
    return list(firsts.values())
