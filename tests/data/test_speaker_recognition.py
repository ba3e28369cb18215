from collections import Counter

import pytest

from lightning_vc.data.index import Index
from lightning_vc.data.reading import clips_of
from lightning_vc.data.shards import prepare
from lightning_vc.data.speaker_recognition import SpeakerRecognitionDataModule
from lightning_vc.data.splits import Splits
from lightning_vc.data.utterance import Limits
from tests.data.tones import Tones


def ids(loader: object) -> list[str]:
    return [id for batch in loader for group in batch.ids for id in group]  # type: ignore[attr-defined]


def test_nothing_is_trained_on_that_is_cloned_from_measured_with_or_of_validation_speakers(index: Index) -> None:
    data = SpeakerRecognitionDataModule(
        index.folder, cloning_clips=3, held_out=0.4, utterances_per_epoch=4, batch_size=4
    )
    data.setup("fit")
    learned, measured, tested = (
        ids(loader()) for loader in (data.train_dataloader, data.val_dataloader, data.test_dataloader)
    )
    test, validation = ([entry.id for entry in index.speakers_of(split)] for split in ("test", "validation"))
    kept = {clip.id for speaker in test for clip in clips_of(index, speaker)[:3]}
    assert len(kept) == 6
    assert not kept & {*learned, *measured}
    assert not {*learned} & {*measured}
    assert data.test_speakers == test
    assert {id[:3] for id in tested} == {*test}
    assert {*tested} <= {*measured}
    assert data.speakers == sorted(entry.id for entry in index.speakers_of("train", "test"))
    assert Counter(id[:3] for id in learned) == dict.fromkeys(data.speakers, 4)
    assert {id[:3] for id in measured} == {*data.speakers, *validation}
    assert Counter(id[:3] for id in measured)[validation[0]] == 8
    rows = {}
    for batch in data.val_dataloader():
        rows.update({id[:3]: row for (id,), row in zip(batch.ids, batch.speakers.tolist(), strict=True)})
    assert [*map(rows.get, data.speakers)] == [*range(8)]
    assert {rows[speaker] for speaker in validation} == {8, 9}


@pytest.fixture(scope="module")
def pieces(tmp_path_factory: pytest.TempPathFactory) -> Index:
    """As `index`, but each tone is in two pieces or three."""
    limits = Limits(min_seconds=0.1, split_seconds=0.5)
    splits = Splits(test=2, validation=2, held=0.25)
    return prepare(
        Tones(transcribed=False), tmp_path_factory.mktemp("pieces") / "shards", splits, limits, sample_rate=8000
    )


def test_pieces_of_one_recording_are_not_told_apart(pieces: Index) -> None:
    def recordings(ids: list[str]) -> set[str]:
        return {id.rpartition("_")[0] or id for id in ids}

    assert pieces.split > 0
    data = SpeakerRecognitionDataModule(pieces.folder, cloning_clips=3, held_out=0.4, batch_size=4)
    data.setup("fit")
    learned, measured = ids(data.train_dataloader()), ids(data.val_dataloader())
    kept = [clip.id for entry in pieces.speakers_of("test") for clip in clips_of(pieces, entry.id)[:3]]
    assert not recordings(kept) & recordings([*learned, *measured])
    assert not recordings(learned) & recordings(measured)
    validation = {entry.id for entry in pieces.speakers_of("validation")}
    trials = [id for id in measured if id[:3] in validation]
    assert len(recordings(trials)) == len(trials) == 16


def test_a_speaker_of_one_recording_is_no_class(pieces: Index) -> None:
    data = SpeakerRecognitionDataModule(pieces.folder, cloning_clips=15, min_utterances=1)
    with pytest.raises(ValueError, match=r"speaker s.. of .* has one recording only, .*: raise min_utterances"):
        data.setup("fit")


def test_too_few_recordings(index: Index, tmp_path_factory: pytest.TempPathFactory) -> None:
    with pytest.raises(ValueError, match=r"no test speaker of .* has 9 recordings: take fewer cloning_clips"):
        SpeakerRecognitionDataModule(index.folder, cloning_clips=7, min_utterances=2)
    with pytest.raises(ValueError, match=r"held_out is a share .* got 1"):
        SpeakerRecognitionDataModule(index.folder, held_out=1)
    alone = prepare(Tones(), tmp_path_factory.mktemp("alone") / "shards", Splits(test=2, validation=1, held=0.25))
    with pytest.raises(ValueError, match="has fewer than two validation speakers with two recordings each"):
        SpeakerRecognitionDataModule(alone.folder, cloning_clips=3)
