"""Progress of training as text: one changing line in a terminal, a line every half minute in a file."""

import sys
import time
from datetime import timedelta
from typing import Any

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import ProgressBar

_REFRESH = 0.25  # seconds between two changes of the line in a terminal


class StepProgressBar(ProgressBar):
    """Prints "step 150 of 3000, 1.9 steps/s, ETA 0:25:00, loss 0.31" to stderr; the pace includes validation.

    A terminal has one line, which changes. Where stderr is no terminal (nohup, Slurm), there is a line at the first
    step, then every `seconds`, and at the end.

    Args:
        seconds: least time between two lines of a file.
    """

    def __init__(self, seconds: float = 30.0) -> None:
        super().__init__()
        self.seconds, self.enabled = seconds, True

    def disable(self) -> None:
        """Print nothing, as Lightning requests on all ranks but the first."""
        self.enabled = False

    def enable(self) -> None:
        """Print again."""
        self.enabled = True

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Count the steps, and start the clock."""
        super().on_train_start(trainer, pl_module)
        total = trainer.estimated_stepping_batches
        self.total = total if total >= 0 else float("inf")
        self.first: tuple[float, int] | None = None  # time and number of the first step of this process
        self.printed, self.printed_step = float("-inf"), 0
        self.terminal = sys.stderr.isatty()

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Print the step, if the last line is old enough."""
        now = time.monotonic()
        self.first = self.first or (now, trainer.global_step)
        if now - self.printed >= (min(self.seconds, _REFRESH) if self.terminal else self.seconds):
            self._print(trainer, now)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Print the last step, unless it has been printed, and end the line of a terminal."""
        if self.printed_step < trainer.global_step:
            self._print(trainer, time.monotonic())
        if self.enabled and self.terminal:
            print(file=sys.stderr)

    def _print(self, trainer: Trainer, now: float) -> None:
        loss = trainer.callback_metrics.get("train/loss")
        text = self._text(trainer.global_step, now) + ("" if loss is None else f", loss {loss:.4g}")
        if self.enabled:
            start, end = ("\r\033[K", "") if self.terminal else ("", "\n")  # ESC [K clears the rest of the line
            print(f"{start}{text}", end=end, file=sys.stderr, flush=True)
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
