"""Progress of training: a bar in a terminal, and a line every half minute where the output is a file."""

import sys
import time
from datetime import timedelta
from typing import Any

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import RichProgressBar
from rich import get_console
from rich.progress import BarColumn, ProgressColumn, TextColumn


class StepProgressBar(RichProgressBar):
    """Shows "step 150 of 3000, 1.9 steps/s, ETA 0:25:00" and the loss.

    The pace includes validation. Where stdout is no terminal (nohup, Slurm), training prints such a line to stderr at
    its first step, then every `seconds`, and at its end.

    Args:
        seconds: least time between two lines.
    """

    def __init__(self, seconds: float = 30.0) -> None:
        super().__init__(refresh_rate=4)
        self.seconds = seconds

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Print lines instead of a bar where there is no terminal."""
        super().setup(trainer, pl_module, stage)
        console = get_console()
        self.prints = trainer.is_global_zero and not (console.is_terminal or console.is_jupyter)
        if self.prints:
            self.disable()

    def configure_columns(self, trainer: Trainer) -> list[ProgressColumn]:
        """Description, and a bar of all steps or of a validation."""
        return [TextColumn("{task.description}"), BarColumn(bar_width=20)]

    def _get_train_description(self, current_epoch: int) -> str:
        """Nothing until the first step has its text, where Lightning shows "Epoch 0/-2"."""
        return ""

    @property
    def total_train_batches(self) -> int | float:
        """Steps of the whole training."""
        return self.total

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Count the steps, and start the clock."""
        super().on_train_start(trainer, pl_module)
        total = trainer.estimated_stepping_batches
        self.total = total if total >= 0 else float("inf")
        self.first: tuple[float, int] | None = None  # time and number of the first step of this process
        self.printed, self.printed_step = float("-inf"), 0

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Keep the bar, which does not begin again in each epoch."""

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Show or print the step."""
        now = time.monotonic()
        self.first = self.first or (now, trainer.global_step)
        if self.prints and now - self.printed >= self.seconds:
            self._print(trainer, now)
        if self.progress is None or self.is_disabled:
            return
        if self.train_progress_bar_id is None:
            self._initialize_train_progress_bar_id()
        text = self._text(trainer.global_step, now)
        bar = self.train_progress_bar.id
        self.progress.update(bar, completed=trainer.global_step, description=text)
        self._update_metrics(trainer, pl_module)
        self.refresh()

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Print the last step, unless it has been printed."""
        if self.prints and self.printed_step < trainer.global_step:
            self._print(trainer, time.monotonic())

    def _print(self, trainer: Trainer, now: float) -> None:
        loss = trainer.callback_metrics.get("train/loss")
        text = self._text(trainer.global_step, now)
        print(text if loss is None else f"{text}, loss {loss:.4g}", file=sys.stderr, flush=True)
        self.printed, self.printed_step = now, trainer.global_step

    def _text(self, step: int, now: float) -> str:
        """The step, and pace and remaining time from the second step of this process on."""
        text = f"step {step} of {self.total}" if self.total < float("inf") else f"step {step}"
        if self.first is None or step <= self.first[1] or now <= self.first[0]:
            return text
        pace = (step - self.first[1]) / (now - self.first[0])
        text += f", {pace:.1f} steps/s" if pace >= 1 else f", {1 / pace:.1f} s/step"
        left = self.total - step
        return f"{text}, ETA {timedelta(seconds=round(left / pace))}" if 0 < left < float("inf") else text

    def get_metrics(self, trainer: Trainer, pl_module: LightningModule) -> dict[str, Any]:
        """The loss alone: all its terms would fill the terminal."""
        metrics = super().get_metrics(trainer, pl_module)
        return {name: value for name, value in metrics.items() if name == "train/loss"}
