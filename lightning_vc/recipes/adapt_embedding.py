"""Adapt to a held-out speaker by embedding alone: the new voice is trained, the model is frozen."""

from lightning.pytorch.cli import ArgsType

from lightning_vc.adapting import METHODS
from lightning_vc.cli import VoiceCLI
from lightning_vc.data.adaptation import AdaptationDataModule
from lightning_vc.tasks.adaptation import EmbeddingAdaptationTask


def main(args: ArgsType = None) -> VoiceCLI:
    return VoiceCLI(
        EmbeddingAdaptationTask,
        AdaptationDataModule,
        args,
        linked=(("model.frontend", "data.frontend"),),
        max_steps=METHODS["embedding"].steps,
    )


if __name__ == "__main__":
    main()
