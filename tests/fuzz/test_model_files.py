"""Model files and checkpoints with something wrong in them: none runs code, and none changes a voice unseen."""

import json
import os
import random
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save

from lightning_vc.checkpoint import class_path, fingerprint, load_model, write_checkpoint
from lightning_vc.cloning import Cloner
from lightning_vc.files import SUMS
from lightning_vc.modules.acoustic import DeepVoice3
from lightning_vc.modules.tts import TTSModel
from lightning_vc.recipes import synthesize, tts, voices
from lightning_vc.trust import build
from lightning_vc.untrusted import read_checkpoint
from lightning_vc.voice import Voice
from tests.fuzz import models
from tests.fuzz.room import TEXT, Room, use
from tests.fuzz.trials import Worker, fail_with, generator

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]


def tried_as(room: Room, part: str, cases: Iterable[tuple[str, bytes]], same: bool, sums: bool = False) -> list[str]:
    """What is wrong where other bytes stand in the place of a part of the model; `same`: answers must not change."""
    file = room.model / f"{part}.safetensors"
    whole, kept = file.read_bytes(), (room.model / SUMS).read_bytes()
    problems = []
    try:
        if not sums:
            (room.model / SUMS).unlink()
        for name, content in cases:
            file.write_bytes(content)
            outcome, problem = room.try_out("", use, room.model, room.voice, room.clip)
            if outcome.kind == "refusal" and not problem and str(room.model) not in outcome.message:
                problem = f"the refusal names no file: {outcome.message}"
            if same and outcome.kind == "answer" and not problem and outcome.value != room.expected[0]:
                problem = "another voice, and nobody is told"
            problems += [f"{part}: {name}: {problem}"] if problem else []
    finally:
        file.write_bytes(whole)
        (room.model / SUMS).write_bytes(kept)
    return problems


def about(room: Room, part: str) -> tuple[dict[str, torch.Tensor], Any]:
    weights, metadata = models.opened(room.model / f"{part}.safetensors")
    return weights, json.loads(metadata["model"])


@pytest.mark.parametrize("part", ["tts", "encoder"])
def test_bits_of_a_model_do_not_change_a_voice_unseen(part: str, room: Room) -> None:
    rng = generator(f"flips {part}")
    whole = (room.model / f"{part}.safetensors").read_bytes()
    end = models.header_end(whole)
    cases = [*models.flips(rng, whole, 0, 8, 6), *models.flips(rng, whole, 8, end, 20)]
    cases += models.flips(rng, whole, end, len(whole), 20)
    cases += [(f"cut at {length}", whole[:length]) for length in (0, 1, 7, 8, 100, end, end + 1, len(whole) - 1)]
    fail_with(tried_as(room, part, cases, same=True, sums=True), len(cases))


@pytest.mark.parametrize("part", ["tts", "encoder"])
def test_other_settings_of_a_model_are_refused_or_work(part: str, room: Room) -> None:
    weights, known = about(room, part)
    cases = list(models.other_values(generator(f"settings {part}"), known, 1))
    made = ((name, models.in_safetensors(weights, content)) for name, content in cases)
    fail_with(tried_as(room, part, made, same=False), len(cases))


@pytest.mark.parametrize("part", ["tts", "encoder"])
def test_no_class_path_of_a_model_runs_code(part: str, room: Room) -> None:
    weights, known = about(room, part)
    cases = list(models.class_paths(generator(f"class paths {part}"), known, 1))
    slots = [case for case in cases if "class_path" in case[0]]
    cases = [*slots[::3], *generator("choice").sample(cases, min(80, len(cases)))]
    assert len(cases) >= 40
    made = ((name, models.in_safetensors(weights, content)) for name, content in cases)
    fail_with(tried_as(room, part, made, same=True), len(cases))


