"""Fine-tune encoder and generative model together, from a trained one of each."""

from lightning.pytorch.cli import ArgsType

from lightning_vc.cli import VoiceCLI
from lightning_vc.data.joint import JointDataModule
from lightning_vc.tasks.joint import JointTask


def main(args: ArgsType = None) -> VoiceCLI:
    return VoiceCLI(JointTask, JointDataModule, args, linked=(("model.frontend", "data.frontend"),))


if __name__ == "__main__":
    main()
