"""Train the speaker encoder to predict, from recordings, the speaker embeddings of the acoustic model."""

from lightning.pytorch.cli import ArgsType

from lightning_vc.cli import VoiceCLI
from lightning_vc.data.cloning import CloningDataModule
from lightning_vc.tasks.speaker_encoder import SpeakerEncoderTask


def main(args: ArgsType = None) -> VoiceCLI:
    return VoiceCLI(
        SpeakerEncoderTask, CloningDataModule, args, verb="encoder", linked=(("pretrained.tts", "model.tts"),)
    )


if __name__ == "__main__":
    main()
