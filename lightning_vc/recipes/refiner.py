"""Train a refiner: predictions of an acoustic model to spectrograms with the detail of recordings."""

from lightning.pytorch.cli import ArgsType

from lightning_vc.cli import VoiceCLI
from lightning_vc.data.tts import TTSDataModule
from lightning_vc.tasks.refiner import RefinerTask


def main(args: ArgsType = None) -> VoiceCLI:
    linked = (
        ("pretrained.tts", "model.tts"),
        ("pretrained.vocoder", "model.vocoder"),
        ("pretrained.frontend", "data.frontend"),
    )
    return VoiceCLI(RefinerTask, TTSDataModule, args, verb="refiner", linked=linked)


if __name__ == "__main__":
    main()
