import pytest
import torch

from lightning_vc.data.vocoder import VocoderDataModule
from tests.tiny import TinyRun


def test_pieces_are_of_train_speakers_and_of_one_length(tiny_run: TinyRun) -> None:
    data = VocoderDataModule(str(tiny_run.shards), batch_size=4, seconds=0.5)
    speakers = {split: {entry.id for entry in tiny_run.index.speakers_of(split)} for split in ("train", "validation")}
    for split, loader in (("train", data.train_dataloader()), ("validation", data.val_dataloader())):
        batches = list(loader)
        assert {id.rpartition("-")[0] for batch in batches for id in batch.ids} <= speakers[split]
        for batch in batches:
            assert batch.waves.shape == (len(batch.ids), 8000)
            assert (batch.lengths <= 8000).all()
            for wave, length in zip(batch.waves, batch.lengths, strict=True):
                assert wave[length:].eq(0).all()


def test_other_pieces_come_in_the_next_epoch_and_the_same_in_validation(tiny_run: TinyRun) -> None:
    data = VocoderDataModule(str(tiny_run.shards), batch_size=4, seconds=0.3)
    training, measuring = data.train_dataloader(), data.val_dataloader()
    first = torch.cat([batch.waves for batch in training])
    training.dataset.set_epoch(1)
    assert not torch.cat([batch.waves for batch in training]).equal(first)
    waves = [torch.cat([batch.waves for batch in measuring]) for _ in range(2)]
    assert waves[0].equal(waves[1])


def test_negative_lengths_are_refused(tiny_run: TinyRun) -> None:
    with pytest.raises(ValueError, match="seconds must be above 0, got 0"):
        VocoderDataModule(str(tiny_run.shards), seconds=0)
