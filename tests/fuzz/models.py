"""Model, voice and index files with something wrong in them, and code that must never run."""

import copy
import hashlib
import io
import json
import os
import pickle
import random
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import save
from torch import Tensor

from tests.signed import signed

ALARM = "alarm"  # file in the working folder that tells that foreign code was run
# Anything of another kind than what was there, and numbers that nobody means.
VALUES: tuple[Any, ...] = (
    None, True, "", "x", "a\nb", "../../victim", [], {}, [[]], {"a": 1}, [1, 2, 3], -1, 0, 0.5, 1e308, -1e308, 10**7,
    10**12, 10**30, float("nan"), float("inf"),
)  # fmt: skip
# Class paths that run something when they are imported or called.
CLASS_PATHS = (
    "canary.Canary", "canary.run", "canary", "canary.deep.Canary", "os.system", "builtins.exec", "builtins.eval",
    "subprocess.Popen", "runpy.run_path", "importlib.import_module", "posix.system", "this.s",
    "lightning_vc.modules.speaker_recognition.SpeakerEmbedder", "lightning_vc.__main__.main",
    "lightning_vc.tasks.base.import_module",
    "lightning_vc.tasks.base.torch.hub.load", "torch.nn.Linear", "torch.hub.load", "torch.nn.Identity", "..", "", ".",
    "../canary.Canary", "canary:Canary", "lightning_vc", "lightning_vc.tasks.tts.Nothing",
    "lightning_vc.audio.io.write",
    "lightning_vc.files.remove_folder", "shutil.rmtree", "a" * 10_000, "a." * 2000 + "b",
)  # fmt: skip
_ARGUMENTS = ({}, {"command": f"touch {ALARM}"}, {"in_features": 10**6, "out_features": 10**6}, {"path": "victim"},
              {"source": "victim", "savedir": "victim"}, {"folder": "victim"})  # fmt: skip
Path_ = tuple[Any, ...]


def write_canary(folder: Path) -> None:
    """A module that raises the alarm when it is imported, and one when it is called."""
    alarm = f"open({str(folder / ALARM)!r}, 'w').close()\n"
    (folder / "canary.py").write_text(
        f"import torch\n{alarm}def run(*args, **kwargs):\n    {alarm}class Canary(torch.nn.Module):\n"
        f"    def __init__(self, *args, **kwargs):\n        super().__init__()\n        {alarm}"
    )
    (folder / "victim").mkdir()
    (folder / "victim" / "hyperparams.yaml").write_text(f"a: !apply:os.system ['touch {folder / ALARM}']\n")
    (folder / "victim" / "letter.txt").write_text("Dear Anna")
    (folder / "victim" / "sub").mkdir()
    (folder / "victim" / "sub" / "picture.png").write_bytes(b"\x89PNG")


def leaves(value: Any, path: Path_ = ()) -> Iterator[Path_]:
    """The places of all values in nested mappings and lists, also those of the mappings and lists."""
    if path:
        yield path
    for key, item in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield from leaves(item, (*path, key))


def at(value: Any, path: Path_) -> Any:
    """What is at a place."""
    for key in path:
        value = value[key]
    return value


def replaced(value: Any, path: Path_, new: Any) -> Any:
    """A copy in which something else is at a place."""
    changed = copy.deepcopy(value)
    at(changed, path[:-1])[path[-1]] = new
    return changed


def without(value: Any, path: Path_) -> Any:
    """A copy in which nothing is at a place."""
    changed = copy.deepcopy(value)
    del at(changed, path[:-1])[path[-1]]
    return changed


def other_values(rng: random.Random, content: Any, each: int) -> Iterator[tuple[str, Any]]:
    """Copies with some other values at each of the places, and with nothing there."""
    for path in leaves(content):
        for new in rng.sample(VALUES, each):
            yield f"{'/'.join(map(str, path))} = {new!r:.40}", replaced(content, path, new)
        yield f"{'/'.join(map(str, path))} missing", without(content, path)


def class_paths(rng: random.Random, content: Any, each: int) -> Iterator[tuple[str, Any]]:
    """Copies with evil class paths wherever there is one, and wherever a class could be asked for."""
    for path in leaves(content):
        old = at(content, path)
        slot = path[-1] in ("class_path", "task", "_instantiator") or (isinstance(old, str) and "lightning_vc." in old)
        for evil in CLASS_PATHS if slot else rng.sample(CLASS_PATHS, each):
            new: Any = evil if slot else {"class_path": evil, "init_args": rng.choice(_ARGUMENTS)}
            changed = replaced(content, path, new)
            if path[-1] == "class_path":
                at(changed, path[:-1])["init_args"] = rng.choice(_ARGUMENTS)
            yield f"{'/'.join(map(str, path))} = {evil:.60}", changed


def flips(rng: random.Random, content: bytes, start: int, end: int, count: int) -> Iterator[tuple[str, bytes]]:
    """Copies in which a few bits between two places are changed."""
    for _ in range(count):
        changed = bytearray(content)
        places = [rng.randrange(start, end) for _ in range(rng.choice([1, 1, 2, 8]))]
        for place in places:
            changed[place] ^= 1 << rng.randrange(8)
        yield f"bits of {places}", bytes(changed)


def header_end(content: bytes) -> int:
    """Where the header of a safetensors file ends."""
    return 8 + int.from_bytes(content[:8], "little")


