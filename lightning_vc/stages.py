"""A recipe: stages run one after the other, finished ones skipped, an interrupted one resumed.

```yaml
dir: runs/mini                      # where everything goes
stages:
  tts:
    verb: tts fit                   # python -m lightning_vc.recipes.tts fit
    options:                        # --data.shards runs/mini/shards ...
      config: ${here}/tts.yaml      # `here` is the folder of the recipe
      data.shards: ${dir}/shards
    checkpoint: ${dir}/tts/last.ckpt  # handed back as --ckpt_path when the stage was cut off
    asked: true                     # run only where it is asked for by name
```
"""

import ctypes
import hashlib
import json
import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from rich.console import Console
from yaml import YAMLError

from lightning_vc.console import INTERRUPTED, printable
from lightning_vc.files import inside, plain_name, read_text, write_file
from lightning_vc.settings import check_interpolation, check_yaml

_PATIENCE = 10.0  # seconds for a command to end by itself after Ctrl-C
# `run` would never end, and `voices` changes what belongs to no recipe.
_VERBS = {file.stem for file in Path(__file__).with_name("recipes").glob("[!_]*.py")} - {"run", "voices"}
_OUTPUTS = {"out", "save", "trainer.default_root_dir"}  # options that name what is written


@dataclass(frozen=True)
class Stage:
    """One command of a recipe.

    Attributes:
        command: the words behind `python -m`.
        key: hash of the command, of the configs and files of the recipe that it names (not of what stages left) and of
            the stages that it uses. It changes when the stage has to be run again.
        checkpoint: where the stage can be resumed from, if it can.
        asked: whether it runs only where it is asked for by name.
        left: the checkpoint and its folder, or else `out`: whoever names them uses the stage.
        used: keys of the stages that it uses.
    """

    name: str
    command: tuple[str, ...]
    key: str
    checkpoint: Path | None
    asked: bool = False
    left: tuple[Path, ...] = ()
    used: tuple[str, ...] = ()


