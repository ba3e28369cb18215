"""What an outside judge says of sounds.

A judge is any program that is given the name of a manifest, `sound <tab> recordings of the speaker <tab> text` a line,
and prints a line of JSON for each sound: its path as `clip`, and numbers.
"""

import hashlib
import json
import shlex
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.progress import Progress

from lightning_vc.evaluation import outside
from lightning_vc.evaluation.sounds import Opinions, Sound, write_manifest
from lightning_vc.files import named_errors, write_file

OUTSIDE = "outside"  # in the place of a command line: the judges of `evaluation.outside`


def command(judge: str) -> list[str]:
    """The words of a judge's command line; raises ValueError for one that cannot be started."""
    if judge == OUTSIDE:
        return [sys.executable, "-m", "lightning_vc.recipes.judge"]
    try:
        words = shlex.split(judge)
    except ValueError as error:
        raise ValueError(f"judge {judge!r} is no command line ({error})") from error
    if not words or shutil.which(words[0]) is None:
        raise ValueError(f"judge {judge!r} does not start: there is no such program")
    return words


def ask(judge: str, folder: Path, sounds: Sequence[Sound]) -> Opinions:
    """Let a judge hear sounds; what it has heard already it is not asked again.

    Args:
        judge: its command line, or "outside" for those of `evaluation.outside`.
        folder: of an evaluation, for the record of what was said.

    Raises:
        ValueError: for a judge that cannot be started, fails, or leaves out a sound.
    """
    record = folder / "judged.jsonl"  # grows with each answer, so that a judge can be interrupted
    known = _heard(record)
    texts = sorted({sound.text for sound in sounds if sound.text})
    keys = {sound.path.resolve(): _key(judge, sound, texts) for sound in sounds}
    left = [sound for sound in sounds if keys[sound.path.resolve()] not in known]
    if left:
        todo, choices = folder / "judge-todo.tsv", folder / "judge-texts.txt"
        write_manifest(todo, left)
        write_file(choices, "".join(f"{text}\n" for text in texts))
        words = [*command(judge), str(todo), *(["--texts", str(choices)] if judge == OUTSIDE else [])]
        write_file(record, "".join(f"{json.dumps({'key': key, **said})}\n" for key, said in known.items()))
        with named_errors(record), record.open("a", encoding="utf-8") as file, Progress() as progress:
            task = progress.add_task("the judge listens", total=len(left))
            for answer in _answers(judge, words):
                key = keys.get(Path(answer.pop("clip")))
                if key:
                    known[key] = answer
                    file.write(json.dumps({"key": key, **answer}) + "\n")
                    file.flush()
                    progress.advance(task)
        todo.unlink()
        choices.unlink()
    if silent := [sound.path for sound in sounds if keys[sound.path.resolve()] not in known]:
        raise ValueError(f"judge {judge!r} says nothing of {silent[0]} and {len(silent) - 1} others")
    return {sound.path: known[keys[sound.path.resolve()]] for sound in sounds}


def _answers(judge: str, words: Sequence[str]) -> Any:
    """What it prints, called by these words, line by line; lines without a `clip` are its own affair."""
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
        try:
            for line in process.stdout or ():
                try:
                    answer = json.loads(line)
                except ValueError as error:
                    raise ValueError(f"judge {judge!r} prints {line[:80]!r}, which is no JSON") from error
                if isinstance(answer, dict) and isinstance(answer.get("clip"), str):
                    yield answer
        except BaseException:  # nobody listens any more, also after Ctrl-C
            process.terminate()
            raise
    if process.returncode:
        raise ValueError(f"judge {judge!r} ended with status {process.returncode}: what it said stands above")


def _heard(record: Path) -> dict[str, dict[str, Any]]:
    lines = record.read_text(encoding="utf-8").splitlines() if record.exists() else []
    try:
        answers = [json.loads(line) for line in lines if line.endswith("}")]  # the last may have been cut off
        return {answer.pop("key"): answer for answer in answers}
    except (ValueError, KeyError) as error:
        raise ValueError(f"{record} is damaged ({error}): delete it, and the judge hears everything again") from error


def _key(judge: str, sound: Sound, texts: Sequence[str]) -> str:
    """What its answer depends on; our own judges' also on what else could have been said."""
    digest = hashlib.sha256(f"{judge} {[outside.absent(), texts] if judge == OUTSIDE else ''}".encode())
    digest.update(f"{sound.path.resolve()} {sound.references} {sound.text}".encode())
    digest.update(sound.path.read_bytes())
    return digest.hexdigest()[:24]
