"""A model that learns nothing and writes down which batches it was given."""

import json
from pathlib import Path

import torch
from lightning.pytorch import LightningModule, Trainer
from torch import Tensor

from lightning_vc.types import TTSBatch


class Listener(LightningModule):
    """Appends [epoch, ids] of each training batch to `train-<rank>.jsonl`, of each validation batch to `val-...`."""

    def __init__(self, out: str) -> None:
        super().__init__()
        self.out = Path(out)
        self.weight = torch.nn.Parameter(torch.zeros(()))

    def training_step(self, batch: TTSBatch, _: int) -> Tensor:
        self.note("train", batch.ids)
        return self.weight

    def validation_step(self, batch: TTSBatch, _: int) -> None:
        self.note("val", batch.ids)

    def note(self, stage: str, ids: list[str]) -> None:
        with (self.out / f"{stage}-{self.global_rank}.jsonl").open("a") as file:
            file.write(json.dumps([self.current_epoch, ids]) + "\n")

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=0.1)


def heard(out: Path, stage: str, rank: int = 0) -> list[tuple[int, list[str]]]:
    """What a `Listener` wrote down."""
    return [tuple(json.loads(line)) for line in (out / f"{stage}-{rank}.jsonl").read_text().splitlines()]


def trainer(out: Path, **options: object) -> Trainer:
    """A trainer that is quiet and keeps its files in `out`."""
    return Trainer(
        default_root_dir=out,
        accelerator="cpu",
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        **options,  # type: ignore[arg-type]
    )