class Recipe:
    """What a recipe.yaml says, with `key=value` overrides.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it is no recipe, an override names a key that the recipe does not have, a stage has no plain name
            or no verb of ours, or a checkpoint is not inside of `dir`.
    """

    def __init__(self, path: str | Path, overrides: Sequence[str] = ()) -> None:
        file = Path(path)
        if not file.is_file():
            raise FileNotFoundError(f"no recipe at {file}")
        try:
            text = read_text(file)
            check_yaml(text)
            content = OmegaConf.create(text)
        except (YAMLError, UnicodeDecodeError, OmegaConfBaseException) as error:
            raise ValueError(f"{file} cannot be read as YAML: {error}") from error
        if (
            not isinstance(content, DictConfig)
            or "dir" not in content
            or not isinstance(content.get("stages"), DictConfig)
        ):
            raise ValueError(f"{file} is no recipe: it needs `dir` and `stages`, which are named")
        content["here"] = str(file.parent)
        OmegaConf.set_struct(content, True)
        if odd := [override for override in overrides if "=" not in override]:
            raise ValueError(f"{odd[0]!r} is no setting of {file}: write key=value")  # OmegaConf would make it null
        try:
            content.merge_with_dotlist(list(overrides))
            check_interpolation(OmegaConf.to_container(content))
            resolved = cast(dict[str, Any], OmegaConf.to_container(content, resolve=True))
            check_interpolation(resolved)  # or a stage would be given what several settings are together
        except (OmegaConfBaseException, YAMLError) as error:
            raise ValueError(f"{file} with {list(overrides)}: {str(error).splitlines()[0]}") from error
        if not isinstance(resolved["dir"], str) or not resolved["dir"]:
            raise ValueError(f"{file}: dir is {resolved['dir']!r}: name the folder that everything goes to")
        self.here, self.dir = file.parent, Path(resolved["dir"])
        self.stages = self._stages(resolved["stages"])

    def _stages(self, stages: dict[str, dict[str, Any]]) -> list[Stage]:
        earlier: list[Stage] = []
        for name, stage in stages.items():
            plain_name(name, "stage")
            if not isinstance(stage, dict):
                raise ValueError(f"stage {name} is {stage!r}: it takes verb, options, checkpoint and asked")
            unknown = set(stage) - {"verb", "options", "checkpoint", "asked"}
            if unknown or not stage.get("verb"):
                raise ValueError(f"stage {name} takes verb, options, checkpoint and asked, got {', '.join(stage)}")
            verb, *words = shlex.split(str(stage["verb"]))
            if verb not in _VERBS:
                raise ValueError(f"stage {name} has the verb {verb!r}: choose one of {', '.join(sorted(_VERBS))}")
            command = [f"lightning_vc.recipes.{verb}", *words]
            options = stage.get("options") or {}
            if not isinstance(options, dict):
                raise ValueError(f"stage {name} has the options {options!r}: write `option: value` for each")
            if odd := [word for word in words if word.startswith("-")]:
                raise ValueError(f"stage {name} has the option {odd[0]!r} in its verb: write it under options")
            for option, value in options.items():
                writes = value is not None and (option in _OUTPUTS or (option, verb) == ("voice", "clone"))
                if writes and Path(str(value)).resolve() != self.dir.resolve():
                    inside(self.dir, str(Path(str(value)).absolute()))
                command += _words(option, value) if value is not None else []
            used = [each for each in earlier if self._uses(command, each)]
            within = {key for each in used for key in each.used}  # are part of their keys already
            checkpoint = Path(str(stage["checkpoint"])) if stage.get("checkpoint") else None
            if checkpoint:
                inside(self.dir, str(checkpoint.absolute()))  # it may be renamed
                if checkpoint.suffix != ".ckpt":
                    raise ValueError(f"stage {name} has the checkpoint {checkpoint}: name a file that ends in .ckpt")
            out = options.get("out")
            left = (checkpoint, checkpoint.parent) if checkpoint else (Path(str(out)),) if out else ()
            made = {self.dir, *left, *(place for each in earlier for place in each.left)}
            before = "".join(each.key for each in used if each.key not in within)
            key = _hash(before, command, [Path(word) for word in command if self._is_setting(word, made)])
            asked, keys = bool(stage.get("asked")), tuple(each.key for each in used)
            earlier.append(Stage(name, tuple(command), key, checkpoint, asked, left, keys))
        return earlier

    def _is_setting(self, word: str, made: Iterable[Path]) -> bool:
        """Whether a word of a command names a config or a file of the recipe, and not what a stage made.

        A folder that the recipe itself lies in is not one that a stage made.
        """
        here = Path(os.path.abspath(self.here))
        file = Path(os.path.abspath(word))
        own = word.endswith(".yaml") or file.is_relative_to(here)
        folders = [place for place in map(os.path.abspath, made) if not here.is_relative_to(place)]
        return own and file.is_file() and not any(map(file.is_relative_to, folders))

    def _uses(self, command: Sequence[str], before: Stage) -> bool:
        """Whether a command names what a stage before it left, something in there, or a folder around it.

        `dir` is around everything: to name it is to use what is made without being asked for. A stage that does not say
        what it leaves is used by all that follow.
        """
        words = [word for word in command if not (before.asked and Path(word) == self.dir)]
        return not before.left or any(
            (place != self.dir and str(place) in word) or place.is_relative_to(word)
            for place in before.left
            for word in words
        )

    def run(self, names: Sequence[str] | None = None) -> None:
        """Run these stages, without names all that need not be asked for.

        Raises ValueError for an unknown name, SystemExit when a stage fails.
        """
        known = [stage.name for stage in self.stages]
        if unknown := set(names or ()) - set(known):
            raise ValueError(f"no stage {', '.join(sorted(unknown))}: the recipe has {', '.join(known)}")
        console = Console(stderr=True, highlight=False, soft_wrap=True)
        for number, stage in enumerate(self.stages, 1):
            if stage.asked if names is None else stage.name not in names:
                continue
            title = f"stage {number} of {len(known)}: {stage.name}"
            record = inside(self.dir, ".stages", f"{stage.name}.json")
            finished, kept = _in_place(record, stage)
            if kept:
                told = f"other settings had begun {stage.checkpoint}: that is now {kept.name} beside it"
                console.print(printable(told), markup=False)
            if finished:
                console.print(f"[bold]{title}[/] is finished")
                continue
            command = [sys.executable, "-m", *stage.command]
            if stage.checkpoint and stage.checkpoint.exists():
                command += ["--ckpt_path", str(stage.checkpoint)]
            console.print(f"[bold]{title}[/]")
            console.print(printable(shlex.join(["python", *command[1:]])), markup=False)
            status = _call(command)
            if status:
                console.print(
                    f"[bold red]{title} ended[/] with status {status}; run the recipe again to go on from there"
                )
                raise SystemExit(status if status > 0 else 128 - status)
            _write(record, {"key": stage.key, "finished": True})


