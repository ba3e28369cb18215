"""Reading samples from tar files, with errors that name shard and sample."""

import io
from collections.abc import Callable, Iterable, Iterator
from os import fstat
from typing import Any, BinaryIO

from webdataset.tariterators import group_by_keys

from lightning_vc.audio.io import read
from lightning_vc.data.fetch import local_copy
from lightning_vc.data.index import LONGEST_SECONDS, Index, ShardFile
from lightning_vc.data.samples import COPY_AGAIN, Sample, largest_flac
from lightning_vc.data.splits import shuffle_key

_BLOCK = 512  # bytes of a block of a tar file
_ROUNDING = 0.01  # seconds per sample by which the duration of a shard may differ from the index

Skip = Callable[[str, int], None]


def read_shards(shards: Iterable[ShardFile], cache: str | None = None, skip: Skip | None = None) -> Iterator[Sample]:
    """Samples of tar files, in order: a stage of a pipeline.

    It replaces `webdataset.tarfile_to_samples`, which opens no local file if WDS_SECURE is set, does not limit
    downloads, and uses tarfile. tarfile takes unbounded memory for a sparse or compressed file, and reading headers by
    it takes a tenth of the time of decoding.

    Args:
        shards: local or remote.
        cache: folder that keeps copies of remote shards.
        skip: callback for damaged data, with a message and the number of lost samples, which are skipped; every sample
            is decoded once more for this check. If the end of a shard is damaged, all of its readers pass the same
            message and number. A shard that cannot be opened or fetched is an error nevertheless.

    Raises:
        OSError: if a shard does not exist or cannot be read.
        ValueError: if a shard cannot be fetched, or is damaged and `skip` is None; names shard and sample.
    """
    for shard in shards:
        with local_copy(shard.url, shard.shard.sha256, shard.shard.bytes, cache) as path, path.open("rb") as file:
            yield from _samples(shard, file, skip)


def _members(file: ShardFile, tar: BinaryIO, errors: list[Exception]) -> Iterator[dict[str, Any]]:
    """Files in a tar file as `group_by_keys` takes them; they end at the first error, which is appended to `errors`.

    Files that declare more bytes than a sample can have are not read, as a tar header may declare any size.
    """
    bytes_left, largest = fstat(tar.fileno()).st_size, largest_flac(round(LONGEST_SECONDS * file.sample_rate))
    try:
        while (header := tar.read(_BLOCK)).strip(b"\0"):  # a block of zeros ends a tar file
            name = header[:100].rstrip(b"\0").decode("ascii", "replace")
            try:
                size, checksum = int(header[124:136].rstrip(b" \0"), 8), int(header[148:154], 8)
            except ValueError:
                raise ValueError("it has an invalid tar header") from None
            # The checksum is the sum of the header's bytes, with spaces in place of the checksum itself.
            if len(header) < _BLOCK or checksum != sum(header[:148]) + sum(header[156:]) + 8 * ord(" "):
                raise ValueError(f"the checksum of the tar header of {name} differs")
            bytes_left -= _BLOCK + size + -size % _BLOCK
            # A plain file with a short name (POSIX ustar): `prepare` writes nothing else
            plain = header[156:157] == b"0" and header[345:346] == b"\0" and name.endswith((".flac", ".json"))
            if not plain or bytes_left < 0 or not 0 <= size <= largest:
                raise ValueError(f"{name} of {size} bytes is not a file that `prepare` writes")
            yield {"fname": name, "data": tar.read(size), "__url__": file.url}
            tar.read(-size % _BLOCK)
    except ValueError as error:
        errors.append(error)


def _samples(file: ShardFile, tar: BinaryIO, skip: Skip | None) -> Iterator[Sample]:
    """Samples of one shard, every `file.step`-th from `file.first`; the shard is compared with the index."""
    shard = file.shard
    errors: list[Exception] = []
    keys: set[str] = set()
    n_found, seconds, key, complete = 0, 0.0, "", file.step == 1

    def report(where: str, why: object, lost: int) -> None:
        message = f"{file.url} is broken {where} ({why})"
        if skip is None:
            raise ValueError(f"{message}; {COPY_AGAIN}")
        skip(message, lost)

    for files in group_by_keys(_members(file, tar, errors), handler=errors.append):  # ends at an error
        number, key = len(keys), files["__key__"]
        repeated = key in keys
        keys.add(key)
        n_found += 1
        if number % file.step != file.first and not repeated:
            continue
        try:
            if repeated:
                raise ValueError("it occurs twice")
            sample = Sample.decode(files, file.sample_rate)
            if skip:
                read(io.BytesIO(sample.flac), file.sample_rate, LONGEST_SECONDS)
        except ValueError as error:
            report(f"at sample {key}", error, 1)
            complete = False
            continue
        seconds += sample.seconds
        yield sample
    why = errors[0].args[0] if errors else ""
    if not why and len(keys) != shard.samples:
        why = f"it holds {len(keys)} samples, the index says {shard.samples}"
    if not why and complete and abs(seconds - shard.seconds) > _ROUNDING * shard.samples:
        why = f"it holds {seconds:.3f} seconds, the index says {shard.seconds}"
    if why:
        report(f"after sample {key}" if keys else "from the beginning", why, max(0, shard.samples - n_found))


def clips_of(index: Index, speaker: str, cache: str | None = None) -> list[Sample]:
    """All samples of one speaker, in a fixed pseudo-random order; to clone from n clips means the first n.

    Raises ValueError for a speaker that is not in the index.
    """
    entries = {entry.id: entry for entry in index.speakers}
    if speaker not in entries:
        test_speakers = ", ".join(entry.id for entry in index.speakers_of("test")) or "none"
        raise ValueError(f"{index.folder} has no speaker {speaker!r}; its test speakers are {test_speakers}")
    split = entries[speaker].split
    samples = read_shards(index.files(split, f"{split}-held"), cache)
    clips = [sample for sample in samples if sample.speaker.id == speaker]
    return sorted(clips, key=lambda sample: shuffle_key(sample.id))


def first_pieces(index: Index, samples: Iterable[Sample]) -> list[Sample]:
    """The first piece of each recording: two pieces of one are too easy a pair for speaker verification."""
    firsts: dict[str, Sample] = {}
    for sample in samples:
        firsts.setdefault(index.recording(sample.id), sample)
    return list(firsts.values())
