"""Recipes: stages run one after the other; finished ones are skipped, an interrupted one is resumed.

docs/recipes.md describes the file.
"""

import ctypes
import hashlib
import json
import os
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lightning_vc.console import INTERRUPTED, printable
from lightning_vc.files import inside, read_file, read_text, refuse_links, write_file
from lightning_vc.recipe_file import command_line, load_yaml, output_paths, read_recipe, verb_words

_PATIENCE = 10.0  # seconds from Ctrl-C until a command is terminated
_LARGEST_TEXT = 64 << 20  # bytes of a text file that a command names
_RECORDS = ".stages"  # folder of the records in `dir`
_BEST = "best.ckpt"  # beside the checkpoint: the best by validation, of the same settings


@dataclass(frozen=True)
class Stage:
    """One command of a recipe.

    Attributes:
        command: the arguments of `python -m`.
        key: hash of the command, of the YAML and text files that it names, and of the keys of the stages that it uses.
            A changed key means that the stage has to be run again.
        checkpoint: checkpoint from which the stage is resumed, if any.
        on_request: whether the stage runs only if it is requested by name.
        outputs: the checkpoint and its folder, or else `out`; a later stage that names one of them uses this stage.
        written: what its options name as outputs.
    """

    name: str
    command: tuple[str, ...]
    key: str
    checkpoint: Path | None
    on_request: bool
    outputs: tuple[Path, ...]
    written: tuple[Path, ...]


class Recipe:
    """The stages of a recipe.yaml with `key=value` overrides.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it is no recipe, an override names an unknown key, a stage has an unsafe name or an unknown
            verb, or its output is missing or not inside of `dir`.
    """

    def __init__(self, path: str | Path, overrides: Sequence[str] = ()) -> None:
        settings = read_recipe(Path(path), overrides)
        self.dir = Path(settings["dir"])
        self.stages: list[Stage] = []
        for name, stage in settings["stages"].items():
            self.stages.append(self._stage(name, **stage))

    def _stage(
        self, name: str, verb: object, options: dict[str, Any], checkpoint: object = None, on_request: object = False
    ) -> Stage:
        words = verb_words(name, verb)
        command = command_line(name, words, options)
        written = output_paths(self.dir, name, words, options)
        outputs: tuple[Path, ...] = (Path(str(options["out"])),) if options.get("out") else ()
        resumed = Path(str(checkpoint)) if checkpoint else None
        if resumed:
            inside(self.dir, str(resumed.absolute()))  # `_begin` may rename it
            if resumed.suffix != ".ckpt":
                raise ValueError(f"stage {name} has the checkpoint {resumed}: name a file that ends in .ckpt")
            outputs = (resumed, resumed.parent)
        digest = hashlib.sha256("".join(other.key for other in self.stages if self._uses(command, other)).encode())
        for word in command:
            digest.update(b"\0" + word.encode() + _content(Path(word)))
        return Stage(name, tuple(command), digest.hexdigest(), resumed, bool(on_request), outputs, written)

    def _uses(self, command: Sequence[str], before: Stage) -> bool:
        """Whether a command names an output of an earlier stage, a file in it, or a folder around it.

        A command that names `dir` uses all earlier stages but those with `on_request`. A stage without outputs is
        used by all later stages.
        """
        words = [word for word in command if not (before.on_request and Path(word) == self.dir)]
        return not before.outputs or any(
            (output != self.dir and _names(word, output)) or output.is_relative_to(word)
            for output in before.outputs
            for word in words
        )

    def run(self, names: Sequence[str] | None = None) -> None:
        """Run the named stages; without names, all but those with `on_request`.

        Raises ValueError for an unknown name and for a link by which an output leaves `dir`, and SystemExit when a
        stage fails.
        """
        all_names = [stage.name for stage in self.stages]
        if unknown := set(names or ()) - set(all_names):
            raise ValueError(f"no stage {', '.join(sorted(unknown))}: the recipe has {', '.join(all_names)}")
        chosen = [stage for stage in self.stages if (not stage.on_request if names is None else stage.name in names)]
        for number, stage in enumerate(chosen, 1):
            title = f"stage {number} of {len(chosen)}: {stage.name}"
            record = self._begin(stage)
            if _read(record)["finished"]:
                _say(f"{title} is finished")
                continue
            module, *words = stage.command
            if stage.checkpoint and stage.checkpoint.exists():
                words += ["--ckpt_path", str(stage.checkpoint)]
            _say(title)
            _say(shlex.join(["lightning-vc", module.rpartition(".")[2], *words]))
            if status := _call([sys.executable, "-m", module, *words]):
                _say(f"{title} ended with status {status}; run the recipe again to go on from there")
                raise SystemExit(status if status > 0 else 128 - status)
            _write(record, stage, finished=True)

    def _begin(self, stage: Stage) -> Path:
        """Move checkpoints and record of other settings aside, and those of the present settings back.

        Returns the path of the record.
        """
        record = inside(self.dir, _RECORDS, f"{stage.name}.json")
        checkpoint = stage.checkpoint
        checkpoints = [checkpoint, checkpoint.with_name(_BEST)] if checkpoint else []
        renamed = [name for path in checkpoints for name in (path, _aside(path, stage.key))]
        for path in (record.parent, *stage.written, *renamed):  # links may have come with the recipe, or from a stage
            refuse_links(path.absolute(), self.dir)
        key = _read(record).get("key")
        if key is None and (foreign := [path for path in (*checkpoints, *stage.written) if _is_foreign(path, stage)]):
            raise ValueError(
                f"{foreign[0]} exists, but no stage of this recipe has written it: move it away, or give another dir"
            )
        existing = [path for path in checkpoints if path.exists()]
        if existing and key not in (None, stage.key):
            write_file(_aside(record, key), read_text(record))  # first: a kill must not separate it from its checkpoint
            for path in reversed(existing):
                _say(f"{path} has other settings: it is renamed to {path.replace(_aside(path, key)).name}")
        if key != stage.key:
            is_back = checkpoint is not None and _aside(checkpoint, stage.key).exists()
            before = _read(_aside(record, stage.key)) if is_back else {}
            _write(record, stage, finished=before.get("key") == stage.key and before["finished"])
        for path in reversed(checkpoints):
            if _aside(path, stage.key).exists():
                _aside(path, stage.key).replace(path)
        return record