def _in_place(record: Path, stage: Stage) -> tuple[bool, Path | None]:
    """Bring what there is of a stage with these settings into place; whether it is finished, and what was put aside.

    What other settings left is put aside, not deleted: with them, the stage is again as far as it was.
    """
    kept = None
    state: dict[str, Any] = {"key": None, "finished": False} | _read(record)
    if state["key"] != stage.key:
        aside = state.get("aside", {})
        finished = False
        if stage.checkpoint:
            if stage.checkpoint.exists():
                if not isinstance(state["key"], str):
                    raise ValueError(
                        f"{stage.checkpoint} is there, and no stage of this recipe has left it: move it away, or give "
                        "another dir"
                    )
                inside(record.parent.parent, str(stage.checkpoint.absolute()))  # stages may have made links since
                kept = stage.checkpoint.replace(_aside(stage.checkpoint, state["key"]))
                aside[state["key"]] = state["finished"]
            if _aside(stage.checkpoint, stage.key).exists():
                _aside(stage.checkpoint, stage.key).replace(stage.checkpoint)
                finished = aside.pop(stage.key, False)
        state = {"key": stage.key, "finished": finished, "command": stage.command, "aside": aside}
        _write(record, state)
    return bool(state["finished"]), kept


def _aside(checkpoint: Path, key: str) -> Path:
    return checkpoint.with_name(f"{checkpoint.stem}-{key[:12]}{checkpoint.suffix}")


def _call(command: Sequence[str]) -> int:
    """Run a command and give its status; Ctrl-C and SIGTERM end it, not us, and so have a status too."""
    with subprocess.Popen(command, preexec_fn=_end_with_parent) as process:
        before = signal.signal(signal.SIGTERM, lambda *_: process.terminate())
        try:
            return process.wait()
        except KeyboardInterrupt:
            with suppress(subprocess.TimeoutExpired):
                process.wait(_PATIENCE)  # a terminal has sent it to the command too
            process.terminate()
            process.wait()
            return INTERRUPTED
        finally:
            signal.signal(signal.SIGTERM, before)


def _end_with_parent() -> None:
    """In the process of a stage: end when the recipe's is killed, or two would train once it is run again."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # 1 is PR_SET_PDEATHSIG


def _words(option: str, value: Any) -> list[str]:
    """An option as words of a command line; a list repeats `--config`, and follows any other option word by word."""
    if isinstance(value, list):
        if option == "config":
            return [word for each in value for word in ("--config", str(each))]
        return [f"--{option}", *map(str, value)]
    return [f"--{option}", str(value)]


def _hash(before: str, command: Sequence[str], settings: Sequence[Path]) -> str:
    digest = hashlib.sha256(before.encode())
    for word in command:
        digest.update(b"\0" + word.encode())
        if Path(word) in settings:
            digest.update(Path(word).read_bytes())
    return digest.hexdigest()


def _read(record: Path) -> dict[str, Any]:
    """What a record says; nothing where it is not there."""
    if not record.exists():
        return {}
    try:
        return dict(json.loads(read_text(record)))
    except (ValueError, TypeError) as error:
        raise ValueError(f"{record} is damaged ({error}): delete it to run the stage again") from error


def _write(record: Path, state: dict[str, Any]) -> None:
    """Change what a record says; it is never there by half."""
    before = _read(record)
    write_file(record, json.dumps(before | state, indent=1))
