from collections import Counter

import pytest

from lightning_vc.data.index import Index
from lightning_vc.data.judging import ClassifierDataModule, VerifierDataModule
from lightning_vc.data.reading import clips_of


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


def test_too_few_recordings_to_classify(index: Index) -> None:
    with pytest.raises(ValueError, match=r"no test speaker of .* has 9 recordings: take fewer clips"):
        ClassifierDataModule(index.folder, clips=7)
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
