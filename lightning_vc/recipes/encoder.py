"""Train the speaker encoder: recordings to the speaker embeddings that the generative model has learned."""

from lightning.pytorch.cli import ArgsType

from lightning_vc.cli import PretrainedTTS, VoiceCLI
from lightning_vc.data.cloning import CloningDataModule
from lightning_vc.tasks.speaker_encoder import SpeakerEncoderTask


def main(args: ArgsType = None) -> VoiceCLI:
    linked = (("pretrained.tts", "model.tts"),)
    return VoiceCLI(SpeakerEncoderTask, CloningDataModule, args, pretrained=PretrainedTTS, linked=linked)


if __name__ == "__main__":
    main()
