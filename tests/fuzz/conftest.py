"""What all of the fuzz needs: a process that may die, and a tiny model."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fuzz.room import Room
from tests.fuzz.trials import Worker
from tests.tiny import TinyRun


@pytest.fixture(scope="module")
def worker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worker]:
    """Give a process that answers calls within 2 GB and 30 s of CPU time."""
    worker = Worker(tmp_path_factory.mktemp("home"))
    yield worker
    worker.close()


@pytest.fixture(scope="session")
def exported(tiny_run: TinyRun, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the folder of the tiny run as an exported model."""
    from lightning_vc.pretrained import export

    folder = tmp_path_factory.mktemp("exported") / "model"
    export(tiny_run.folder, folder)
    return folder


@pytest.fixture(scope="module")
def room(tiny_run: TinyRun, exported: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Room]:
    """Give a room of its own to each module."""
    folder = tmp_path_factory.mktemp("room")
    worker = Worker(folder)
    yield Room(folder, exported, tiny_run, worker)
    worker.close()
