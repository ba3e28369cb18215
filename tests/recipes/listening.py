"""A callback for training in several processes."""

import json
from pathlib import Path

from lightning.pytorch import Callback, LightningModule, Trainer

from lightning_vc.types import CloningBatch, TTSBatch


class WriteIds(Callback):
    """Writes the ids of each training batch into `heard-<rank>.jsonl`."""

    def __init__(self, out: str) -> None:
        self.out = Path(out)

    def on_train_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: TTSBatch | CloningBatch, batch_idx: int
    ) -> None:
        ids = [id for group in batch.ids for id in ([group] if isinstance(group, str) else group)]
        with (self.out / f"heard-{trainer.global_rank}.jsonl").open("a") as file:
            file.write(json.dumps(ids) + "\n")