@pytest.mark.parametrize("part", ["tts", "encoder"])
def test_odd_weights_are_refused(part: str, room: Room) -> None:
    weights, known = about(room, part)
    names = [name for name, value in weights.items() if value.is_floating_point()]
    cases = list(models.odd_weights(generator(f"weights {part}"), weights, names))
    cases += [
        ("single precision", {name: value.double() if name in names else value for name, value in weights.items()})
    ]
    made = [(name, models.in_safetensors(content, known)) for name, content in cases]
    # Finite weights of the right shape are another model: a lone file of them loads, and only SHA256SUMS tells.
    finite = [case for case in made if case[0].endswith(": huge")]
    problems = tried_as(room, part, [case for case in made if case not in finite], same=True)
    problems += tried_as(room, part, finite, same=False) + tried_as(room, part, finite, same=True, sums=True)
    fail_with(problems, len(cases))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "null",
        "[]",
        "{}",
        "[" * 100_000,
        '{"a":' * 100_000,
        "1" * 5000,
        '{"class_path": 1}',
        "\0",
        '"x"',
        '{"class_path": "\\ud800"}',
    ],
    ids=range(11),
)
def test_odd_metadata_of_a_model_is_refused(text: str, room: Room) -> None:
    weights, _ = about(room, "tts")
    content = save(weights, {"model": text})
    assert tried_as(room, "tts", [("odd metadata", content)], same=True) == []


_ENCODER = {"class_path": "lightning_vc.modules.text_encoder.TextEncoder", "init_args": {
    "embedding": 8, "channels": 8, "layers": 1}}  # fmt: skip
_CONVERTER = {"class_path": "lightning_vc.modules.converter.Converter", "init_args": {"channels": 8, "layers": 1}}
_WIDE = {**_CONVERTER, "init_args": {"channels": 20_000, "layers": 0}}
_PRENET = {"class_path": "lightning_vc.modules.decoder.Prenet", "init_args": {"sizes": [8]}}
_DECODER = {"class_path": "lightning_vc.modules.decoder.Decoder", "init_args": {"layers": 10, "prenet": _PRENET,
    "attention": {"class_path": "lightning_vc.modules.attention.Attention", "init_args": {"hidden": 4}}}}  # fmt: skip
_DETAILED = {"sample_rate": 16_000, "n_fft": 8192, "window": 8192, "hop": 128, "n_mels": 1}
_COARSE = {"sample_rate": 16_000, "n_fft": 64, "window": 64, "hop": 16, "n_mels": 1}
_ENDLESS = {"frames_per_symbol": 1000, "frames_at_end": 1000, "decoder": _DECODER, "converter": _CONVERTER}
# Models of a few MB that make as much of a symbol as their settings allow: parts, spectrograms, longest training text.
HUGE: dict[str, tuple[dict[str, Any], dict[str, int], int]] = {
    "many waves": ({"waves": 16, "max_symbol_frames": 1000, "converter": _CONVERTER}, _DETAILED, 1023),
    "wide converter": ({"waves": 1, "max_symbol_frames": 1000, "converter": _WIDE}, _COARSE, 1023),
    "many stretches": ({"waves": 1, "max_symbol_frames": 1000, "converter": _CONVERTER}, _DETAILED, 2),
    "endless decoder": ({"reduction": 1, **_ENDLESS}, _DETAILED, 1023),
    "wide groups": ({"reduction": 1000, **_ENDLESS}, _COARSE, 1023),
}  # fmt: skip


def write_huge(kind: str, file: Path) -> None:
    """Write a model whose sentences are as long and as large as its settings allow, and a voice of it."""
    parts, spectrograms, longest = HUGE[kind]
    name = "acoustic.DeepVoice3" if "decoder" in parts else "fastpitch.ConvFastPitch"
    sizes = {key: spectrograms[key] for key in ("n_fft", "n_mels")} | {"speaker_dim": 8}
    own = {} if "decoder" in parts else {"sample_rate": spectrograms["sample_rate"], "channels": 8, "layers": 1}
    settings = {
        "model": {
            "class_path": f"lightning_vc.modules.{name}",
            "init_args": {"encoder": _ENCODER} | sizes | own | parts,
        },
        "spectrograms": {"class_path": "lightning_vc.audio.features.Spectrograms", "init_args": spectrograms},
        "frontend": {"class_path": "lightning_vc.text.frontend.Characters"},
        "speakers": ["a"],
    }
    tts = build(TTSModel, settings, "model")
    tts.lengths[longest] = 1
    if isinstance(tts.model, DeepVoice3):
        torch.nn.init.constant_(tts.model.decoder.done.bias, -1e4)  # it never ends
    else:
        torch.nn.init.constant_(tts.model.duration_predictor.leave.bias, 7.0)  # e^7 frames a symbol
    config = {"class_path": class_path(TTSModel), "init_args": settings}
    file.write_bytes(models.in_safetensors(tts.state_dict(), config))
    Voice(torch.zeros(8), "table", fingerprint(tts), 1).save(file.with_name("huge-voice.safetensors"))


