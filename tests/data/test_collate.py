import random
from dataclasses import replace
from functools import partial

import pytest
import torch
import webdataset as wds

from lightning_vc.data.cloning import CloningBatcher, crop
from lightning_vc.data.index import Index
from lightning_vc.data.reading import read_shards
from lightning_vc.data.samples import Sample
from lightning_vc.data.tts import TTSBatcher, collate_tts
from lightning_vc.text.frontend import Characters, Mixed
from lightning_vc.text.symbols import SYMBOLS
from lightning_vc.types import Speaker


@pytest.fixture(scope="module")
def samples(index: Index) -> list[Sample]:
    return list(read_shards(index.files("train")))


def test_sentences_are_decoded_and_padded(samples: list[Sample]) -> None:
    rows = {id: row for row, id in enumerate(sorted({sample.speaker.id for sample in samples}))}
    batch = collate_tts(samples[:7], Characters(), rows, 8000)
    assert batch.ids == [sample.id for sample in samples[:7]]
    assert batch.speakers.tolist() == [rows[sample.speaker.id] for sample in samples[:7]]
    assert batch.lengths.tolist() == [round(sample.seconds * 8000) for sample in samples[:7]]
    assert batch.waves.shape == (7, batch.lengths.max())
    for row, length, sample in zip(batch.waves, batch.lengths, samples, strict=False):
        assert torch.equal(row[:length], sample.wave(8000))
        assert not row[length:].any()
    for numbers, sample in zip(batch.text.tolist(), samples, strict=False):
        assert "".join(SYMBOLS[number] for number in numbers if number).removesuffix("<end>") == sample.text
        assert numbers[: len(sample.text or "") + 1].count(0) == 0


def test_times_of_symbols_where_they_are_known(samples: list[Sample]) -> None:
    rows = dict.fromkeys((sample.speaker.id for sample in samples), 0)
    output = sum(bool(word.phonemes) for word in samples[0].words or ())
    timed = replace(samples[0], spans=tuple((0.1 * i, 0.1 * i + 0.1) for i in range(output)))
    other = replace(samples[0], spans=((0.0, 0.1),) * (output + 1))
    batch = collate_tts([timed, samples[1], other], Characters(), rows, 8000)
    assert batch.times.shape == batch.text.shape
    assert torch.equal(~batch.times[0].isnan(), batch.text[0] != 0)
    times = batch.times[0, batch.text[0] != 0]
    assert (times.diff() >= 0).all()
    assert 0 < times[0] < times[-1] <= timed.seconds
    assert batch.times[1:].isnan().all()


def test_the_frontend_chooses_in_training_only(samples: list[Sample]) -> None:
    rows = dict.fromkeys((sample.speaker.id for sample in samples), 0)

    def text(seed: int | None) -> list[list[int]]:
        rng = None if seed is None else random.Random(seed)
        return collate_tts(samples[:7], Mixed(0.5), rows, 8000, rng).text.tolist()

    assert text(None) == text(None) != text(0) != text(1)
    assert text(0) == text(0)


def test_groups_of_clips_are_cut_and_padded(samples: list[Sample]) -> None:
    groups = [samples[:3], samples[3:6]]
    rows = {samples[0].speaker.id: 4, samples[3].speaker.id: 2}
    rows = {sample.speaker.id: 9 for sample in samples} | rows
    batch = CloningBatcher(rows, 8000, n_speakers=2, n_clips=(3,), max_seconds=1.0).collate(groups)
    assert batch.waves.shape[:2] == batch.lengths.shape == (2, 3)
    assert batch.waves.shape[2] == batch.lengths.max() <= 8000
    lengths = [[min(8000, round(sample.seconds * 8000)) for sample in group] for group in groups]
    assert batch.lengths.tolist() == lengths
    assert batch.speakers.tolist() == [rows[group[0].speaker.id] for group in groups]
    assert batch.ids == [[sample.id for sample in group] for group in groups]
    assert torch.equal(batch.waves[1, 2, : lengths[1][2]], crop(samples[5].wave(8000), 8000))


def test_crop_takes_the_middle_or_anything() -> None:
    wave = torch.arange(10)
    assert crop(wave, 4).tolist() == [3, 4, 5, 6]
    assert crop(wave, 20).tolist() == wave.tolist()
    starts = {int(crop(wave, 4, random.Random(seed))[0]) for seed in range(100)}
    assert starts == set(range(7))
    assert {len(crop(wave, 4, random.Random(seed))) for seed in range(20)} == {4}


def test_batchers_keep_the_samples_that_they_can_use() -> None:
    transcribed = Sample("a", Speaker("s"), "", (), None, 1.0, b"")
    untranscribed = Sample("b", Speaker("s"), None, None, None, 1.0, b"")
    other = Sample("c", Speaker("x"), "", (), None, 1.0, b"")
    tts = TTSBatcher(Characters(), {"s": 0}, 8000, batch_size=2)
    cloning = CloningBatcher({"s": 0}, 8000, n_speakers=2, n_clips=(1,), max_seconds=1.0)
    assert [tts.keep(sample) for sample in (transcribed, untranscribed, other)] == [True, False, False]
    assert [cloning.keep(sample) for sample in (transcribed, untranscribed, other)] == [True, True, False]


def test_padding_of_sentences_is_small(samples: list[Sample]) -> None:
    rows = dict.fromkeys((sample.speaker.id for sample in samples), 0)
    batcher = TTSBatcher(Characters(), rows, 8000, batch_size=4)
    batches = [
        batcher.collate(planned, None)
        for planned in wds.DataPipeline(partial(iter, samples), *batcher.stages(random.Random(0)))
    ]
    padded = sum(batch.waves.numel() for batch in batches)
    assert sum(len(batch.ids) for batch in batches) == len(samples)
    assert 1 - sum(int(batch.lengths.sum()) for batch in batches) / padded < 0.1  # more than 0.2 by chance
