from pathlib import Path

import pytest

from lightning_vc.data.index import Index
from lightning_vc.data.shards import prepare
from lightning_vc.data.splits import Splits
from tests.data.tones import Tones


@pytest.fixture(scope="session")
def index(tmp_path_factory: pytest.TempPathFactory) -> Index:
    """Ten speakers of eight tones each: six to train on (48), two for validation (16), two for test (16)."""
    out: Path = tmp_path_factory.mktemp("tones") / "shards"
    return prepare(Tones(), out, Splits(test=2, validation=2, held=0.25), sample_rate=8000, samples_per_shard=5)