def say_huge(file: Path, texts: list[str]) -> list[tuple[float, tuple[str, ...]]]:
    """Seconds of what a model says of each text, and its problems."""
    cloner = Cloner.load(file)
    said = cloner.say_all(texts, Voice.load(file.with_name("huge-voice.safetensors")))
    return [(len(speech.wave) / speech.sample_rate, speech.problems) for speech in said]


@pytest.mark.parametrize("kind", HUGE)
def test_no_model_of_a_few_megabytes_takes_gigabytes(kind: str, room: Room) -> None:
    file = room.folder / "huge.safetensors"
    write_huge(kind, file)
    assert file.stat().st_size < 8 << 20
    rest = "of the many that are said at once, and of no great length, and of no great length either"
    said = [f"sentence {number} {rest}" for number in range(4)]
    worker = Worker(room.folder, seconds=300, memory=3 << 30)
    outcome = worker.call(say_huge, file, said)
    worker.close()
    assert not outcome.problem(seconds=300), outcome
    if kind == "many stretches":
        assert re.match("the model generates far too much audio for '.+': take another", outcome.message)
        return
    for number, (seconds, problems) in zip(("zero", "one", "two", "three"), outcome.value, strict=True):
        assert seconds <= 61
        if kind == "endless decoder":  # the window leads attention to the end, and `frames_at_end` after that it stops
            continue
        assert problems[0].startswith(f"the model found no end: sentence {number} of the many")


def load(kind: str, path: Path) -> None:
    """Read a file as that which it is taken for, in one of the ways that there are."""
    words = {
        "synthesize": ["--model", str(path), "--voice", "v.safetensors", "--text", TEXT, "--out", "out.wav"],
        "vocoder": [
            "--model",
            "model",
            "--vocoder",
            str(path),
            "--voice",
            "v.safetensors",
            "--text",
            TEXT,
            "--out",
            "o.wav",
        ],
        "voice": ["--model", "model", "--voice", str(path), "--text", TEXT, "--out", "out.wav"],
    }
    if kind == "model":
        load_model(path, TTSModel)
    elif kind == "list":
        os.environ["LIGHTNING_VC_VOICES"] = str(path.parent)
        voices.main(["list"])
    else:
        synthesize.main(words[kind])


@pytest.mark.parametrize("kind", ["model", "synthesize", "vocoder", "voice", "list"])
def test_no_pickle_runs_code(kind: str, room: Room) -> None:
    problems = []
    cases = list(models.pickles(room.folder))
    if kind != "model":
        cases = generator(f"pickles {kind}").sample(cases, 20)
    place = room.folder / "pickles"
    place.mkdir(exist_ok=True)
    for number, (name, content) in enumerate(cases):
        suffix = ".safetensors" if kind in ("voice", "list") else (".ckpt", ".pt", ".safetensors")[number % 3]
        file = place / f"evil{suffix}"
        file.write_bytes(content)
        outcome, problem = room.try_out("evil", load, kind, file)
        if outcome.kind == "answer" and kind != "list":
            problem = "taken for what it is not"
        problems += [f"{name}{suffix}: {problem}"] if problem else []
        file.unlink()
    fail_with(problems, len(cases))


