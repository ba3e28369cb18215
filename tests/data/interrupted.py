"""A training that can be killed, as a program: python -m tests.data.interrupted SHARDS OUT RANKS WORKERS [KILL_AT]."""

import json
import os
import signal
import sys
from pathlib import Path

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor, nn

from lightning_vc.callbacks import LastCheckpoint
from lightning_vc.data.datamodule import Loading
from lightning_vc.data.tts import TTSDataModule
from lightning_vc.tasks.base import Losses, Task
from lightning_vc.text.frontend import Mixed
from lightning_vc.types import TTSBatch


class Noisy(Task):
    """The loudness of each recording from a random half of its samples: every step draws noise."""

    def __init__(self) -> None:
        super().__init__(lambda parameters: torch.optim.Adam(parameters, lr=0.1))
        self.gain = nn.Parameter(torch.ones(1))

    def loss(self, batch: TTSBatch) -> Losses:
        heard = nn.functional.dropout(batch.waves * self.gain, 0.5, self.training)
        return {"loss": (heard.square().mean(1) - batch.text.float().mean(1)).square().mean()}


class Witness(Callback):
    """Writes [epoch, step, ids, loss] of each step to `<rank>.jsonl`, and kills everything at a step."""

    def __init__(self, out: Path, kill_at: int) -> None:
        self.out, self.kill_at = out, kill_at

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: dict[str, Tensor], batch: TTSBatch, batch_idx: int
    ) -> None:
        step = trainer.global_step
        line = [trainer.current_epoch, step, batch.ids, outputs["loss"].item()]
        with (self.out / f"{trainer.global_rank}.jsonl").open("a") as file:
            file.write(json.dumps(line) + "\n")
        if step == self.kill_at and trainer.is_global_zero:  # has its line by now, whoever else has not
            os.killpg(0, signal.SIGKILL)


def main(shards: str, out: Path, ranks: int, workers: int, kill_at: int = 0) -> None:
    torch.manual_seed(3)
    torch.set_num_threads(1)
    resume = (out / "last.ckpt").exists()
    trainer = Trainer(
        default_root_dir=out,
        max_steps=16,
        accelerator="cpu",
        devices=ranks,
        strategy="ddp" if ranks > 1 else "auto",
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        callbacks=[LastCheckpoint(str(out), every_n_train_steps=2), Witness(out, kill_at)],
    )
    data = TTSDataModule(shards, Mixed(), batch_size=4, buckets=2, loading=Loading(workers, seed=3))
    trainer.fit(Noisy(), data, ckpt_path="last" if resume else None, weights_only=True)


if __name__ == "__main__":
    shards, out, *numbers = sys.argv[1:]
    main(shards, Path(out), *map(int, numbers))
