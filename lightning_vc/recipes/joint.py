"""Fine-tune a trained speaker encoder and a trained acoustic model jointly."""

from lightning.pytorch.cli import ArgsType

from lightning_vc.cli import VoiceCLI
from lightning_vc.data.cloning import JointDataModule
from lightning_vc.tasks.joint import JointTask


def main(args: ArgsType = None) -> VoiceCLI:
    linked = (
        ("pretrained.tts", "model.tts"),
        ("pretrained.encoder", "model.encoder"),
        ("pretrained.frontend", "data.frontend"),
    )
    return VoiceCLI(JointTask, JointDataModule, args, verb="joint", linked=linked)


if __name__ == "__main__":
    main()
