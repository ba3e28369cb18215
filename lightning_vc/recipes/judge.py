"""Let outside judges hear what stands in a manifest (`judge.tsv` of an evaluation): a line of JSON for each sound.

A line of the manifest is `sound <tab> recordings of the speaker, separated by ; <tab> text`, with - for none. Judges
come with the extra `judges`; which of them are absent is said on stderr.
"""

import json
import sys
from argparse import ArgumentParser
from collections.abc import Sequence
from pathlib import Path

from lightning_vc.audio import io
from lightning_vc.console import reported
from lightning_vc.evaluation.outside import RATE, absent, opinion, present
from lightning_vc.text.transcripts import read_lines


def main(args: Sequence[str] | None = None) -> None:
    parser = ArgumentParser(prog="python -m lightning_vc.recipes.judge", description=__doc__)
    parser.add_argument("manifest", type=Path)
    parser.add_argument("--texts", type=Path, help="file of all texts there are, one a line; default: the manifest's")
    options = parser.parse_args(args)
    with reported(parser):
        judge(options.manifest, options.texts)


def judge(manifest: Path, texts: Path | None = None) -> None:
    """Judge one sound after the other.

    Raises ValueError for a manifest without lines, a line that is none and a silent recording to compare with, OSError
    for missing files.
    """
    rows = _rows(manifest)
    for path in dict.fromkeys(each for _, others, _ in rows for each in others):
        if io.is_silent(io.read(path, RATE)):
            raise ValueError(
                f"{manifest}: recording {path} is silent, so nothing can be compared with it: leave it out"
            )
    for missing in absent():
        print(f"not installed, so not asked: {missing}", file=sys.stderr)
    judges = present(read_lines(texts) if texts else [text for *_, text in rows if text != "-"])
    for sound, others, text in rows:
        said = opinion(judges, Path(sound), others, text if text != "-" else None)
        print(json.dumps({"clip": sound, **said}), flush=True)


def _rows(manifest: Path) -> list[tuple[str, list[Path], str]]:
    """Sound, recordings and text of each line."""
    try:
        lines = manifest.read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError as error:
        raise ValueError(f"{manifest} is no text file: give a manifest in UTF-8") from error
    rows = [line.split("\t") for line in lines if line.strip()]
    if not rows:
        raise ValueError(f"{manifest} is empty: write a line of sound, recordings and text for each sound to judge")
    if odd := [row for row in rows if len(row) != 3]:
        raise ValueError(f"{manifest}: {odd[0]} is no line of sound, recordings and text, separated by tabs")
    return [
        (sound, [Path(each) for each in recordings.split(";")] if recordings != "-" else [], text)
        for sound, recordings, text in rows
    ]


if __name__ == "__main__":
    main()