def _is_foreign(path: Path, stage: Stage) -> bool:
    """Whether a path, to which a stage without a record writes, would be written over.

    Training adds to a folder, and `prepare` checks its own.
    """
    if not path.is_dir() or stage.checkpoint or stage.command[0].endswith(".prepare"):
        return path.is_file()
    return any(path.iterdir()) and not (path / _RECORDS).exists()


def _names(word: str, output: Path) -> bool:
    """Whether a word names a path or a file in it: `a/b/d` and `{x: a/b}` name `a/b`, `a/b-2` and `c/a/b` do not."""
    if Path(os.path.abspath(word)).is_relative_to(os.path.abspath(output)):
        return True
    paths = "|".join(re.escape(path) for path in {str(output), str(output.absolute())})
    return re.search(rf"(?<![\w./~-])(\./)*({paths})(?![\w.~-])", word) is not None


def _content(file: Path) -> bytes:
    """Content of a YAML file (without comments) or text file, for the key of a stage; empty for any other word."""
    if file.suffix not in (".yaml", ".txt") or not file.is_file():
        return b""
    if file.suffix == ".txt":
        return read_file(file, _LARGEST_TEXT)
    try:
        return json.dumps(load_yaml(file), default=str).encode()
    except TypeError as error:
        raise ValueError(f"{file} has a key that is no text ({error}): write text") from error


def _aside(file: Path, key: str) -> Path:
    return file.with_name(f"{file.stem}-{key[:12]}{file.suffix}")


def _say(text: str) -> None:
    print(printable(text), file=sys.stderr)


def _call(command: Sequence[str]) -> int:
    """Run a command and return its status; Ctrl-C and SIGTERM end the command, and this process goes on."""
    with subprocess.Popen(command, preexec_fn=_end_with_parent) as process:
        before = signal.signal(signal.SIGTERM, lambda *_: process.terminate())
        try:
            return process.wait()
        except KeyboardInterrupt:
            with suppress(subprocess.TimeoutExpired):
                process.wait(_PATIENCE)  # the terminal sends Ctrl-C to the command too
            process.terminate()
            process.wait()
            return INTERRUPTED
        finally:
            signal.signal(signal.SIGTERM, before)


def _end_with_parent() -> None:
    """In the process of a stage: end it when the parent is killed, so that a restarted recipe does not run it twice."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # 1 is PR_SET_PDEATHSIG


def _read(record: Path) -> dict[str, Any]:
    """Content of a record; empty if there is no file."""
    if not record.exists():
        return {}
    try:
        state = json.loads(read_text(record))
        return {"key": str(state["key"]), "finished": state["finished"] is True}
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise ValueError(f"{record} is damaged ({error}): delete it to run the stage again") from error


def _write(record: Path, stage: Stage, finished: bool) -> None:
    write_file(record, json.dumps({"key": stage.key, "finished": finished, "command": stage.command}, indent=1))
