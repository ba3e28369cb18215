"""Let outside judges hear what stands in a manifest (`judge.tsv` of an evaluation): a line of JSON for each sound.

A line of the manifest is `sound <tab> recordings of the speaker, separated by ; <tab> text`, with - for none. Judges
come with the extra `judges`; which of them are absent is said on stderr.
"""

import json
import sys
from argparse import ArgumentParser
from collections.abc import Sequence
from pathlib import Path

from lightning_vc.evaluation.outside import absent, opinion, present
from lightning_vc.text.transcripts import read_lines


def main(args: Sequence[str] | None = None) -> None:
    parser = ArgumentParser(prog="python -m lightning_vc.recipes.judge", description=__doc__)
    parser.add_argument("manifest", type=Path)
    parser.add_argument("--texts", type=Path, help="file of all texts there are, one a line; default: the manifest's")
    options = parser.parse_args(args)
    try:
        judge(options.manifest, options.texts)
    except (OSError, ValueError) as error:
        parser.error(str(error))


def judge(manifest: Path, texts: Path | None = None) -> None:
    """Judge one sound after the other; raises ValueError for a line that is none, OSError for missing files."""
    rows = [line.split("\t") for line in manifest.read_text(encoding="utf-8").splitlines() if line.strip()]
    if odd := [row for row in rows if len(row) != 3]:
        raise ValueError(f"{manifest}: {odd[0]} is no line of sound, recordings and text, separated by tabs")
    for missing in absent():
        print(f"not installed, so not asked: {missing}", file=sys.stderr)
    judges = present(read_lines(texts) if texts else [text for *_, text in rows if text != "-"])
    for sound, recordings, text in rows:
        others = [Path(each) for each in recordings.split(";")] if recordings != "-" else []
        said = opinion(judges, Path(sound), others, text if text != "-" else None)
        print(json.dumps({"clip": sound, **said}), flush=True)


if __name__ == "__main__":
    main()
