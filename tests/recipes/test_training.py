"""The verbs that train, called as from the command line, with the very files of recipes/mini."""

import json
import math
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest
import torch
from omegaconf import OmegaConf

from lightning_vc import Cloner, Voice
from lightning_vc.adaptation import METHODS
from lightning_vc.checkpoint import class_path, fingerprint, load_model, write_checkpoint
from lightning_vc.data.shards import prepare
from lightning_vc.data.splits import Splits
from lightning_vc.modules.tts import TTSModel
from lightning_vc.recipes import adapt, encoder, tts
from lightning_vc.text.frontend import Characters
from lightning_vc.untrusted import read_checkpoint
from tests.data.tones import Tones
from tests.signed import signed
from tests.tiny import MINI, ROOT, TinyRun, logged, metrics


def verb(recipe: ModuleType) -> str:
    return recipe.__name__.rpartition(".")[2]


def refusal(recipe: ModuleType, arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """What is said when a command line is refused."""
    with pytest.raises(SystemExit) as end:
        recipe.main(arguments)
    told = capsys.readouterr().err
    assert end.value.code == (2 if "usage: " in told else 1)  # for a wrong option, or for what it names
    assert "Traceback" not in told
    return told[told.index("error: ") :]


# tts


def test_tts_logs_losses_and_synthesises_sentences(tiny_run: TinyRun) -> None:
    out = tiny_run.tts.parent
    for name in ("loss", "mel", "linear", "pitch", "attention"):
        for stage, count in (("train", 4), ("val", 1)):
            values = logged(out, f"{stage}/{name}")
            assert len(values) == count
            assert all(map(math.isfinite, values))
    spoken = sorted(path.name for path in out.rglob("spoken/000004/*"))
    assert len(spoken) == 5  # with the speaker table
    assert {Path(name).suffix for name in spoken} == {".png", ".wav"}


@pytest.mark.parametrize("command", ["validate", "test"])
def test_tts_is_measured(tiny_run: TinyRun, tmp_path: Path, command: str) -> None:
    tts.main([*tiny_run.tts_flags(tmp_path, command), "--ckpt_path", str(tiny_run.tts)])
    (measured,) = metrics(tmp_path)
    stage = "val" if command == "validate" else "test"
    trained = logged(tiny_run.tts.parent, "val/loss")[-1]
    assert measured[f"{stage}/loss"] == pytest.approx(trained, rel=1e-4)


def test_tts_takes_the_speakers_of_the_data(tiny_run: TinyRun) -> None:
    model = load_model(tiny_run.tts, TTSModel)
    assert model.speakers == tiny_run.index.speaker_table
    assert len(model.table.weight) == 6


def test_tts_goes_on_from_another_model(tiny_run: TinyRun, tmp_path: Path) -> None:
    flags = ["--trainer.max_steps=1", "--model.optimizer.init_args.lr=1e-12", f"--pretrained.tts={tiny_run.tts}"]
    tts.main([*tiny_run.tts_flags(tmp_path), *flags, "--seed_everything=7"])
    begun, other = load_model(tmp_path / "last.ckpt", TTSModel), load_model(tiny_run.tts, TTSModel)
    for (name, one), (_, its) in zip(begun.named_parameters(), other.named_parameters(), strict=True):
        torch.testing.assert_close(one, its, msg=name)


def test_tts_does_not_go_on_from_a_model_of_another_size(
    tiny_run: TinyRun, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    flags = [f"--pretrained.tts={tiny_run.tts}", "--model.tts.model.prosody_dim=4"]
    assert "the model to start from has other sizes" in refusal(tts, [*tiny_run.tts_flags(tmp_path), *flags], capsys)
    assert not (tmp_path / "last.ckpt").exists()


def test_a_setting_reaches_all_that_refers_to_it(tiny_run: TinyRun, tmp_path: Path) -> None:
    flags = [
        "--trainer.max_steps=1",
        "--model.tts.spectrograms.n_fft=2048",
        "--model.optimizer.init_args.lr=7e-4",
        "--model.tts.frontend=lightning_vc.text.frontend.Characters",
        "--seed_everything=7",
    ]
    cli = tts.main([*tiny_run.tts_flags(tmp_path), *flags])
    assert type(cli.datamodule.batcher.frontend) is type(cli.model.tts.frontend) is Characters
    assert cli.datamodule.loading.seed == 7
    assert cli.trainer.max_steps == cli.trainer.global_step == 1
    assert cli.config.fit.model.scheduler.init_args.total_steps == 1
    assert cli.config.fit.model.scheduler.init_args.max_lr == 7e-4
    assert cli.model.tts.spectrograms.n_bins == 1025
    assert cli.model.tts.model.sizes[1] == 1025
    assert list(tmp_path.glob("log/version_0/metrics.csv"))
    assert (tmp_path / "last.ckpt").exists()


def test_a_flag_on_an_interpolated_setting_wins(tiny_run: TinyRun, capsys: pytest.CaptureFixture[str]) -> None:
    flags = ["--model.scheduler.init_args.total_steps=77", "--print_config"]
    with pytest.raises(SystemExit) as end:
        tts.main([*tiny_run.tts_flags(tiny_run.folder / "nothing"), *flags])
    assert end.value.code == 0
    assert "total_steps: 77" in capsys.readouterr().out


def test_a_run_that_is_resumed_goes_on_with_the_settings_of_the_command_line(tiny_run: TinyRun, tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    short = ["--trainer.max_steps=2", "--model.scheduler.init_args.total_steps=6"]
    tts.main([*tiny_run.tts_flags(first), *short])
    checkpoint = first / "last.ckpt"
    assert read_checkpoint(checkpoint)["hyper_parameters"]["attention_weight"] == 1.0
    flags = [*tiny_run.tts_flags(second), "--trainer.max_steps=6", "--trainer.val_check_interval=6"]
    cli = tts.main([*flags, "--ckpt_path", str(checkpoint), "--model.attention_weight", "0.25"])
    assert [line["step"] for line in metrics(second) if "train/loss" in line] == [2, 3, 4, 5]
    assert cli.model.attention_weight == 0.25
    saved = read_checkpoint(second / "last.ckpt")
    assert (saved["global_step"], saved["hyper_parameters"]["attention_weight"]) == (6, 0.25)


def test_the_same_seed_trains_the_same_model_and_another_another(tiny_run: TinyRun, tmp_path: Path) -> None:
    def trained(name: str, seed: int) -> str:
        flags = ["--trainer.max_steps=2", "--seed_everything", str(seed)]
        return fingerprint(tts.main([*tiny_run.tts_flags(tmp_path / name), *flags]).model.tts)

    assert trained("a", 1) == trained("b", 1) != trained("c", 2)


@pytest.mark.parametrize("command", ["validate", "test"])
def test_a_run_has_a_folder_by_default(
    tiny_run: TinyRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    """It is named by the first config of a recipe, here `mini`."""
    flags = tiny_run.tts_flags(tmp_path, command)
    where = flags.index("--trainer.default_root_dir")
    monkeypatch.chdir(tmp_path)
    tts.main([*flags[:where], *flags[where + 2 :], "--ckpt_path", str(tiny_run.tts)])
    assert list(tmp_path.glob("runs/mini/tts/log/version_0/metrics.csv"))


def test_a_new_run_does_not_overwrite_the_one_in_the_default_folder(
    tiny_run: TinyRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    flags = tiny_run.tts_flags(tmp_path)
    where = flags.index("--trainer.default_root_dir")
    monkeypatch.chdir(tmp_path)
    last = tmp_path / "runs" / "mini" / "tts" / "last.ckpt"
    last.parent.mkdir(parents=True)
    last.write_text("trained for days")
    message = refusal(tts, [*flags[:where], *flags[where + 2 :]], capsys)
    assert "runs/mini/tts/last.ckpt exists: resume it with --ckpt_path last, or name the folder" in message
    assert last.read_text() == "trained for days"


def test_nothing_but_the_progress_is_printed(
    tiny_run: TinyRun, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tts.main([*tiny_run.tts_flags(tmp_path), "--trainer.max_steps=2"])
    lines = capsys.readouterr()
    assert lines.out == ""
    assert [line.split(",")[0] for line in lines.err.splitlines()] == ["step 1 of 2", "step 2 of 2"]


def test_the_best_and_the_last_step_are_kept(tiny_run: TinyRun, tmp_path: Path) -> None:
    tts.main([*tiny_run.tts_flags(tmp_path), "--trainer.max_steps=3", "--trainer.val_check_interval=1"])
    losses = logged(tmp_path, "val/loss")
    assert len(losses) == 3
    assert read_checkpoint(tmp_path / "best.ckpt")["global_step"] == 1 + losses.index(min(losses))
    assert read_checkpoint(tmp_path / "last.ckpt")["global_step"] == 3


def test_an_empty_validation_set_is_refused_where_it_is_monitored(
    tiny_run: TinyRun, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shards = prepare(Tones(3, 4), tmp_path / "shards", Splits(test=0, validation=0, held=0)).folder
    message = refusal(tts, [*tiny_run.tts_flags(tmp_path), "--data.shards", str(shards)], capsys)
    assert "ModelCheckpoint monitors 'val/loss', which nothing logs: there is no validation" in message
    assert not (tmp_path / "last.ckpt").exists()


# encoder


def test_encoder_logs_its_error_beside_that_of_the_mean_voice_and_its_spread(tiny_run: TinyRun) -> None:
    for name in ("loss", "baseline", "spread"):
        for stage in ("train", "val"):
            values = logged(tiny_run.encoder.parent, f"{stage}/{name}")
            assert len(values) == 2
            assert all(0 < value < 100 for value in values)


@pytest.mark.parametrize("command", ["validate", "test"])
def test_encoder_is_measured(tiny_run: TinyRun, tmp_path: Path, command: str) -> None:
    encoder.main([*tiny_run.encoder_flags(tmp_path, command), "--ckpt_path", str(tiny_run.encoder)])
    (measured,) = metrics(tmp_path)
    stage = "val" if command == "validate" else "test"
    trained = logged(tiny_run.encoder.parent, "val/loss")[-1]
    assert measured[f"{stage}/loss"] == pytest.approx(trained, rel=1e-4)


def test_encoder_fit_help(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        encoder.main(["fit", "--help"])
    assert end.value.code == 0
    told = capsys.readouterr().out
    for flag in ("--model.encoder", "--pretrained.tts", "--data.shards", "--data.clips", "--trainer.max_steps"):
        assert flag in told


# adapt


@pytest.mark.parametrize("method", METHODS)
def test_adaptation_makes_a_voice_that_speaks(tiny_run: TinyRun, tmp_path: Path, method: str) -> None:
    flags = tiny_run.adapt_flags(method, tmp_path)
    cli = adapt.main(flags)
    assert cli.trainer.global_step == 2
    voice = Voice.load(tmp_path / f"{tiny_run.speaker}.safetensors")
    assert voice.clips == 3
    assert bool(voice.adapted_parameters) == (method != "embedding")
    assert voice.embedding.equal(cli.model.embedding.detach())
    assert len(Cloner.load(tiny_run.tts).say("Good dog.", voice).wave) > 0
    saved = read_checkpoint(tmp_path / "last.ckpt")
    assert saved["task"] == class_path(type(cli.model))
    assert saved["state_dict"]["embedding"].equal(cli.model.embedding)
    for command in ("validate", "test"):
        out = tmp_path / command
        adapt.main([*tiny_run.adapt_flags(method, out, command), "--ckpt_path", str(tmp_path / "last.ckpt")])
        (measured,) = metrics(out)
        stage = "val" if command == "validate" else "test"
        assert 0 < measured[f"{stage}/loss"] < 10


@pytest.mark.parametrize("method", METHODS)
def test_an_adaptation_of_mini_is_as_long_as_that_of_clone(tiny_run: TinyRun, method: str) -> None:
    own, how = OmegaConf.load(MINI / "adapt.yaml"), METHODS[method]
    steps = how.steps_for(own.data.clips, load_model(tiny_run.tts, TTSModel).model)
    assert own.trainer.max_steps + (2 if method == "embedding" else 0) == steps  # the file says so
    assert own.data.batch_size == how.batch_size


def test_adaptation_by_a_method_that_does_not_exist(capsys: pytest.CaptureFixture[str]) -> None:
    message = refusal(adapt, ["fit", "--method", "speaker"], capsys)
    assert (
        "unknown method 'speaker': choose one of encoder, embedding, low_rank, whole_model, or name a class" in message
    )


def test_the_method_of_adaptation_is_that_of_the_command_line(
    tiny_run: TinyRun, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its task has been chosen before a config is read."""
    (tmp_path / "method.yaml").write_text("method: embedding")
    flags = [*tiny_run.adapt_flags("low_rank", tmp_path), "--config", str(tmp_path / "method.yaml")]
    message = refusal(adapt, flags, capsys)
    assert "a config names the method 'embedding', but the task is chosen by --method: give it there" in message


# What is refused


@pytest.mark.parametrize("arguments", [["--model.bogus", "1"], ["--data.bogus", "1"], ["--trainer.bogus=1"]])
def test_a_flag_that_does_not_exist(
    tiny_run: TinyRun, tmp_path: Path, arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert "bogus" in refusal(tts, [*tiny_run.tts_flags(tmp_path), *arguments], capsys)


@pytest.mark.parametrize(
    "content",
    [
        "model: {bogus: 1}",
        "bogus: 1",
        "trainer: {bogus: 1}",
        "model: {tts: {init_args: {model: {init_args: {bogus: 1}}}}}",
        "model: {optimizer: {class_path: torch.optim.Adam, init_args: {bogus: 1}}}",
        "model: {tts: {init_args: {frontend: lightning_vc.text.frontend.Bogus}}}",
    ],
)
def test_a_config_key_that_does_not_exist(
    tiny_run: TinyRun, tmp_path: Path, content: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "own.yaml").write_text(content)
    flags = [*tiny_run.tts_flags(tmp_path), "--config", str(tmp_path / "own.yaml")]
    assert "bogus" in refusal(tts, flags, capsys).lower()


def without_shards(run: TinyRun, out: Path) -> list[str]:
    return [*run.tts_flags(out), "--data.shards", str(out)]


def checkpoint_of_an_encoder(run: TinyRun, out: Path) -> list[str]:
    return [*run.tts_flags(out), "--ckpt_path", str(run.encoder)]


def checkpoint_that_is_missing(run: TinyRun, out: Path) -> list[str]:
    return [*run.tts_flags(out), "--ckpt_path", str(out / "gone.ckpt")]


def sizes_that_do_not_fit(run: TinyRun, out: Path) -> list[str]:
    return [*run.tts_flags(out), "--model.tts.spectrograms.window=4096"]


def another_sample_rate(run: TinyRun, out: Path) -> list[str]:
    rates = ("spectrograms.sample_rate", "model.init_args.sample_rate")
    return [*run.tts_flags(out), *(f"--model.tts.{rate}=22050" for rate in rates)]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (without_shards, "no shards here"),
        (checkpoint_of_an_encoder, "SpeakerEncoderTask"),
        (checkpoint_that_is_missing, "gone.ckpt"),
        (sizes_that_do_not_fit, "hop <= window <= n_fft"),
        (another_sample_rate, "the data has 16000 Hz, the model's Spectrograms 22050 Hz"),
    ],
)
def test_tts_refuses_invalid_settings(
    tiny_run: TinyRun,
    tmp_path: Path,
    arguments: Callable[[TinyRun, Path], list[str]],
    message: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert message in refusal(tts, arguments(tiny_run, tmp_path), capsys)


def test_encoder_refuses_invalid_settings(
    tiny_run: TinyRun, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    flags = tiny_run.encoder_flags(tmp_path)
    gone = refusal(encoder, [*flags, "--pretrained.tts", str(tmp_path / "gone.ckpt")], capsys)
    assert "gone.ckpt: name one that training left" in gone
    other = refusal(encoder, [*flags, "--pretrained.tts", str(tiny_run.encoder)], capsys)
    assert "ConvAttentionEncoder, where a class derived from TTSModel is needed" in other


def test_adapt_refuses_invalid_settings(tiny_run: TinyRun, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    flags = tiny_run.adapt_flags("embedding", tmp_path)
    nobody = refusal(adapt, [*flags, "--data.speaker", "nobody"], capsys)
    assert "'nobody' is not a test speaker" in nobody
    greedy = refusal(adapt, [*flags, "--data.clips", "7"], capsys)
    assert "7 to adapt to leave none to validate on" in greedy
    slow = prepare(Tones(4, 4), tmp_path / "slow", Splits(test=1, validation=1), sample_rate=8000)
    held = ["--data.shards", str(slow.folder), "--data.speaker", slow.speakers_of("test")[0].id]
    told = refusal(adapt, [*flags, *held], capsys)
    assert "the data has 8000 Hz, the model's Spectrograms 16000 Hz" in told
    other = refusal(adapt, [*flags, "--pretrained.tts", str(tiny_run.encoder)], capsys)
    assert "ConvAttentionEncoder, where a class derived from TTSModel is needed" in other


# Two processes


def heard(out: Path, rank: int) -> list[list[str]]:
    """The ids of each training batch of a rank."""
    return [json.loads(line) for line in (out / f"heard-{rank}.jsonl").read_text().splitlines()]


@pytest.mark.distributed
@pytest.mark.timeout(280)
@pytest.mark.parametrize("recipe", [tts, encoder], ids=verb)
def test_two_ranks_train_on_disjoint_samples(tiny_run: TinyRun, tmp_path: Path, recipe: ModuleType) -> None:
    flags = (tiny_run.tts_flags if recipe is tts else tiny_run.encoder_flags)(tmp_path)
    parallel = ["--trainer.strategy=ddp", "--trainer.devices=2", "--trainer.accelerator=cpu", "--trainer.max_steps=2"]
    listening = ["--trainer.callbacks+=tests.recipes.listening.WriteIds", f"--trainer.callbacks.out={tmp_path}"]
    quick = ["--trainer.val_check_interval", "2", "--data.batch_size" if recipe is tts else "--data.n_speakers", "2"]
    module = recipe.__name__
    command = [sys.executable, "-m", module, *flags, *parallel, *listening, *quick]
    if recipe is encoder:
        command += ["--data.clips", "2"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    batches = [heard(tmp_path, rank) for rank in range(2)]
    assert [len(own) for own in batches] == [2, 2]
    ids = [{id for batch in own for id in batch} for own in batches]
    assert min(map(len, ids)) > 2
    assert ids[0].isdisjoint(ids[1])
    for stage in ("train", "val"):
        losses = logged(tmp_path, f"{stage}/loss")
        assert len(losses) >= 1
        assert all(map(math.isfinite, losses))
    assert read_checkpoint(tmp_path / "last.ckpt")["global_step"] == 2


@pytest.mark.distributed
@pytest.mark.timeout(280)
def test_two_runs_in_one_folder_leave_whole_files(tiny_run: TinyRun, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "lightning_vc.recipes.tts", *tiny_run.tts_flags(tmp_path)]
    command += ["--trainer.max_steps=6", "--trainer.val_check_interval=2"]
    runs = [subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    for run in runs:
        _, told = run.communicate(timeout=250)
        assert run.returncode == 0, told[-3000:]
    assert read_checkpoint(tmp_path / "last.ckpt")["global_step"] == 6
    assert {file.suffix for file in tmp_path.glob("*.*")} <= {".ckpt", ".yaml"}  # nothing is left half-written


@pytest.mark.parametrize(
    ("flags", "complaint"),
    [
        (["--model.encoder.speaker_dim=9"], "have 8 numbers, ConvAttentionEncoder predicts 9: give both"),
        (["--model.encoder.spectrograms.n_mels=0"], "spectrograms need .* n_mels from 1"),
    ],
)
def test_an_encoder_that_does_not_fit(
    tiny_run: TinyRun, tmp_path: Path, flags: list[str], complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert re.search(complaint, refusal(encoder, [*tiny_run.encoder_flags(tmp_path), *flags], capsys))


@pytest.mark.parametrize(
    ("flags", "complaint"),
    [
        (["--model.tts.model.n_fft=2048"], "ConvFastPitch does not predict these spectrograms .*n_fft 1024"),
        (["--trainer.accelerator=gpu"], "gpu|GPU|CUDA"),
        (["--ckpt_path=cut.ckpt"], r"cut\.ckpt is not a checkpoint of lightning_vc, or it is damaged"),
    ],
)
def test_fit_refuses_invalid_options(
    tiny_run: TinyRun,
    tmp_path: Path,
    flags: list[str],
    complaint: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if "gpu" in complaint and torch.cuda.is_available():
        pytest.skip("there is a GPU")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "cut.ckpt").write_bytes(tiny_run.tts.read_bytes()[:5000])
    assert re.search(complaint, refusal(tts, [*tiny_run.tts_flags(tmp_path), *flags], capsys))


@pytest.mark.parametrize("command", ["validate", "test"])
def test_nothing_is_measured_without_a_checkpoint(
    tiny_run: TinyRun, tmp_path: Path, command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    message = refusal(tts, tiny_run.tts_flags(tmp_path, command), capsys)
    assert f"{command} needs --ckpt_path" in message


def test_an_encoder_is_not_resumed_on_another_base(
    tiny_run: TinyRun, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    saved = read_checkpoint(tiny_run.tts)
    saved["state_dict"]["tts.table.weight"] = saved["state_dict"]["tts.table.weight"].flip(0)
    write_checkpoint(saved, tmp_path / "other.ckpt")
    flags = ["--pretrained.tts", str(tmp_path / "other.ckpt"), "--ckpt_path", str(tiny_run.encoder)]
    message = refusal(encoder, [*tiny_run.encoder_flags(tmp_path), *flags, "--trainer.max_steps=4"], capsys)
    assert "trained for the speaker embeddings of another TTS model" in message


def renamed(shards: Path, out: Path, names: dict[str, str]) -> Path:
    """The index of other shards in which some speakers are others."""
    out.mkdir()
    content = json.loads((shards / "index.json").read_text())
    for entry in content["speakers"]:
        entry["id"] = names.get(entry["id"], entry["id"])
    (out / "index.json").write_text(signed(content))
    for shard in shards.glob("*.tar"):
        (out / shard.name).symlink_to(shard)
    return out


@pytest.mark.parametrize("restart", ["false", "true"])
def test_a_model_is_not_resumed_on_other_speakers(
    tiny_run: TinyRun, tmp_path: Path, restart: str, capsys: pytest.CaptureFixture[str]
) -> None:
    known = tiny_run.index.speaker_table
    shards = renamed(tiny_run.shards, tmp_path / "shards", {known[0]: "zoe"})
    flags = ["--ckpt_path", str(tiny_run.tts), "--data.shards", str(shards), "--data.loading.restart_epoch", restart]
    message = refusal(tts, [*tiny_run.tts_flags(tmp_path), *flags], capsys)
    assert f"(1 only in the checkpoint: {known[0]}; 1 only in the data: zoe)" in message
    assert "--pretrained.tts CHECKPOINT" in message


def test_a_model_is_not_resumed_on_another_number_of_speakers(
    tiny_run: TinyRun, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    index = prepare(Tones(4, 8), tmp_path / "shards", Splits(test=1, validation=1, held=0.25))
    flags = ["--ckpt_path", str(tiny_run.tts), "--data.shards", str(tmp_path / "shards")]
    message = refusal(tts, [*tiny_run.tts_flags(tmp_path), *flags], capsys)
    assert "6 only in the checkpoint: " in message
    assert f"3 only in the data: {', '.join(index.speaker_table)})" in message
    assert "--pretrained.tts CHECKPOINT" in message


def test_a_voice_is_not_resumed_on_another_speaker(
    tiny_run: TinyRun, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first, second = (entry.id for entry in tiny_run.index.speakers_of("test"))
    flags = tiny_run.adapt_flags("embedding", tmp_path)
    adapt.main([*flags, "--data.speaker", first])
    assert read_checkpoint(tmp_path / "last.ckpt")["speakers"] == [first]
    more = ["--trainer.max_steps=4", "--ckpt_path", str(tmp_path / "last.ckpt"), "--data.loading.restart_epoch=true"]
    message = refusal(adapt, [*flags, *more, "--data.speaker", second], capsys)
    assert f"(1 only in the checkpoint: {first}; 1 only in the data: {second})" in message


def test_a_schedule_cannot_be_prolonged(tiny_run: TinyRun, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    flags = ["--trainer.max_steps=9", "--ckpt_path", str(tiny_run.tts)]
    message = refusal(tts, [*tiny_run.tts_flags(tmp_path), *flags], capsys)
    assert "ends after 4 steps, --trainer.max_steps is 9" in message


def test_a_checkpoint_of_another_max_steps_can_be_validated(tiny_run: TinyRun, tmp_path: Path) -> None:
    flags = ["--trainer.max_steps=9", "--ckpt_path", str(tiny_run.tts)]
    tts.main([*tiny_run.tts_flags(tmp_path, "validate"), *flags])
    assert logged(tmp_path, "val/loss")
