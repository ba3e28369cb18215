import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from lightning_vc import stages
from lightning_vc.recipes import run as run_recipe
from lightning_vc.stages import Recipe
from lightning_vc.untrusted import read_checkpoint
from tests.test_settings import INTERPOLATED, LAUGHS
from tests.tiny import ROOT, TinyRun, configs, logged

RECIPE = """
dir: {folder}/out
speed: 5
stages:
  dig:
    verb: prepare generated
    options:
      out: ${{dir}}/shards
      subsets: [a, b]
  plant:
    verb: tts fit
    options:
      config: [configs/plain.yaml, "${{here}}/plant.yaml"]
      trainer.default_root_dir: ${{dir}}/plant
      trainer.max_steps: ${{speed}}
    checkpoint: ${{dir}}/plant.ckpt
  reap:
    verb: evaluate
    options:
      model: ${{stages.plant.checkpoint}}
      out: ${{dir}}/report
"""
Ran = list[list[str]]


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    """A recipe of three stages, and a file that the second one names."""
    (tmp_path / "recipe.yaml").write_text(RECIPE.format(folder=tmp_path))
    (tmp_path / "plant.yaml").write_text("model: small")
    return tmp_path / "recipe.yaml"


@pytest.fixture
def ran(monkeypatch: pytest.MonkeyPatch) -> Ran:
    """The commands that would have been run, without `python -m lightning_vc.recipes.`; all of them succeed."""
    commands: Ran = []

    def succeed(command: Sequence[str]) -> int:
        assert command[:2] == [sys.executable, "-m"]
        commands.append([command[2].removeprefix("lightning_vc.recipes."), *command[3:]])
        return 0

    monkeypatch.setattr(stages, "_call", succeed)
    return commands


def fail_at(number: int, monkeypatch: pytest.MonkeyPatch, status: int = 1) -> Ran:
    """From the command of this number on, all fail."""
    commands: Ran = []

    def call(command: Sequence[str]) -> int:
        commands.append(list(command[2:]))
        return status if len(commands) > number else 0

    monkeypatch.setattr(stages, "_call", call)
    return commands


def test_some_stages_are_asked_for_by_name(recipe: Path, ran: Ran, capfd: pytest.CaptureFixture[str]) -> None:
    recipe.write_text(recipe.read_text().replace("    verb: evaluate\n", "    verb: evaluate\n    on_request: true\n"))
    Recipe(recipe).run()
    assert [command[0] for command in ran] == ["prepare", "tts"]
    assert [line for line in capfd.readouterr().err.splitlines() if line.startswith("stage ")] == (
        ["stage 1 of 2: dig", "stage 2 of 2: plant"]
    )
    Recipe(recipe).run(["reap"])
    assert [command[0] for command in ran] == ["prepare", "tts", "evaluate"]


def test_all_stages_include_those_on_request(recipe: Path, ran: Ran) -> None:
    recipe.write_text(recipe.read_text().replace("    verb: evaluate\n", "    verb: evaluate\n    on_request: true\n"))
    run_recipe.main([str(recipe), "--stages", "all"])
    assert [command[0] for command in ran] == ["prepare", "tts", "evaluate"]


def test_stages_are_commands_in_their_order(recipe: Path, ran: Ran) -> None:
    Recipe(recipe).run()
    here = recipe.parent
    trained = ["--trainer.default_root_dir", f"{here}/out/plant", "--trainer.max_steps", "5"]
    assert ran == [
        ["prepare", "generated", "--out", f"{here}/out/shards", "--subsets", "a", "b"],
        ["tts", "fit", "--config", "configs/plain.yaml", "--config", f"{here}/plant.yaml", *trained],
        ["evaluate", "--model", f"{here}/out/plant.ckpt", "--out", f"{here}/out/report"],
    ]


def test_each_command_is_printed_as_one_can_type_it(recipe: Path, ran: Ran, capfd: pytest.CaptureFixture[str]) -> None:
    Recipe(recipe).run()
    told = capfd.readouterr().err.splitlines()
    assert told[0] == "stage 1 of 3: dig"
    assert told[1] == f"lightning-vc prepare generated --out {recipe.parent}/out/shards --subsets a b"
    assert len(ran) == 3


def test_finished_stages_are_skipped(recipe: Path, ran: Ran, capfd: pytest.CaptureFixture[str]) -> None:
    Recipe(recipe).run()
    ran.clear()
    Recipe(recipe).run()
    assert ran == []
    assert capfd.readouterr().err.count("is finished") == 3


def test_a_foreign_checkpoint_is_not_moved(recipe: Path, ran: Ran) -> None:
    checkpoint = recipe.parent / "out" / "plant.ckpt"
    checkpoint.parent.mkdir()
    checkpoint.write_text("mine")
    with pytest.raises(ValueError, match=r"plant\.ckpt exists, but no stage of this recipe has written it: move"):
        Recipe(recipe).run()
    assert checkpoint.read_text() == "mine"
    assert [command[0] for command in ran] == ["prepare"]


def test_a_config_beside_a_recipe_is_a_setting_where_dir_is_that_folder(recipe: Path, ran: Ran) -> None:
    recipe.write_text(RECIPE.format(folder=recipe.parent).replace(f"{recipe.parent}/out", str(recipe.parent)))
    before = Recipe(recipe).stages[1].key
    (recipe.parent / "plant.yaml").write_text("model: large")
    assert Recipe(recipe).stages[1].key != before


def test_no_checkpoint_is_reached_by_a_link(recipe: Path, ran: Ran, tmp_path_factory: pytest.TempPathFactory) -> None:
    models = tmp_path_factory.mktemp("models")
    (models / "deep").mkdir()
    (models / "mine.ckpt").write_text("mine")
    (recipe.parent / "out").mkdir()
    (recipe.parent / "out" / "link").symlink_to(models / "deep")
    with pytest.raises(ValueError, match=r"mine\.ckpt is not inside of"):
        Recipe(recipe, ["stages.plant.checkpoint=${dir}/link/../mine.ckpt"])


