"""Clone voices with the model of the package: from your clips, or from clips of two voices of espeak-ng."""

from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

from lightning_vc.console import count, printable
from lightning_vc.verbs import call

TEXT = "Nobody has ever said this, and now my voice has."
_SPEAKERS, _CLIPS = ("f000", "m000"), 5


def demo(clips: list[str] | None = None, text: str = TEXT, out: str = "runs/demo") -> None:
    """Clone voices with the model of the package: from your clips, or from clips of two voices of espeak-ng.

    Args:
        clips: recordings of one speaker, in any usual format.
        text: the text to synthesise.
        out: folder to write to.
    """
    from lightning_vc.cloning import Cloner
    from lightning_vc.synthesis import write_speech

    cloner = Cloner.from_pretrained()
    cloner.check(text)
    voices = {"clone": list(map(Path, clips))} if clips else dict(generate_clips(Path(out), cloner.sample_rate))
    for name, recordings in voices.items():
        sound = Path(out, f"{name}.wav")
        write_speech(sound, cloner.say(text, cloner.clone(recordings)))
        print(printable(f"{sound}: {text!r} in the voice of {_named(recordings)}"))


def _named(clips: list[Path]) -> str:
    """Clips in a few words: the path of one, or the folder and number of several."""
    if len(clips) == 1:
        return str(clips[0])
    folders = {clip.parent for clip in clips}
    folder = folders.pop() if len(folders) == 1 else Path()
    return count(len(clips), "clip") + (f" of {folder}" if folder != Path() else "")


def generate_clips(folder: Path, sample_rate: int) -> Iterator[tuple[str, list[Path]]]:
    """Write clips of speakers of the generated corpus; yields ids and paths. ImportError without extra `demo`."""
    from lightning_vc.audio import io
    from lightning_vc.corpora.generated import GeneratedCorpus

    corpus = GeneratedCorpus(n_speakers=2, utterances=_CLIPS)
    for speaker in _SPEAKERS:
        utterances = (utterance for utterance in corpus if utterance.speaker.id == speaker)
        clips = []
        for number, utterance in enumerate(islice(utterances, _CLIPS), 1):
            clips.append(folder / "clips" / speaker / f"{number:02d}.wav")
            io.write(clips[-1], corpus.read(utterance, sample_rate), sample_rate)
        yield speaker, clips


def main(args: Sequence[str] | None = None) -> None:
    call(demo, args)


if __name__ == "__main__":
    main()
