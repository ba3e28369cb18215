"""Names and recipes that point elsewhere: nothing outside of the folder that was asked for is written or deleted."""

import json
import os
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

from lightning_vc.recipes import evaluate, prepare, run
from tests.evaluation.command import evaluate_flags
from tests.fuzz import models
from tests.fuzz.room import Room
from tests.fuzz.trials import fail_with, generator
from tests.tiny import TinyRun

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

NAMES = ("..", ".", "", "/victim", "../victim", "../../victim", "a/../../victim", "a\nb", "a\0b", "x" * 300,
         " ", "-rf", "~",
         "victim/letter.txt", "\\..\\victim")  # fmt: skip


def evaluated(run: TinyRun, shards: Path, out: Path) -> None:
    """Evaluate a model on other shards than its own."""
    flags = evaluate_flags(run, out)
    flags[flags.index("--shards") + 1] = str(shards)
    evaluate.main(flags)


@pytest.mark.parametrize("id", ["..", "{victim}", "../../victim", "../victim"])
def test_no_speaker_of_an_evaluation_names_a_folder_outside(id: str, room: Room) -> None:
    id = id.format(victim=room.folder / "victim")
    shards, out = room.folder / "shards", room.folder / "scores"
    shutil.copytree(room.run.shards, shards)
    models.rename_speaker(shards, room.run.speaker, id)
    outcome, problem = room.try_out("", evaluated, room.run, shards, out, seconds=60)
    shutil.rmtree(shards)
    shutil.rmtree(out, ignore_errors=True)
    assert not problem
    assert outcome.kind == "refusal"


def kaldi(root: Path, out: Path) -> None:
    prepare.main(
        ["kaldi", "--root", str(root), "--out", str(out), "--workers", "1", "--test", "1", "--validation", "0"]
    )


def test_no_speaker_of_a_corpus_names_a_folder_outside(room: Room) -> None:
    problems = []
    names = ["plain", *(each for each in NAMES if each.split() == [each])]
    for number, name in enumerate(names):
        root, out = room.folder / "kaldi" / str(number), room.folder / "kaldi" / f"{number}.shards"
        root.mkdir(parents=True)
        (root / "wav.scp").write_text("".join(f"u{each} {room.clip}\n" for each in range(6)))
        (root / "utt2spk").write_text("".join(f"u{each} {f's{each}' if each else name}\n" for each in range(6)))
        outcome, problem = room.try_out("", kaldi, root, out, seconds=30)
        if outcome.kind != ("answer" if name == "plain" else "refusal"):
            problem = problem or f"{outcome.kind} {outcome.message}"
        problems += [f"{name!r:.50}: {problem}"] if problem else []
    outside = {file.name.split(".")[0] for file in (room.folder / "kaldi").iterdir()} - set(map(str, range(len(names))))
    assert not outside
    fail_with(problems, len(names))


def recipe(file: Path) -> None:
    """Run a recipe whose stages do nothing."""
    sys.executable = "/bin/true"
    run.main([str(file)])


def test_no_recipe_touches_a_file_outside(room: Room) -> None:
    problems = []
    good: Any = {
        "dir": "runs/a",
        "stages": {"one": {"verb": "export", "options": {"a": 1}, "checkpoint": "runs/a/x"}},
    }
    cases = list(models.other_values(generator("recipes"), good, 8))
    cases = [case for case in cases if case[1].get("dir") == good["dir"] or not isinstance(case[1].get("dir"), str)]
    cases += [(f"stage {name!r}", {"dir": "runs/a", "stages": {name: {"verb": "export"}}}) for name in NAMES]
    cases += [
        (f"verb {name!r}", {"dir": "runs/a", "stages": {"one": {"verb": name}}})
        for name in (*NAMES, "../../evil", "os")
    ]
    place = room.folder / "recipes" / "own"
    place.mkdir(parents=True)
    os.environ["SECRET"] = "hush"
    cases += [("secret", {"dir": "runs/a", "stages": {"one": {"verb": "export", "options": {"a": "${oc.env:HOME}"}}}})]
    for name, content in cases:
        file = place / "recipe.yaml"
        file.write_text(json.dumps(content))
        before = models.snapshot(room.folder / "victim", place)
        entries = {each.name for each in room.folder.iterdir()}
        outcome, problem = room.try_out("", recipe, file)
        strange = {each.name for each in room.folder.iterdir()} - entries - {"runs"}
        if models.snapshot(room.folder / "victim", place) != before or strange:
            problem = f"A FILE OUTSIDE WAS TOUCHED {strange}"
        records = models.snapshot(room.folder / "runs") if (room.folder / "runs").exists() else {}
        if name == "secret" and (
            str(room.folder).encode() in b"".join(records.values())
            or str(room.folder) in outcome.stderr.replace(str(file), "")
        ):
            problem = "a variable of the environment is written down"
        problems += [f"{name}: {problem}"] if problem else []
        shutil.rmtree(room.folder / "runs", ignore_errors=True)
    fail_with(problems, len(cases))
