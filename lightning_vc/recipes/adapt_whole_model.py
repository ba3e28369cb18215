"""Adapt to a held-out speaker by the whole model: voice and model are trained."""

from lightning.pytorch.cli import ArgsType

from lightning_vc.adapting import METHODS
from lightning_vc.cli import VoiceCLI
from lightning_vc.data.adaptation import AdaptationDataModule
from lightning_vc.tasks.adaptation import WholeModelAdaptationTask


def main(args: ArgsType = None) -> VoiceCLI:
    return VoiceCLI(
        WholeModelAdaptationTask,
        AdaptationDataModule,
        args,
        linked=(("model.frontend", "data.frontend"),),
        max_steps=METHODS["whole_model"].steps,
    )


if __name__ == "__main__":
    main()
