"""Train the verifier that judges clones: whether two speakers are one."""

from lightning.pytorch.cli import ArgsType

from lightning_vc.cli import VoiceCLI
from lightning_vc.data.judging import VerifierDataModule
from lightning_vc.tasks.verifier import SpeakerVerifierTask


def main(args: ArgsType = None) -> VoiceCLI:
    return VoiceCLI(SpeakerVerifierTask, VerifierDataModule, args, linked=(("data.speakers", "model.speakers"),))


if __name__ == "__main__":
    main()
