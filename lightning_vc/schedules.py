"""Learning rate schedules that torch does not have."""

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler


class NoamLR(LRScheduler):
    """Linear warm-up, then decay with the inverse square root of the step (Vaswani et al. 2017, equation 3).

    Scaled so that the peak is the learning rate of the optimizer, independent of the size of the model.

    Args:
        warmup_steps: steps until the peak.

    Raises:
        ValueError: if it is below 1.
    """

    def __init__(self, optimizer: Optimizer, warmup_steps: int = 4000) -> None:
        if warmup_steps < 1:
            raise ValueError(f"warmup_steps must be 1 or more, got {warmup_steps}")
        self.warmup_steps = warmup_steps
        super().__init__(optimizer)

    def get_lr(self) -> list[float]:  # type: ignore[override]  # its type includes tensors, which are not used here
        step = self.last_epoch + 1
        factor = min(step / self.warmup_steps, (self.warmup_steps / step) ** 0.5)
        return [rate * factor for rate in self.base_lrs]
