"""Adapt to a held-out speaker by low-rank changes: the voice is trained, and a thin change of each weight."""

from lightning.pytorch.cli import ArgsType

from lightning_vc.adapting import METHODS
from lightning_vc.cli import VoiceCLI
from lightning_vc.data.adaptation import AdaptationDataModule
from lightning_vc.tasks.adaptation import LowRankAdaptationTask


def main(args: ArgsType = None) -> VoiceCLI:
    return VoiceCLI(
        LowRankAdaptationTask,
        AdaptationDataModule,
        args,
        linked=(("model.frontend", "data.frontend"),),
        max_steps=METHODS["low_rank"].steps,
    )


if __name__ == "__main__":
    main()
