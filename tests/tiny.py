"""A model so small that the recipes train it in seconds, from the very files that users train with."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from omegaconf import OmegaConf

from lightning_vc.data.index import Index
from lightning_vc.data.reading import Sample, clips_of
from lightning_vc.recipes import encoder, prepare, tts
from lightning_vc.settings import compose

ROOT = Path(__file__).parents[1]
MINI = ROOT / "recipes" / "mini"
CSV = ROOT / "configs" / "logger" / "csv.yaml"
_SIZES = {name: 16 for name in ("channels", "embedding", "attention", "hidden")} | {
    "speaker_dim": 8,
    "sizes": [16, 16],
}
_TRAINING = {
    "tts": ({"max_steps": 4, "val_check_interval": 4}, {"batch_size": 4}),
    "encoder": ({"max_steps": 2, "val_check_interval": 1}, {"n_speakers": 2, "max_seconds": 0.5}),
    "speaker_recognition": (
        {"max_steps": 2, "val_check_interval": 1},
        {"batch_size": 4, "max_seconds": 0.5, "cloning_clips": 3, "min_utterances": 2},
    ),
    "adapt": ({"max_steps": 2}, {"clips": 3, "steps": 2}),
}


def shrunk(value: Any, name: str = "") -> Any:
    """A part of a recipe's YAML with all sizes in it made tiny."""
    if isinstance(value, dict):
        return {key: shrunk(item, key) for key, item in value.items()}
    return _SIZES[name] if type(value) is type(_SIZES.get(name)) else value


def configs(verb: str, folder: Path, every_n_train_steps: int = 2) -> list[str]:
    """The `--config` flags of mini's file for a verb, and of one behind it that makes everything tiny."""
    config = compose((MINI / f"{verb}.yaml").read_text(encoding="utf-8"), MINI, yaml.safe_load)
    trainer, data = _TRAINING[verb]
    callbacks = config["trainer"]["callbacks"]
    for callback in callbacks:
        if callback["class_path"].endswith("LastCheckpoint"):
            callback["init_args"]["every_n_train_steps"] = every_n_train_steps
    quiet = {"accelerator": "cpu", "log_every_n_steps": 1, "num_sanity_val_steps": 0, "enable_model_summary": False}
    model = shrunk(config["model"])
    if verb == "tts":
        model["tts"]["init_args"]["model"]["init_args"]["max_symbol_frames"] = 4
    tiny = {"trainer": {**trainer, **quiet, "callbacks": callbacks}, "model": model, "data": data}
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"tiny-{verb}.yaml"
    OmegaConf.save(tiny, file)
    return [word for path in (CSV, MINI / f"{verb}.yaml", file) for word in ("--config", str(path))]


@dataclass(frozen=True)
class TinyRun:
    """A folder as recipes/mini leaves it: shards, tts/last.ckpt and encoder/last.ckpt."""

    folder: Path

    @property
    def shards(self) -> Path:
        return self.folder / "shards"

    @property
    def tts(self) -> Path:
        return self.folder / "tts" / "last.ckpt"

    @property
    def encoder(self) -> Path:
        return self.folder / "encoder" / "last.ckpt"

    @property
    def index(self) -> Index:
        return Index.load(self.shards)

    @property
    def speaker(self) -> str:
        """Id of a speaker that nothing was trained on."""
        return self.index.speakers_of("test")[0].id

    def samples(self) -> list[Sample]:
        """The recordings of that speaker."""
        return clips_of(self.index, self.speaker)

    def tts_flags(self, out: Path, command: str = "fit") -> list[str]:
        """A command line of `recipes.tts` that trains for 4 steps."""
        where = ["--data.shards", str(self.shards), "--trainer.default_root_dir", str(out)]
        return [command, *configs("tts", out), *where]

    def encoder_flags(self, out: Path, command: str = "fit") -> list[str]:
        """A command line of `recipes.encoder` that trains for 2 steps."""
        where = ["--data.shards", str(self.shards), "--trainer.default_root_dir", str(out)]
        return [command, *configs("encoder", out), "--pretrained.tts", str(self.tts), *where]

    def recognition_flags(self, out: Path, command: str = "fit") -> list[str]:
        """A command line of `recipes.speaker_recognition` that trains for 2 steps."""
        where = ["--data.shards", str(self.shards), "--trainer.default_root_dir", str(out)]
        return [command, *configs("speaker_recognition", out), *where]

    def adapt_flags(self, method: str, out: Path, command: str = "fit") -> list[str]:
        """A command line of `recipes.adapt` that trains for 2 steps."""
        where = ["--data.shards", str(self.shards), "--trainer.default_root_dir", str(out)]
        what = ["--pretrained.tts", str(self.tts), "--data.speaker", self.speaker]
        return [command, "--method", method, *configs("adapt", out), *where, *what]


def train(folder: Path) -> TinyRun:
    """Make a generated corpus of eight speakers and train everything on it, each for a few steps."""
    run = TinyRun(folder)
    corpus = "generated --n_speakers 8 --utterances 7 --test 2 --validation 2 --held 0.3 --workers 1"
    prepare.main([*corpus.split(), "--out", str(run.shards)])
    tts.main(run.tts_flags(run.tts.parent))
    encoder.main(run.encoder_flags(run.encoder.parent))
    return run


def metrics(folder: Path) -> list[dict[str, float]]:
    """All that the CSV logger wrote below a folder, line by line, without the empty cells."""
    (file,) = folder.rglob("metrics.csv")
    names, *lines = (line.split(",") for line in file.read_text(encoding="utf-8").splitlines())
    return [{name: float(cell) for name, cell in zip(names, cells, strict=True) if cell} for cells in lines]


def logged(folder: Path, name: str) -> list[float]:
    """The values of one metric in the order in which they were logged."""
    return [line[name] for line in metrics(folder) if name in line]