def resume(flags: list[str], out: Path, *more: str) -> dict[str, bytes]:
    """The weights of a training that goes on from a checkpoint to its end."""
    tts.main([*flags, "--model.scheduler.init_args.total_steps", "4", *more])
    saved = read_checkpoint(out / "last.ckpt")
    return {name: value.numpy().tobytes() for name, value in saved["state_dict"].items()}


def changed_checkpoints(
    rng: random.Random, saved: dict[str, Any], out: Path, victim: Path
) -> Iterator[tuple[str, Any]]:
    """A checkpoint with other values in it, also in what Lightning itself reads."""
    plain = {key: value for key, value in saved.items() if key not in ("state_dict", "optimizer_states")}
    paths = [path for path in models.leaves(plain) if path[0] != "hyper_parameters"]
    for path in [*((key,) for key in saved), *rng.sample(paths, 20)]:
        yield f"{path} missing", models.without(saved, path)
        new = rng.choice(models.VALUES)
        yield f"{path} = {new!r:.40}", models.replaced(saved, path, new)
    for evil in models.CLASS_PATHS[:6]:
        yield f"task = {evil}", saved | {"task": evil}
    (callback,) = (key for key in saved["callbacks"] if "LastCheckpoint" in key)
    for target in (victim / "letter.txt", out / ".." / victim.name / "letter.txt", out / ".." / ".." / "victim"):
        for field in ("last_model_path", "best_model_path", "kth_best_model_path"):
            yield f"{field} = {target}", models.replaced(saved, ("callbacks", callback, field), str(target))
        best = {str(target): torch.tensor(0.0)}
        yield f"best_k_models = {target}", models.replaced(saved, ("callbacks", callback, "best_k_models"), best)
    states = models.at(saved, ("optimizer_states", 0, "state"))
    for name in ("exp_avg", "step"):
        wrong = {key: {**value, name: torch.full((3,), torch.nan)} for key, value in states.items()}
        yield f"optimizer state {name}", models.replaced(saved, ("optimizer_states", 0, "state"), wrong)
    yield "no optimizer state", models.replaced(saved, ("optimizer_states", 0, "state"), {})


def test_training_goes_on_the_same_or_not_at_all(room: Room) -> None:
    out, begun = room.folder / "resumed", room.folder / "begun.ckpt"
    flags = room.run.tts_flags(out)
    room.answer(resume, flags, out, "--trainer.max_steps", "2")
    (out / "last.ckpt").replace(begun)
    expected = room.answer(resume, flags, out, "--ckpt_path", str(begun))
    saved = read_checkpoint(begun)
    problems = []
    cases = list(changed_checkpoints(generator("resume"), saved, out, room.folder / "victim"))
    cases = generator("choice").sample(cases, 50)
    for number, (name, content) in enumerate(cases):
        file = room.folder / f"changed{('.ckpt', '.pt')[number % 4 == 3]}"
        write_checkpoint(content, file)
        outcome, problem = room.try_out("", resume, flags, out, "--ckpt_path", str(file), seconds=20)
        if outcome.kind == "refusal" and not problem and not re.search(f"{file}|the checkpoint was", outcome.message):
            problem = f"the refusal names no file: {outcome.message}"
        if outcome.kind == "answer" and outcome.value != expected and not problem:
            problem = "trains to other weights, and nobody is told"
        problems += [f"{name}: {problem}"] if problem else []
    fail_with(problems, len(cases))


def test_training_runs_no_pickle(room: Room) -> None:
    out = room.folder / "resumed"
    flags = room.run.tts_flags(out)
    problems = []
    cases = generator("pickles of training").sample(list(models.pickles(room.folder)), 16)
    for number, (name, content) in enumerate(cases):
        file = room.folder / f"evil{('.ckpt', '.pt')[number % 2]}"
        file.write_bytes(content)
        option = ("--ckpt_path", "--pretrained.tts")[number // 2 % 2]
        outcome, problem = room.try_out("evil", resume, flags, out, option, str(file), seconds=20)
        problem = problem or ("taken for a checkpoint" if outcome.kind == "answer" else "")
        problems += [f"{option} {name}{file.suffix}: {problem}"] if problem else []
    fail_with(problems, len(cases))
