"""What is said in a recording that nobody transcribed.

PocketSphinx 5 recognises, with the English models that come in its wheel (BSD licence).
"""

from pocketsphinx import Decoder
from torch import Tensor

from lightning_vc.data.alignment import SAMPLE_RATE


class Recogniser:
    """English speech to words. What it hears does not depend on what it heard before."""

    def __init__(self) -> None:
        self.decoder = Decoder(samprate=SAMPLE_RATE, loglevel="FATAL")

    def __call__(self, wave: Tensor) -> str:
        """Words in lower case, separated by spaces, of (W,) samples at 16 kHz; "" where it hears none."""
        self.decoder.reinit_feat()  # it would go on with the noise of the recording before
        self.decoder.start_utt()
        self.decoder.process_raw((wave * 32767).short().numpy().tobytes(), full_utt=True)
        self.decoder.end_utt()
        return self.decoder.hyp().hypstr if self.decoder.hyp() else ""

    def knows(self, word: str) -> bool:
        """Whether the word is in its dictionary, so that it can hear it."""
        return self.decoder.lookup_word(word) is not None

    def choose(self, texts: list[str]) -> None:
        """From now on hear one of these texts, whichever comes nearest, in place of any words."""
        choices = " | ".join(texts)
        self.decoder.add_jsgf_string("texts", f"#JSGF V1.0; grammar texts; public <text> = {choices};")
        self.decoder.activate_search("texts")
