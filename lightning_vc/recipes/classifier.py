"""Train the classifier that judges clones: which of the speakers is heard."""

from lightning.pytorch.cli import ArgsType

from lightning_vc.cli import VoiceCLI
from lightning_vc.data.judging import ClassifierDataModule
from lightning_vc.tasks.classifier import SpeakerClassifierTask


def main(args: ArgsType = None) -> VoiceCLI:
    return VoiceCLI(SpeakerClassifierTask, ClassifierDataModule, args, linked=(("data.speakers", "model.speakers"),))


if __name__ == "__main__":
    main()
