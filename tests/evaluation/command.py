"""The command line of an evaluation of a tiny model."""

from collections.abc import Sequence
from pathlib import Path

from tests.tiny import TinyRun

SENTENCES = ["The dog slept.", "Is <this> a cat & dog?"]


def evaluate_flags(run: TinyRun, out: Path, said: Sequence[str] = SENTENCES) -> list[str]:
    """Clone from one clip and from three; `said` is written to sentences.txt beside the folder."""
    out.mkdir(parents=True, exist_ok=True)
    sentences = out.parent / "sentences.txt"
    sentences.write_text("\n".join(said))
    flags = f"--model {run.folder} --shards {run.shards} --sentences {sentences} --out {out} --systems.clips=[1,3]"
    return flags.split()
