"""Train a vocoder: mel spectrograms to waveforms."""

from lightning.pytorch.cli import ArgsType

from lightning_vc.cli import VoiceCLI
from lightning_vc.data.vocoder import VocoderDataModule
from lightning_vc.tasks.vocoder import VocoderTask


def main(args: ArgsType = None) -> VoiceCLI:
    return VoiceCLI(VocoderTask, VocoderDataModule, args, verb="vocoder")


if __name__ == "__main__":
    main()
