"""What an outside judge says of clones, and the table of it.

A judge is any program that is given the name of a manifest, `sound <tab> recordings of the speaker <tab> text` a line,
and prints a line of JSON for each sound: its path as `clip`, and numbers. `word_errors` and `words` become a rate.
"""

import hashlib
import json
import shlex
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from statistics import mean
from typing import Any

from rich.progress import Progress

from lightning_vc.evaluation.clones import ClonesFolder, Scores, cloned_by

Opinions = dict[Path, dict[str, float]]  # sound -> what was said of it


def command(judge: str) -> list[str]:
    """The words of a judge's command line; raises ValueError for one that cannot be started."""
    try:
        words = shlex.split(judge)
    except ValueError as error:
        raise ValueError(f"judge {judge!r} is no command line ({error})") from error
    if not words or shutil.which(words[0]) is None:
        raise ValueError(f"judge {judge!r} does not start: there is no such program")
    return words


def ask(judge: str, folder: Path, sentences: int | None = None) -> Opinions:
    """Let a judge hear what stands in a folder's judge.tsv; what it has heard already it is not asked again.

    Args:
        judge: its command line.
        folder: of an evaluation.
        sentences: of each voice the first so many, all if None.

    Raises:
        ValueError: for a judge that cannot be started, fails, or leaves out a sound.
    """
    lines = (folder / "judge.tsv").read_text(encoding="utf-8").splitlines()
    manifest = {Path(line.split("\t")[0]): line for line in lines}
    asked = [sound for sound in manifest if sentences is None or int(sound.stem) <= sentences]
    record = folder / "judged.jsonl"  # grows with each answer, so that a judge can be interrupted
    known = _heard(record)
    keys = {sound: _key(judge, sound) for sound in asked}
    left = [sound for sound in asked if keys[sound] not in known]
    if left:
        todo = folder / "judge-todo.tsv"
        todo.write_text("".join(f"{manifest[sound]}\n" for sound in left), encoding="utf-8")
        record.write_text("".join(f"{json.dumps({'key': key, **said})}\n" for key, said in known.items()), "utf-8")
        with record.open("a", encoding="utf-8") as file, Progress() as progress:
            task = progress.add_task("the judge listens", total=len(left))
            for answer in _answers(judge, todo):
                key = keys.get(Path(answer.pop("clip")))
                if key:
                    known[key] = answer
                    file.write(json.dumps({"key": key, **answer}) + "\n")
                    file.flush()
                    progress.advance(task)
        todo.unlink()
    if silent := [sound for sound in asked if keys[sound] not in known]:
        raise ValueError(f"judge {judge!r} says nothing of {silent[0]} and {len(silent) - 1} others")
    return {sound: known[keys[sound]] for sound in asked}


def write_table(path: Path, folder: ClonesFolder, scores: Sequence[Scores], opinions: Opinions) -> None:
    """Write means of what a judge said, a row for real speech and for each method and count of clips, as Markdown."""
    ways = dict.fromkeys((score.method, score.clips) for score in scores)
    kinds = {("real recordings", ""): "real"}
    if folder.corpus:
        kinds["real voices, the sentences", ""] = "references"
    kinds |= {(method, str(clips)): cloned_by(method, clips) for method, clips in ways}
    heard = {way: _of(opinions, folder.folder / kind) for way, kind in kinds.items()}
    columns = list(dict.fromkeys(name for means, _ in heard.values() for name in means))
    head = ["voice", "clips", "sounds", *columns, "cloning, s"]
    table = [head, ["---"] * len(head)]
    for way, (means, count) in heard.items():
        cells = [f"{means[name]:.2f}" if name in means else "" for name in columns]
        times = [score.cloning_seconds for score in scores if (score.method, str(score.clips)) == way]
        table.append([*way, str(count), *cells, f"{mean(times):.1f}" if times else ""])
    path.write_text("".join(f"| {' | '.join(row)} |\n" for row in table), encoding="utf-8")


def _answers(judge: str, manifest: Path) -> Any:
    """What it prints, line by line; lines without a `clip` are its own affair."""
    with subprocess.Popen([*command(judge), str(manifest)], stdout=subprocess.PIPE, text=True) as process:
        for line in process.stdout or ():
            try:
                answer = json.loads(line)
            except ValueError as error:
                raise ValueError(f"judge {judge!r} prints {line[:80]!r}, which is no JSON") from error
            if isinstance(answer, dict) and isinstance(answer.get("clip"), str):
                yield answer
    if process.returncode:
        raise ValueError(f"judge {judge!r} ended with status {process.returncode}: what it said stands above")


def _heard(record: Path) -> dict[str, dict[str, Any]]:
    lines = record.read_text(encoding="utf-8").splitlines() if record.exists() else []
    try:
        answers = [json.loads(line) for line in lines if line.endswith("}")]  # the last may have been cut off
        return {answer.pop("key"): answer for answer in answers}
    except (ValueError, KeyError) as error:
        raise ValueError(f"{record} is damaged ({error}): delete it, and the judge hears everything again") from error


def _key(judge: str, sound: Path) -> str:
    digest = hashlib.sha256(judge.encode())
    digest.update(str(sound).encode())
    digest.update(sound.read_bytes())
    return digest.hexdigest()[:24]


def _of(opinions: Opinions, folder: Path) -> tuple[dict[str, float], int]:
    """Means of the numbers said of the sounds below a folder, with true and false as 1 and 0; and how many sounds."""
    own = [said for sound, said in opinions.items() if sound.is_relative_to(folder.resolve())]
    numbers = [{name: float(each) for name, each in said.items() if isinstance(each, int | float)} for said in own]
    columns = {name: [row[name] for row in numbers if name in row] for row in numbers for name in row}
    words, errors = columns.pop("words", []), columns.pop("word_errors", [])
    means = {name.replace("_", " "): mean(values) for name, values in columns.items()}
    if sum(words):
        means["word error rate"] = sum(errors) / sum(words)  # of all words, as is usual, not the mean of the rates
    return means, len(own)
