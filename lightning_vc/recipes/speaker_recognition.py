"""Train speaker recognition: a speaker classifier, whose embeddings also serve for speaker verification."""

from lightning.pytorch.cli import ArgsType

from lightning_vc.cli import VoiceCLI
from lightning_vc.data.speaker_recognition import SpeakerRecognitionDataModule
from lightning_vc.tasks.speaker_recognition import SpeakerRecognitionTask


def main(args: ArgsType = None) -> VoiceCLI:
    linked = (("data.speakers", "model.recognizer.init_args.speakers"), ("data.test_speakers", "model.test_speakers"))
    return VoiceCLI(
        SpeakerRecognitionTask, SpeakerRecognitionDataModule, args, verb="speaker_recognition", linked=linked
    )


if __name__ == "__main__":
    main()