def opened(file: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Tensors and metadata of a safetensors file, which may be written over while they are used."""
    with safe_open(file, "pt") as found:
        return {name: found.get_tensor(name).clone() for name in found.keys()}, dict(found.metadata() or {})  # noqa: SIM118


def odd_weights(
    rng: random.Random, weights: dict[str, Tensor], names: list[str]
) -> Iterator[tuple[str, dict[str, Tensor]]]:
    """Copies of weights in which some have values, shapes, types or names that they should not have."""
    kinds: dict[str, Callable[[Tensor], Tensor]] = {
        "NaN": lambda x: torch.full_like(x, torch.nan),
        "one NaN": lambda x: x.index_fill(0, torch.tensor([0]), torch.nan) if x.dim() else x + torch.nan,
        "infinite": lambda x: torch.full_like(x, torch.inf),
        "huge": lambda x: torch.full_like(x, 6e4),
        "transposed": lambda x: x.transpose(0, -1).contiguous() if x.dim() > 1 else x[:-1],
        "flat": lambda x: x.reshape(-1)[:1],
        "longer": lambda x: torch.cat([x, x]),
        "none": lambda x: x[:0],
        "integers": lambda x: x.to(torch.int32),
        "bytes": lambda x: x.to(torch.uint8),
        "truth values": lambda x: x > 0,
        "complex": lambda x: x.to(torch.complex64),
        "float8": lambda x: x.to(torch.float8_e4m3fn),
    }
    for kind, change in kinds.items():
        name = rng.choice(names)
        yield f"{name}: {kind}", {**weights, name: change(weights[name])}
    for name in rng.sample(names, min(3, len(names))):
        yield f"{name}: missing", {key: value for key, value in weights.items() if key != name}
        yield f"{name}: renamed", {(f"{key}x" if key == name else key): value for key, value in weights.items()}
    yield "an extra tensor", {**weights, "extra": torch.zeros(3)}
    yield "an extra layer", {**weights, f"{names[0]}.more": torch.zeros(3)}
    yield "no tensors", {}


class Runs:
    """What runs a command when it is unpickled."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self.call = function, arguments

    def __reduce__(self) -> Any:
        return self.call


def pickles(folder: Path) -> Iterator[tuple[str, bytes]]:
    """Pickles that raise the alarm where they are loaded, in all ways in which torch keeps them."""
    alarm = str(folder / ALARM)
    bombs = {
        "system": Runs(os.system, f"touch {alarm}"),
        "open": Runs(open, alarm, "w"),
        "exec": Runs(exec, f"open({alarm!r}, 'w')"),
        "eval": Runs(eval, f"open({alarm!r}, 'w')"),
    }
    whole = {"task": "lightning_vc.tasks.tts.TTSTask", "hyper_parameters": {}, "models": {}, "state_dict": {},
             "loops": {},
             "epoch": 0,
             "pytorch-lightning_version": "2.6.6", "global_step": 0, "optimizer_states": [],
             "lr_schedulers": []}  # fmt: skip
    for name, bomb in bombs.items():
        for protocol in (0, 2, 4, 5):
            yield f"{name}-{protocol}", pickle.dumps(bomb, protocol)
        for key in ("task", "models", "hyper_parameters", "state_dict", "loops", "pytorch-lightning_version"):
            for zipped in (True, False):
                buffer = io.BytesIO()
                torch.save(whole | {key: bomb}, buffer, _use_new_zipfile_serialization=zipped)
                yield f"{name}-{key}-{'zip' if zipped else 'legacy'}", buffer.getvalue()
    module = b"\x80\x04ccanary\nCanary\n)R."
    yield "module", module
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("archive/data.pkl", module)
        archive.writestr("archive/version", "3\n")
        archive.writestr("../../../victim/letter.txt", "gone")
    yield "module-zip", buffer.getvalue()


def in_safetensors(weights: dict[str, Tensor], about: Any) -> bytes:
    """The bytes of an exported model."""
    return save({name: value.contiguous() for name, value in weights.items()}, {"model": json.dumps(about)})


def rename_speaker(shards: Path, old: str, new: str) -> None:
    """Give a test speaker another id, in a shard and in the index, whose checksums hold."""
    file = shards / "test-000000.tar"
    with tarfile.open(file) as tar:
        members = {member.name: tar.extractfile(member).read() for member in tar}  # type: ignore[union-attr]
    with tarfile.open(file, "w", format=tarfile.USTAR_FORMAT) as tar:
        for name, content in members.items():
            if name.endswith(".json"):
                known = json.loads(content)
                del known["crc32"]
                known["speaker"] = new if known["speaker"] == old else known["speaker"]
                rest = json.dumps(known)[1:].encode()
                sound = members[name.removesuffix(".json") + ".flac"][:1024]
                content = b'{"crc32": "%08x", ' % zlib.crc32(sound, zlib.crc32(rest)) + rest
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    index = json.loads((shards / "index.json").read_text())
    index["sets"]["test"][0] |= {"bytes": file.stat().st_size, "sha256": hashlib.sha256(file.read_bytes()).hexdigest()}
    for speaker in index["speakers"]:
        speaker["id"] = new if speaker["id"] == old else speaker["id"]
    (shards / "index.json").write_text(signed(index))


def snapshot(*folders: Path) -> dict[str, bytes]:
    """All files of some folders, but for what Python and the alarm leave."""
    files = (file for folder in folders for file in sorted(folder.rglob("*")) if file.is_file())
    return {str(file): file.read_bytes() for file in files if "__pycache__" not in str(file)}
