"""Voice files with something wrong in them: what is read is in the file, or it is refused in one line."""

import json
from pathlib import Path

import numpy as np
import pytest
from safetensors.torch import save

from lightning_vc.cloning import Cloner
from lightning_vc.voice import Voice
from tests.fuzz import models
from tests.fuzz.room import TEXT, Room
from tests.fuzz.trials import fail_with, generator

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]


def say_with(model: Path, voice: Path) -> tuple[bytes, dict[str, str]]:
    """What a voice file says, and what it says of itself."""
    loaded = Voice.load(voice)
    wave = Cloner.load(model).say(TEXT, loaded).wave
    assert wave.isfinite().all(), "speaks NaN"
    return wave.numpy().tobytes(), loaded.about


def read_apart(file: Path) -> tuple[np.ndarray, dict[str, str]]:
    """Vector and metadata of a voice file, without the package: raises what it likes."""
    content = file.read_bytes()
    end = models.header_end(content)
    header = json.loads(content[8:end])
    start, stop = header["embedding"]["data_offsets"]
    kind = {"F32": "<f4", "F64": "<f8", "F16": "<f2"}[header["embedding"]["dtype"]]
    return np.frombuffer(content[end + start : end + stop], kind), header["__metadata__"]


def holds(file: Path) -> tuple[np.ndarray, dict[str, str]]:
    voice = Voice.load(file)
    return voice.embedding.numpy(), voice.about


@pytest.mark.parametrize("which", ["voice", "moved"])
def test_a_voice_that_loads_is_what_is_in_its_file(which: str, room: Room) -> None:
    """A voice has no signature: what can be held is that what is read is in the file, or that it is refused."""
    rng = generator(f"voices {which}")
    whole = getattr(room, which).read_bytes()
    end = models.header_end(whole)
    cases = [*models.flips(rng, whole, 0, 8, 6), *models.flips(rng, whole, 8, end, 60)]
    cases += models.flips(rng, whole, end, len(whole), 20)
    cases += [(f"cut at {length}", whole[:length]) for length in (0, 1, 7, 8, 100, end, end + 1, len(whole) - 1)]
    cases += [("longer", whole + bytes(8))]
    problems = []
    for name, content in cases:
        file = room.folder / "changed.safetensors"
        file.write_bytes(content)
        outcome, problem = room.try_out("changed.safetensors", holds, file)
        if outcome.kind == "answer" and not problem:
            embedding, said = outcome.value
            found, metadata = read_apart(file)
            metadata["seconds"] = str(float(metadata["seconds"]))  # a flip may add a zero
            if embedding.tobytes() != found.astype("<f4").tobytes() or any(metadata[key] != said[key] for key in said):
                problem = f"the file holds {found} {metadata}, what is read is {embedding} {said}"
        problems += [f"{name}: {problem}"] if problem else []
    fail_with(problems, len(cases))


def test_other_words_and_numbers_in_a_voice_are_refused_or_say_the_same(room: Room) -> None:
    rng = generator("voices")
    problems, tried = [], 0
    for original, expected in ((room.voice, room.expected[0][0]), (room.moved, room.expected[1][0])):
        tensors, metadata = models.opened(original)
        texts = ("", "x", "-1", "nan", "1e400", "0" * 5000, "\x1b[2Jx", "a\nb", "../victim", "null", "9" * 400)
        cases = [
            (f"{key} = {new!r:.30}", tensors, {**metadata, key: new})
            for key in metadata
            for new in rng.sample(texts, 4)
        ]
        cases += [(f"no {key}", tensors, models.without(metadata, (key,))) for key in metadata]
        cases += [
            (f"more: {key}", tensors, {**metadata, key: "x"}) for key in ("embedding", "moved", "self", "cls", "x y")
        ]
        odd = models.odd_weights(rng, tensors, list(tensors))
        cases += [
            (name, weights, metadata) for name, weights in odd if not name.endswith(": huge")
        ]  # just another voice
        cases += [("no embedding, no base", {}, {})]
        for name, weights, words in cases:
            file = room.folder / "changed.safetensors"
            file.write_bytes(save({key: value.contiguous() for key, value in weights.items()}, words))
            outcome, problem = room.try_out("", say_with, room.model, file)
            if outcome.kind == "answer" and not problem and outcome.value[0] != expected:
                problem = "says something else"
            problems += [f"{original.name}: {name}: {problem}"] if problem else []
            tried += 1
    fail_with(problems, tried)