def test_outputs_beside_the_recipe_are_not_part_of_the_key(
    recipe: Path, ran: Ran, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(recipe.parent)
    recipe.write_text(RECIPE.format(folder=".").replace("./out", "out"))
    Recipe("recipe.yaml").run()
    Path("out/plant.ckpt").write_text("trained")
    Recipe("recipe.yaml").run()
    assert len(ran) == 3
    Path("plant.yaml").write_text("model: large")
    Recipe("recipe.yaml").run()
    assert len(ran) == 5


def test_a_file_that_a_config_includes_is_a_setting(recipe: Path, ran: Ran) -> None:
    (recipe.parent / "shared.yaml").write_text("trainer: {steps: 1}")
    (recipe.parent / "plant.yaml").write_text("include: shared.yaml\nmodel: small")
    before = Recipe(recipe).stages[1].key
    (recipe.parent / "plant.yaml").write_text("# a comment\ninclude: shared.yaml\nmodel: small")
    assert Recipe(recipe).stages[1].key == before
    (recipe.parent / "shared.yaml").write_text("trainer: {steps: 2}")
    assert Recipe(recipe).stages[1].key != before


def test_stages_that_train_have_options_in_common(tmp_path: Path) -> None:
    (tmp_path / "defaults.yaml").write_text(
        "seed: 0\ntraining: {config: [a.yaml], seed: '${seed}', trainer.default_root_dir: '${dir}/${stage}'}"
    )
    (tmp_path / "recipe.yaml").write_text(
        f"include: defaults.yaml\ndir: {tmp_path}/out\nstages:\n"
        "  one: {verb: tts fit, options: {config+: [b.yaml]}}\n"
        "  two: {verb: tts test, options: {trainer.default_root_dir: '${dir}/elsewhere', seed: 5}}\n"
        "  three: {verb: evaluate, options: {model: '${stages.one.checkpoint}', out: '${dir}'}}\n"
    )
    one, two, three = Recipe(tmp_path / "recipe.yaml", ["seed=7"]).stages
    out = f"{tmp_path}/out"
    words = ["--config", "a.yaml", "--config", "b.yaml", "--seed", "7", "--trainer.default_root_dir"]
    assert one.command == ("lightning_vc.recipes.tts", "fit", *words, f"{out}/one")
    words = ["--config", "a.yaml", "--seed", "5", "--trainer.default_root_dir"]
    assert two.command == ("lightning_vc.recipes.tts", "test", *words, f"{out}/elsewhere")
    assert two.checkpoint == Path(f"{out}/elsewhere/last.ckpt")
    assert three.command == ("lightning_vc.recipes.evaluate", "--model", f"{out}/one/last.ckpt", "--out", out)


def test_some_stages(recipe: Path, ran: Ran) -> None:
    Recipe(recipe).run(["reap", "dig"])
    assert [command[0] for command in ran] == ["prepare", "evaluate"]
    Recipe(recipe).run()
    assert [command[0] for command in ran] == ["prepare", "evaluate", "tts"]


def change_file(recipe: Path) -> list[str]:
    (recipe.parent / "plant.yaml").write_text("model: large")
    return []


def change_option(recipe: Path) -> list[str]:
    return ["speed=6"]


def change_recipe(recipe: Path) -> list[str]:
    recipe.write_text(recipe.read_text().replace("tts fit", "tts validate"))
    return []


@pytest.mark.parametrize("change", [change_file, change_option, change_recipe])
def test_a_changed_stage_and_those_that_use_it_run_again(
    recipe: Path, ran: Ran, change: Callable[[Path], list[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    Recipe(recipe).run()
    checkpoint = recipe.parent / "out" / "plant.ckpt"
    checkpoint.write_text("of the first settings")
    ran.clear()
    Recipe(recipe, change(recipe)).run()
    assert [command[0] for command in ran] == ["tts", "evaluate"]
    assert "--ckpt_path" not in ran[0]  # it is another training now
    assert not checkpoint.exists()
    (aside,) = checkpoint.parent.glob("plant-*.ckpt")
    assert aside.read_text() == "of the first settings"
    assert aside.name in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "setting", "stages"),
    [
        ("mini", "vocoder_steps=7", "vocoder tune_vocoder"),
        ("mini", "tts_steps=7", "tts encoder tune_vocoder evaluate joint compare"),
        ("librispeech", "sizes.paper.tuning_steps=7", "tune_vocoder evaluate compare"),
        ("librispeech", "sizes.paper.joint_steps=7", "joint compare"),
        ("vctk", "encoder_steps=7", "encoder evaluate"),
        ("base", "compared=[ls-32]", "compare"),
        ("base", "stages.speaker_recognition.verb=speaker_recognition validate", "speaker_recognition compare"),
        ("base", "test=ls-32", "all"),
    ],
)
def test_a_setting_concerns_the_stages_that_use_what_it_changes(name: str, setting: str, stages: str) -> None:
    path = ROOT / "recipes" / name / "recipe.yaml"
    before, after = Recipe(path).stages, Recipe(path, [setting]).stages
    changed = [stage.name for stage, other in zip(before, after, strict=True) if stage.key != other.key]
    assert changed == ([stage.name for stage in before] if stages == "all" else stages.split())


def test_a_stage_without_outputs_is_used_by_all_later_stages(recipe: Path, ran: Ran) -> None:
    recipe.write_text(
        recipe.read_text().replace("prepare generated", "prepare verify a").replace("      out: ${dir}/shards\n", "")
    )
    Recipe(recipe).run()
    ran.clear()
    Recipe(recipe, ["stages.dig.options.subsets=[a]"]).run()
    assert [command[0] for command in ran] == ["prepare", "tts", "evaluate"]
    ran.clear()
    Recipe(recipe, ["stages.dig.options.subsets=[a]", "stages.reap.verb=synthesize"]).run()
    assert [command[0] for command in ran] == ["synthesize"]


def test_the_checkpoint_of_earlier_settings_is_restored(
    recipe: Path, ran: Ran, monkeypatch: pytest.MonkeyPatch
) -> None:
    Recipe(recipe).run()
    checkpoint = recipe.parent / "out" / "plant.ckpt"
    checkpoint.write_text("of the first settings")
    fail_at(0, monkeypatch)
    for speed in (6, 7):
        with pytest.raises(SystemExit):
            Recipe(recipe, [f"speed={speed}"]).run()
        assert not checkpoint.exists()
        checkpoint.write_text(f"of {speed}, half done")
    again = fail_at(9, monkeypatch)
    Recipe(recipe, ["speed=6"]).run(["plant"])
    assert checkpoint.read_text() == "of 6, half done"
    assert again[0][-2:] == ["--ckpt_path", str(checkpoint)]
    again.clear()
    Recipe(recipe).run(["dig", "plant"])
    assert checkpoint.read_text() == "of the first settings"
    assert again == []  # it is finished


def test_the_best_checkpoint_stays_with_the_last_one(recipe: Path, ran: Ran) -> None:
    """Both are put aside with their settings and come back with them; the stage is skipped then."""
    Recipe(recipe).run()
    last, best = recipe.parent / "out" / "plant.ckpt", recipe.parent / "out" / "best.ckpt"
    for file in (last, best):
        file.write_text("of the first settings")
    Recipe(recipe, ["speed=6"]).run(["plant"])
    assert not last.exists()
    assert not best.exists()
    best.write_text("of 6")  # and no last one: it was stopped at once
    ran.clear()
    Recipe(recipe).run()
    assert ran == []
    assert last.read_text() == best.read_text() == "of the first settings"


@pytest.mark.parametrize(
    ("word", "uses"),
    [
        ("{dir}/plant", True),
        ("{dir}/plant/last.ckpt", True),
        ("./{dir}/x/../plant/", True),
        ("{{x: {{root: {dir}/plant, y: 1}}}}", True),
        ('["{dir}/plant/a.ckpt"]', True),
        ("{dir}", True),
        ("{dir}/plant-2", False),
        ("{dir}/plant.old/last.ckpt", False),
        ("other/{dir}/plant", False),
        ("{{x: other/{dir}/plant}}", False),
    ],
)
def test_a_stage_uses_what_its_options_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, word: str, uses: bool
) -> None:
    monkeypatch.chdir(tmp_path)
    text = "dir: run\nstages:\n  plant: {verb: tts fit, options: {trainer.default_root_dir: '${dir}/plant', seed: 1}}\n"
    text += f"  reap: {{verb: evaluate, options: {{out: run/out, model: {json.dumps(word.format(dir='run'))}}}}}\n"
    Path("recipe.yaml").write_text(text)
    keys = [Recipe("recipe.yaml", [f"stages.plant.options.seed={seed}"]).stages[1].key for seed in (1, 2)]
    assert (keys[0] != keys[1]) == uses


@pytest.mark.parametrize("key", ["old", "new"])
def test_a_checkpoint_comes_back_after_a_kill_between_it_and_its_record(
    recipe: Path, monkeypatch: pytest.MonkeyPatch, key: str
) -> None:
    """One of settings that the record names already, or of those whose checkpoint was just put aside."""
    checkpoint, record = recipe.parent / "out" / "plant.ckpt", recipe.parent / "out" / ".stages" / "plant.json"
    fail_at(1, monkeypatch)
    with pytest.raises(SystemExit):
        Recipe(recipe, ["speed=6"]).run(["dig", "plant"])
    checkpoint.write_text("of 6")
    of_six = record.read_text()
    fail_at(0, monkeypatch)
    with pytest.raises(SystemExit):
        Recipe(recipe, ["speed=7"]).run(["plant"])
    assert not checkpoint.exists()
    if key == "old":
        record.write_text(of_six)
    again = fail_at(9, monkeypatch)
    Recipe(recipe, ["speed=6"]).run(["plant"])
    assert checkpoint.read_text() == "of 6"
    assert again[0][-2:] == ["--ckpt_path", str(checkpoint)]


def test_a_stage_that_fails_ends_the_run_and_goes_on_from_its_checkpoint(
    recipe: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    commands = fail_at(1, monkeypatch, status=3)
    with pytest.raises(SystemExit) as end:
        Recipe(recipe).run()
    assert end.value.code == 3
    assert len(commands) == 2
    assert "stage 2 of 3: plant ended with status 3; run the recipe again to go on from there" in capfd.readouterr().err
    checkpoint = recipe.parent / "out" / "plant.ckpt"
    again = fail_at(9, monkeypatch)
    checkpoint.touch()
    Recipe(recipe).run()
    assert again == [[*commands[1], "--ckpt_path", str(checkpoint)], ["lightning_vc.recipes.evaluate", *again[1][1:]]]


def test_a_stage_that_failed_before_its_first_checkpoint_begins_again(
    recipe: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commands = fail_at(1, monkeypatch)
    with pytest.raises(SystemExit):
        Recipe(recipe).run()
    again = fail_at(9, monkeypatch)
    Recipe(recipe).run()
    assert again[0] == commands[1]


def test_a_killed_stage_ends_with_the_status_of_a_shell(recipe: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fail_at(0, monkeypatch, status=-signal.SIGKILL)
    with pytest.raises(SystemExit) as end:
        Recipe(recipe).run()
    assert end.value.code == 128 + signal.SIGKILL


def test_values_are_one_word_each(recipe: Path, ran: Ran, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe.write_text(
        "dir: out\nstages: {one: {verb: demo, options: {out: out/x, text: 'a b; c', seed: 0, fast: true}}}"
    )
    monkeypatch.chdir(recipe.parent)
    Recipe(recipe).run()
    assert ran == [["demo", "--out", "out/x", "--text", "a b; c", "--seed", "0", "--fast", "True"]]


# What is refused


def refusal(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """The one line with which the command ends."""
    with pytest.raises(SystemExit) as end:
        run_recipe.main(arguments)
    assert end.value.code == 1
    (line,) = capsys.readouterr().err.splitlines()
    start, _, message = line.partition("error: ")
    assert start == ""
    return message


def test_an_unknown_stage(recipe: Path, ran: Ran, capsys: pytest.CaptureFixture[str]) -> None:
    message = refusal([str(recipe), "--stages", "dig,sow"], capsys)
    assert message == "no stage sow: the recipe has dig, plant, reap"
    assert ran == []


@pytest.mark.parametrize("override", ["sped=6", "stages.sow.verb=x", "speed", "speed={"])
def test_an_unknown_setting(recipe: Path, override: str, ran: Ran, capsys: pytest.CaptureFixture[str]) -> None:
    if override == "speed":
        recipe.write_text(recipe.read_text().replace("speed: 5", "sped: {a: 1}\nspeed: 5"))
        override = "sped.b=1"
    message = refusal([str(recipe), override], capsys)
    assert str(recipe) in message
    assert override in message
    assert ran == []


def test_an_unknown_setting_is_answered_with_those_of_the_recipe(
    recipe: Path, ran: Ran, capsys: pytest.CaptureFixture[str]
) -> None:
    message = refusal([str(recipe), "sped=6"], capsys)
    _, _, rest = message.partition("Key 'sped' is no setting: it has ")
    names, _, hint = rest.partition(". ")
    assert {"dir", "speed", "stages"} <= {*names.split(", ")}
    assert hint == "Did you mean: 'speed'?"
    assert ran == []


def test_an_override_needs_a_value(recipe: Path, ran: Ran, capsys: pytest.CaptureFixture[str]) -> None:
    assert refusal([str(recipe), "speed"], capsys) == f"'speed' is not a setting of {recipe}: write key=value"
    assert ran == []


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("- a\n- b", "is not a recipe: it needs `dir` and `stages`"),
        ("stages: {}", "is not a recipe: it needs `dir` and `stages`"),
        (
            "dir: out\nstages: {one: {options: {}}}",
            "stage one takes verb, options, checkpoint and on_request, got options",
        ),
        (
            "dir: out\nstages: {one: {verb: tts, opts: {}}}",
            "stage one takes verb, options, checkpoint and on_request, got verb, opts",
        ),
        ("dir: out\nstages: [one]", "is not a recipe: it needs `dir` and `stages`, a mapping of names"),
        ("dir: out\nstages: {one: tts}", "stage one"),
        ("dir: ${nowhere}\nstages: {}", "nowhere"),
        ("dir: [a]\nstages: {}", "dir is ['a']: name the folder of all outputs"),
        ("dir: 5\nstages: {}", "dir is 5: name the folder"),
        ("dir:\nstages: {}", "dir is None: name the folder"),
        ("dir: ''\nstages: {}", "dir is '': name the folder"),
        ("dir: out\nstages: {../../../x: {verb: tts fit}}", "stage '../../../x' is not a plain name"),
        ("dir: out\nstages: {..: {verb: tts fit}}", "stage '..' is not a plain name"),
        ("dir: out\nstages: {5: {verb: tts fit}}", "stage 5 is not a plain name"),
        ("dir: out\nstages: {one: {verb: ../../evil}}", "stage one has the verb '../../evil': choose one of adapt, "),
        ("dir: out\nstages: {one: {verb: tts.os}}", "stage one has the verb 'tts.os': choose one of adapt, "),
        ("dir: out\nstages: {one: {verb: __init__}}", "stage one has the verb '__init__': choose one of adapt, "),
        ("dir: out\nstages: {one: {verb: [tts]}}", "stage one has the verb"),
        (
            "dir: out\nstages: {one: {verb: voices delete mum}}",
            "stage one has the verb 'voices': choose one of",
        ),
        ("dir: out\nstages: {one: {verb: studio}}", "stage one has the verb 'studio': choose one of adapt, "),
        ("dir: out\nstages: {one: {verb: clone --out x.wav}}", "stage one has the option '--out' in its verb"),
        ("dir: out\nstages: {one: {verb: clone, options: {out: song.wav}}}", "song.wav is not inside of out"),
        ("dir: .\nstages: {one: {verb: clone, options: {out: [/tmp/song.wav]}}}", "give one path in ., without ~"),
        ("dir: .\nstages: {one: {verb: clone, options: {out: ~/song.wav}}}", "give one path in ., without ~"),
        (
            "dir: out\nstages: {one: {verb: export, options: {'out=x': []}}}",
            "has the option 'out=x': write its whole name",
        ),
        (
            "dir: out\nstages: {one: {verb: export, options: {model: [a, --out, x]}}}",
            "has the value '--out' of model, which",
        ),
        (
            "dir: out\nstages: {one: {verb: export, options: {model: --out=x}}}",
            "has the value '--out=x' of model, which",
        ),
        (
            "dir: out\nstages: {one: {verb: tts fit, options: {trainer: '{}'}}}",
            "has the option 'trainer': write its whole",
        ),
        (
            "dir: out\nstages: {one: {verb: tts fit, options: {data.loading.cache: cache}}}",
            "cache is not inside of out",
        ),
        (
            "dir: out\ntraining: {data.loading.cache: /tmp/cache}\nstages: {one: {verb: tts fit}}",
            "/tmp/cache is not inside of out",
        ),
        ("dir: out\nstages: {one: {verb: tts fit, options: {data.loading.cache: ~/x}}}", "give one path in out"),
        (
            "dir: out\nstages: {one: {verb: tts fit, options: {data.loading: '{cache: /tmp/x}'}}}",
            "has the option 'data.loading': write its whole",
        ),
        (
            "dir: out\nstages: {one: {verb: tts fit, options: {data: '{loading: {cache: /tmp/x}}'}}}",
            "has the option 'data': write its whole",
        ),
        ("dir: out\nstages: {one: {verb: clone, options: {voice: out/../mum.safetensors}}}", "is not inside of out"),
        (
            "dir: out\nstages: {one: {verb: ' clone', options: {voice: /tmp/mum.safetensors}}}",
            "/tmp/mum.safetensors is not inside of out",
        ),
        (
            "dir: out\nstages: {one: {verb: '\"clone\"', options: {voice: ~/mum.safetensors}}}",
            "stage one has '~/mum.safetensors' as voice: give one path in out, without ~",
        ),
        (
            "dir: .\nstages: {one: {verb: clone, options: {voice: mum}}}",
            "stage one has 'mum' as voice, a name in your library of voices: give a file in ., such as voice.s",
        ),
        (
            "dir: .\nstages: {one: {verb: morph, options: {save: mum}}}",
            "stage one has 'mum' as save, a name in your library of voices: give a file in ., such as voice.s",
        ),
        *(
            (
                f"dir: out\nstages: {{one: {{verb: tts fit, options: {{{option}: {json.dumps(value)}}}}}}}",
                f" as {option}, which may name folders: write each setting as an option",
            )
            for option, value in (
                ("trainer.logger", "class_path: lightning.pytorch.loggers.CSVLogger\ninit_args:\n  save_dir: /tmp"),
                (
                    "trainer.callbacks+",
                    "[{class_path: lightning_vc.callbacks.LastCheckpoint, init_args: {dirpath: /}}]",
                ),
                ("trainer.profiler", "[[class_path: x]]"),
                ("trainer.profiler", "{class_path: x, &"),
                ("config", "{trainer: {default_root_dir: /tmp}}"),
            )
        ),
        ("dir: out\nstages: {}\nx: " + 5000 * "9", "recipe.yaml cannot be read as YAML: Exceeds the limit"),
        ("dir: out\nstages: {one: {verb: morph}}", "stage one lacks the option save: give the path in out"),
        (
            "dir: out\nstages: {one: {verb: demo, options: {out: null}}}",
            "stage one lacks the option out: give the path",
        ),
        ("dir: out\nstages: {one: {verb: tts fit}}", "stage one lacks the option trainer.default_root_dir: give"),
        *(
            (
                f"dir: out\nstages: {{one: {{verb: tts fit, options: {{trainer.default_root_dir: out, {option}}}}}}}",
                "which may name folders: write each setting as an option",
            )
            for option in (
                "trainer.callbacks+: {init_args: {dirpath: /tmp/evil}}",
                "trainer.logger: [{init_args: {save_dir: /tmp/evil}}]",
                'trainer.logger: \' {"save_dir": "/tmp/evil"}\'',
            )
        ),
        (
            "dir: out\nstages: {one: {verb: prepare generated, options: {out: ./out/../out}}}",
            "as out, which is dir: prepare writes beside its folder, so give a folder in dir, such as out/shards",
        ),
        *(
            (
                f"dir: out\nstages: {{one: {{verb: tts fit, options: {{{option}: /tmp/x}}}}}}",
                "/tmp/x is not inside of out",
            )
            for option in (
                "trainer.callbacks.dirpath",
                "trainer.callbacks.init_args.path",
                "trainer.callbacks.dirpath+",
                "trainer.logger.save_dir",
                "trainer.logger.dir",
                "trainer.profiler.dirpath",
            )
        ),
        *(
            (
                f"dir: out\nstages: {{one: {{verb: tts fit, options: {{trainer.logger.{option}}}}}}}",
                ": give a name without / in front and ..",
            )
            for option in (
                "name: ../../x",
                "version: /tmp/x",
                "version: [/tmp/x]",
                "name: [[../x]]",
                "init_args.sub_dir: a/../../x",
                "project: ..",
                "id: ..",
                "root: ~/x",
            )
        ),
        *(
            (
                f"dir: out\nstages: {{one: {{verb: tts fit, options: {{trainer.{option}}}}}}}",
                "which may be read as settings that no check sees: write each setting as an option",
            )
            for option in ("logger: own.yaml", "logger: [own.yml]", "callbacks.exclude_batches_path: skip.json")
        ),
        (
            "dir: out\nstages: {one: {verb: tts fit, options: {trainer.callbacks.exclude_batches_path: docs}}}",
            "docs is not inside of out",
        ),
        (
            "dir: out\nstages: {one: {verb: tts fit, options: {trainer.logger.root_dir: docs}}}",
            "docs is not inside of out",
        ),
        (
            "dir: out\ntraining: {a: !!pairs [b: 1]}\nstages: {one: {verb: tts fit}}",
            "a list or a mapping, without a tag",
        ),
        ("dir: out\nstages: {one: {verb: ' '}}", "stage one has the verb ' ': choose one of adapt, "),
        ("dir: out\nstages: {one: {verb: tts '}}", 'stage one has the verb "tts \'": choose one of adapt, '),
        ("dir: out\ntraining: [a]\nstages: {}", "recipe.yaml: training is ['a']: write `option: value` for each"),
        ("dir: out\ntraining: fast\nstages: {}", "recipe.yaml: training is 'fast': write `option: value` for each"),
        (
            "dir: out\ntraining: {a: !!binary aGk=}\nstages: {one: {verb: tts fit}}",
            "stages.one.options.a is b'hi', which is binary: write it as text",
        ),
        (
            'dir: out\nstages: {one: {verb: demo, options: {out: "out/\\0"}}}',
            r"stages.one.options.out is 'out/\x00', which is binary: write it as text",
        ),
        ("dir: out\nstages: {one: {verb: demo, options: {true: x}}}", "stage one lacks the option out"),
        ("include: /dev/zero\ndir: out\nstages: {}", "/dev/zero is not a regular file: give a file"),
        ("dir: out\nstages: {one: {verb: run own.yaml}}", "stage one has the verb 'run': choose one of adapt, "),
        (
            "dir: out\nstages: {one: {verb: prepare verify x, checkpoint: out/notes.txt}}",
            "name a file that ends in .ckpt",
        ),
        ("dir: out\nstages: {one: {verb: tts, options: [a]}}", "stage one has the options ['a']: write"),
        (
            "dir: out\nstages: {one: {verb: prepare verify x, checkpoint: out/../../x.ckpt}}",
            "is not inside of out: nothing is",
        ),
        (
            "dir: out\nstages: {one: {verb: prepare verify x, checkpoint: /tmp/x.ckpt}}",
            "/tmp/x.ckpt is not inside of out",
        ),
        *(
            (
                f"dir: '{folder}'\nstages: {{one: {{verb: tts fit, options: {{{option}}}}}}}",
                ": give a path without $, :: and ://",
            )
            for folder, option in (
                (".", "trainer.logger.save_dir: file:///tmp/x"),
                ("file:", "trainer.logger.save_dir: file:///tmp/x"),
                (".", "data.loading.cache: filecache::/tmp/x"),
                ("$HOME", "trainer.default_root_dir: $HOME/x"),
                (".", "trainer.logger.name: $SECRET"),
                ("./file:", "trainer.default_root_dir: ./file:/tmp/x"),
                (".", "trainer.logger.save_dir: file:/tmp/x"),
                (".", "trainer.logger.save_dir: local:x"),
                (".", "trainer.callbacks.filename: 'x/{step:c}{step:c}/y'"),
                (".", "trainer.callbacks.filename: 'x/{step:/>2}'"),
            )
        ),
        *(
            (
                f"dir: out\nstages: {{one: {{verb: tts fit, options: {{data.shards: {value}}}}}}}",
                "which the verb would interpolate: write it as text",
            )
            for value in (
                "!!python/object/apply:pathlib.Path ['${oc.env:SECRET}']",
                "[!!python/object/apply:pathlib.Path ['${oc.env:SECRET}']]",
                "{'${oc.env:SECRET}': 1}",
            )
        ),
        ("dir: ${oc.env:SECRET}\nstages: {}", "dir is '${oc.env:SECRET}': it may interpolate other settings only"),
        ("dir: out\na: $\nstages: {one: {verb: tts, options: {b: '${a}{oc.env:SECRET}'}}}", "stages.one.options.b is"),
        (f"dir: out\nstages: {{}}\n{LAUGHS}", "it has the alias *a0: write the value again"),
        (f"dir: out\nstages: {{}}\n{INTERPOLATED}", "characters after interpolation: write values"),
        ("dir: out\nstages: " + "[" * 900, "lists and mappings: flatten it"),
    ],
)
def test_invalid_recipes_are_refused(
    recipe: Path, content: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe.write_text(content)
    started = time.process_time()
    assert message in refusal([str(recipe)], capsys)
    assert time.process_time() - started < 5
    assert sorted(path.name for path in recipe.parent.iterdir()) == ["plant.yaml", "recipe.yaml"]


def test_no_setting_of_a_command_line_reads_the_environment(recipe: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "it may interpolate other settings only" in refusal([str(recipe), "speed=${oc.env:HOME}"], capsys)


def test_a_config_with_a_binary_key(recipe: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (recipe.parent / "plant.yaml").write_text("? !!binary aGk=\n: 1\n")
    assert f"{recipe.parent}/plant.yaml has a key that is no text (" in refusal([str(recipe)], capsys)


def test_a_config_that_is_a_pipe_is_not_waited_for(recipe: Path, capsys: pytest.CaptureFixture[str]) -> None:
    os.mkfifo(recipe.parent / "pipe.yaml")
    recipe.write_text(f"include: pipe.yaml\n{recipe.read_text()}")
    assert "pipe.yaml is not a regular file: give a file" in refusal([str(recipe)], capsys)


def test_a_record_that_is_a_link_to_elsewhere_is_not_written(recipe: Path, ran: Ran) -> None:
    victim = recipe.parent / "victim.json"
    victim.write_text("before")
    (recipe.parent / "out" / ".stages").mkdir(parents=True)
    (recipe.parent / "out" / ".stages" / "dig.json").symlink_to(victim)
    with pytest.raises(ValueError, match=r"dig\.json is not inside of .*out"):
        Recipe(recipe).run()
    assert victim.read_text() == "before"
    assert ran == []


def test_an_earlier_record_that_is_a_link_to_elsewhere_is_not_written(recipe: Path, ran: Ran) -> None:
    """A record is copied to a name with the key that stands in it, which may have come with the recipe."""
    victim, out = recipe.parent / "victim", recipe.parent / "out"
    (out / ".stages").mkdir(parents=True)
    (out / ".stages" / "plant.json").write_text(json.dumps({"key": "old", "finished": False}))
    (out / ".stages" / "plant-old.json").symlink_to(victim)
    (out / "plant.ckpt").touch()
    with pytest.raises(ValueError, match=r"plant-old\.json is a symbolic link"):
        Recipe(recipe).run(["plant"])
    assert (victim.exists(), ran) == (False, [])


@pytest.mark.parametrize("link", ["shards", "shards/001.wav", "shards/clips/f000", "plant-{}.ckpt"])
def test_no_output_is_written_through_a_link_to_elsewhere(recipe: Path, ran: Ran, link: str) -> None:
    parsed, victim, out = Recipe(recipe), recipe.parent / "victim", recipe.parent / "out"
    victim.write_text("before")
    link = link.format(parsed.stages[1].key[:12])
    (out / link).parent.mkdir(parents=True)
    (out / link).symlink_to(victim)
    with pytest.raises(ValueError, match=rf"{link} is a symbolic link: give a folder without links that lead out of"):
        parsed.run()
    assert victim.read_text() == "before"
    assert [command[0] for command in ran] == (["prepare"] if link.startswith("plant") else [])


@pytest.mark.parametrize("folder", ["{elsewhere}", "../{elsewhere.name}", "${{here}}/../{elsewhere.name}"])
def test_a_dir_outside_is_written_only_when_asked_for(
    recipe: Path, ran: Ran, monkeypatch: pytest.MonkeyPatch, folder: str
) -> None:
    elsewhere = recipe.parent.with_name(f"{recipe.parent.name}-elsewhere")
    monkeypatch.chdir(recipe.parent)
    recipe.write_text(recipe.read_text().replace(f"{recipe.parent}/out", folder.format(elsewhere=elsewhere)))
    with pytest.raises(ValueError, match=r"outside of the current folder and of the recipe's: .* dir=\S+elsewhere$"):
        Recipe(recipe)
    Recipe(recipe, [f"dir={elsewhere}"]).run()
    assert len(ran) == 3


@pytest.mark.parametrize(
    "options", ["out: '${dir}/a.wav'", "out: '${dir}/models'", "out: '${dir}/b', voice: '${dir}/a.wav'"]
)
def test_files_that_the_recipe_did_not_write_are_kept(recipe: Path, ran: Ran, options: str) -> None:
    verb = "export" if "models" in options else "clone"
    recipe.write_text(f"dir: {recipe.parent}/out\nstages: {{one: {{verb: {verb}, options: {{{options}}}}}}}")
    (recipe.parent / "out" / "models").mkdir(parents=True)
    (recipe.parent / "out" / "models" / "tts.safetensors").write_text("mine")
    (recipe.parent / "out" / "a.wav").write_text("mine")
    with pytest.raises(ValueError, match=r"(a\.wav|models) exists, but no stage of this recipe has written it"):
        Recipe(recipe).run()
    assert ran == []


def test_a_dir_that_came_as_a_link_is_written_only_when_asked_for(recipe: Path, ran: Ran) -> None:
    elsewhere = recipe.parent.parent / "elsewhere"
    elsewhere.mkdir()
    (recipe.parent / "out").symlink_to(elsewhere)
    with pytest.raises(ValueError, match=rf"out is a symbolic link, .* as in dir={elsewhere}$"):
        Recipe(recipe)
    assert (ran, list(elsewhere.iterdir())) == ([], [])
    Recipe(recipe, [f"dir={elsewhere}"]).run()
    assert len(ran) == 3


@pytest.mark.parametrize(
    ("here", "folder"), [(".", "{here}/link/../out"), ("../{name}", "{here}/link"), (".", "runs/x")]
)
def test_no_dir_leads_through_a_link_that_came_with_the_recipe(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, here: str, folder: str
) -> None:
    elsewhere, sent = tmp_path / "elsewhere" / "a", tmp_path / "sent" / "recipes" / "own"
    elsewhere.mkdir(parents=True)
    sent.mkdir(parents=True)
    (sent / "link").symlink_to(elsewhere)
    (tmp_path / "sent" / "runs").mkdir()
    (tmp_path / "sent" / "runs" / "x").symlink_to(elsewhere)
    (sent / "recipe.yaml").write_text(f"dir: {folder.replace('{here}', '${here}')}\nstages: {{}}")
    monkeypatch.chdir(tmp_path / "sent" if folder == "runs/x" else sent)
    file = Path("recipes/own/recipe.yaml" if folder == "runs/x" else Path(here.format(name="own"), "recipe.yaml"))
    with pytest.raises(ValueError, match="is a symbolic link, which may have come with the recipe"):
        Recipe(file)


def test_an_ordinary_checkpoint_name_and_duration_are_allowed(recipe: Path) -> None:
    options = "{trainer.callbacks.filename: 'x-{step:06d}-{val_loss:.3f}', trainer.max_time: '00:12:00:00'}"
    text = f"dir: out\nstages: {{one: {{verb: tts fit, options: {options}}}}}"
    recipe.write_text(text.replace("{trainer", "{trainer.default_root_dir: out/one, trainer", 1))
    assert Recipe(recipe).stages[0].name == "one"


def test_links_within_dir_are_written_through(recipe: Path, ran: Ran) -> None:
    out = recipe.parent / "out"
    (out / "shards").mkdir(parents=True)
    (out / "shards" / "last.ckpt").symlink_to("step-5.ckpt")
    (out / "shards" / "log").symlink_to(out)
    Recipe(recipe).run()
    assert len(ran) == 3


def test_a_huge_text_file_is_not_read(recipe: Path) -> None:
    with (recipe.parent / "huge.txt").open("wb") as file:
        file.truncate(1 << 40)
    recipe.write_text(recipe.read_text() + "      sentences: ${here}/huge.txt\n")
    with pytest.raises(ValueError, match=r"huge\.txt has more than 67,108,864 bytes"):
        Recipe(recipe)


def test_a_damaged_record_is_named(recipe: Path, ran: Ran) -> None:
    Recipe(recipe).run()
    record = recipe.parent / "out" / ".stages" / "dig.json"
    for content in ("{", "5", "\x00", "[" * 200_000):
        record.write_text(content)
        with pytest.raises(ValueError, match=r"dig\.json is damaged .*: delete it to run the stage again"):
            Recipe(recipe).run()


def test_a_stage_that_sigterm_stops_is_not_finished(tmp_path: Path) -> None:
    """The recipe hands SIGTERM on to its stage, and ends with the status that it should have."""
    script = (
        "import sys; from lightning_vc import stages\n"
        "status = stages._call([sys.executable, '-c', 'import time; print(5, flush=True); time.sleep(60)'])\n"
        "print(status, flush=True)\n"
    )
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "5\n"
        process.terminate()
        assert process.stdout.read() == f"{-signal.SIGTERM}\n"


def test_a_recipe_that_is_no_text(recipe: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recipe.write_bytes(b"\xff\xfe\x81\x00")
    assert refusal([str(recipe)], capsys).startswith(f"{recipe} cannot be read as YAML: ")


def test_no_recipe(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert refusal([str(tmp_path / "gone.yaml")], capsys) == f"no recipe at {tmp_path}/gone.yaml"


def test_options_cannot_be_abbreviated(recipe: Path, ran: Ran, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        run_recipe.main([str(recipe), "--stage", "plant"])
    assert end.value.code == 2
    assert "unrecognized arguments: --stage" in capsys.readouterr().err
    assert ran == []


@pytest.mark.parametrize("order", ["{} --stages plant,reap speed=7", "{} speed=7 --stages plant,reap"])
def test_settings_and_stages_can_stand_in_any_order(recipe: Path, ran: Ran, order: str) -> None:
    run_recipe.main(order.format(recipe).split())
    assert [command[0] for command in ran] == ["tts", "evaluate"]
    assert ran[0][-1] == "7"


# For real

STEPS = 60


@pytest.fixture
def training(tiny_run: TinyRun, tmp_path: Path) -> Path:
    """A recipe whose one stage trains for some seconds and saves itself every 5 steps."""
    options = {
        "config": configs("tts", tmp_path, every_n_train_steps=5)[1::2],
        "data.shards": str(tiny_run.shards),
        "trainer.max_steps": STEPS,
        "trainer.val_check_interval": STEPS,
        "trainer.default_root_dir": f"{tmp_path}/tts",
    }
    stage = {"verb": "tts fit", "options": options, "checkpoint": f"{tmp_path}/tts/last.ckpt"}
    (tmp_path / "recipe.yaml").write_text(json.dumps({"dir": str(tmp_path), "stages": {"tts": stage}}))
    return tmp_path


def start(folder: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "lightning_vc.recipes.run", str(folder / "recipe.yaml")]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE}
    return subprocess.Popen(command, cwd=ROOT, text=True, start_new_session=True, **quiet)


def wait_for(condition: Callable[[], bool], seconds: float) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.01)


def test_killed_in_the_middle_of_a_stage_it_resumes_there(training: Path) -> None:
    checkpoint = training / "tts" / "last.ckpt"
    with start(training) as first:
        wait_for(lambda: checkpoint.exists() or first.poll() is not None, 200)
        children = Path(f"/proc/{first.pid}/task/{first.pid}/children")
        child = int(children.read_text().split()[0])
        first.kill()  # SIGKILL, and to the recipe alone
    wait_for(lambda: not Path(f"/proc/{child}").exists() or "Z" in Path(f"/proc/{child}/stat").read_text(), 20)
    done = read_checkpoint(checkpoint)["global_step"]
    assert 0 < done < STEPS
    with start(training) as second:
        _, told = second.communicate(timeout=250)
    assert second.returncode == 0, told
    assert f"--ckpt_path {checkpoint}" in told
    assert read_checkpoint(checkpoint)["global_step"] == STEPS
    (log,) = (training / "tts").glob("log/version_*")  # the run goes on in its file
    assert sorted({*logged(log, "step")}) == [*range(STEPS)]
    assert len(logged(log, "train/loss")) == STEPS
    assert json.loads((training / ".stages" / "tts.json").read_text())["finished"]


@pytest.mark.slow
@pytest.mark.parametrize(("sent", "status"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_training_that_is_stopped_is_not_finished_and_goes_on(training: Path, sent: int, status: int) -> None:
    checkpoint = training / "tts" / "last.ckpt"
    with start(training) as first:
        wait_for(lambda: checkpoint.exists() or first.poll() is not None, 200)
        if sent == signal.SIGINT:  # from a terminal, to all of its processes
            os.killpg(first.pid, sent)
        else:
            first.send_signal(sent)
        _, told = first.communicate(timeout=100)
    assert first.returncode == status, told
    assert "Traceback" not in told
    assert f"stage 1 of 1: tts ended with status {status}" in told
    assert not json.loads((training / ".stages" / "tts.json").read_text())["finished"]
    with pytest.raises(ProcessLookupError):
        os.killpg(first.pid, 0)  # nobody is left
    done = read_checkpoint(checkpoint)["global_step"]
    assert 0 < done < STEPS
    if sent == signal.SIGTERM:
        (log,) = (training / "tts").glob("log/version_0")
        assert logged(log, "step")[-1] == done - 1  # no step is lost
    with start(training) as second:
        _, told = second.communicate(timeout=250)
    assert second.returncode == 0, told
    assert read_checkpoint(checkpoint)["global_step"] == STEPS
    (log,) = (training / "tts").glob("log/version_*")
    assert len(logged(log, "train/loss")) == STEPS
