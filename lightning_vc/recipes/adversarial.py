"""Fine-tune the converter of a trained acoustic model with a discriminator."""

from lightning.pytorch.cli import ArgsType

from lightning_vc.cli import VoiceCLI
from lightning_vc.data.tts import TTSDataModule
from lightning_vc.tasks.adversarial import AdversarialTask


def main(args: ArgsType = None) -> VoiceCLI:
    linked = (
        ("pretrained.tts", "model.tts"),
        ("pretrained.encoder", "model.encoder"),
        ("pretrained.frontend", "data.frontend"),
    )
    return VoiceCLI(AdversarialTask, TTSDataModule, args, verb="adversarial", linked=linked)


if __name__ == "__main__":
    main()
