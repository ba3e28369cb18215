from collections import Counter

import pytest

from lightning_vc.data.index import Index
from lightning_vc.data.judging import ClassifierDataModule, VerifierDataModule
from lightning_vc.data.reading import clips_of
from lightning_vc.data.shards import prepare
from lightning_vc.data.splits import Splits
from lightning_vc.data.utterance import Limits
from tests.data.tones import Tones


def ids(loader: object) -> list[str]:
    return [id for batch in loader for group in batch.ids for id in group]  # type: ignore[attr-defined]


@pytest.mark.parametrize("classes", ["test", "all"])
def test_a_classifier_never_hears_what_cloning_takes_nor_learns_what_it_is_measured_with(
    index: Index, classes: str
) -> None:
    data = ClassifierDataModule(index.folder, classes, clips=3, held=0.4, most=4, batch_size=4)  # type: ignore[arg-type]
    data.setup("fit")
    learnt, measured, tested = (
        ids(loader()) for loader in (data.train_dataloader, data.val_dataloader, data.test_dataloader)
    )
    test = [entry.id for entry in index.speakers_of("test")]
    kept = {clip.id for speaker in test for clip in clips_of(index, speaker)[:3]}
    assert len(kept) == 6
    assert not kept & {*learnt, *measured}
    assert not {*learnt} & {*measured}
    assert {id[:3] for id in tested} == {*test}
    assert {*tested} <= {*measured}
    everybody = sorted(entry.id for entry in index.speakers)
    assert data.speakers == (test if classes == "test" else everybody)
    assert set(Counter(id[:3] for id in learnt).values()) == {4}
    assert set(Counter(id[:3] for id in learnt)) == {*data.speakers}


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
    data = ClassifierDataModule(pieces.folder, clips=3, held=0.4, batch_size=4)
    data.setup("fit")
    learnt, measured = ids(data.train_dataloader()), ids(data.val_dataloader())
    kept = [clip.id for entry in pieces.speakers_of("test") for clip in clips_of(pieces, entry.id)[:3]]
    assert not recordings(kept) & recordings([*learnt, *measured])
    assert not recordings(learnt) & recordings(measured)
    trials = ids(VerifierDataModule(pieces.folder, 1, n_speakers=4).test_dataloader())
    assert len(recordings(trials)) == len(trials) == 16


def test_a_speaker_of_one_recording_is_no_class(pieces: Index) -> None:
    data = ClassifierDataModule(pieces.folder, clips=15, least=1)
    with pytest.raises(ValueError, match=r"what s.. of .* is all of one recording: raise least"):
        data.setup("fit")


def test_too_few_recordings_to_classify(index: Index) -> None:
    with pytest.raises(ValueError, match=r"no test speaker of .* has 9 recordings: take fewer clips"):
        ClassifierDataModule(index.folder, clips=7, least=2)
    with pytest.raises(ValueError, match=r"held is the share .* got 1"):
        ClassifierDataModule(index.folder, held=1)


def test_a_verifier_is_measured_with_speakers_whom_it_has_not_heard(index: Index) -> None:
    data = VerifierDataModule(index.folder, [1, 3], n_speakers=4)
    sets = {
        "train": data.train_dataloader(),
        "validation": data.val_dataloader(),
        "test": data.test_dataloader(),
    }
    for split, loader in sets.items():
        heard = {id[:3] for id in ids(loader)}
        assert heard
        assert heard <= {entry.id for entry in index.speakers_of(split)}
    assert {batch.waves.shape[1] for batch in sets["test"]} == {4}


def test_too_few_clips_to_verify(index: Index) -> None:
    with pytest.raises(ValueError, match="has not two test speakers with 9 clips"):
        VerifierDataModule(index.folder, 8).test_dataloader()
    with pytest.raises(ValueError, match=r"enrolled must be .* got \[\]"):
        VerifierDataModule(index.folder, [])
