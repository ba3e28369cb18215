"""What holds for every test: one thread, no network, real data only where it lies beside the project."""

import ipaddress
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from lightning_vc.console import printed_messages

if TYPE_CHECKING:
    from tests.tiny import TinyRun

# Read when torch, wandb and huggingface_hub are imported, and by every process that a test starts.
os.environ["OMP_NUM_THREADS"] = "1"  # the tensors are small, and two processes of tests share two cores
os.environ["WANDB_MODE"] = "offline"
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["MPLBACKEND"] = "Agg"  # no screen

SHARED_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put whatever needs a trained model into the tier of recipes."""
    for item in items:
        if "tiny_run" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.recipe)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Give the folder of real recordings that lies beside some checkouts."""
    if not SHARED_DATA.is_dir():
        pytest.skip(f"needs real recordings in {SHARED_DATA}")
    return SHARED_DATA


@pytest.fixture(scope="session")
def tiny_run(tmp_path_factory: pytest.TempPathFactory) -> "TinyRun":
    """Give a tiny run of the whole mini recipe but for its evaluation; nothing may change what is in it."""
    from tests.tiny import train  # not above: it imports torch and Lightning

    return train(tmp_path_factory.mktemp("tiny") / "run")


@pytest.fixture
def printed() -> Iterator[None]:
    """Print the messages of the library to stderr, as verbs do."""
    with printed_messages():
        yield


def is_local(address: Any) -> bool:
    """Tell whether a socket's address is on this machine: a path, or a loopback host."""
    if not isinstance(address, tuple):
        return True  # AF_UNIX
    host = str(address[0])
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host in ("", "localhost", socket.gethostname())


@pytest.fixture(scope="session", autouse=True)
def no_network() -> Iterator[None]:
    """Fail a test that connects to another machine, whatever the library that does it makes of errors."""

    def guarded(connect: Any) -> Any:
        def local_only(self: socket.socket, address: Any) -> Any:
            if not is_local(address):
                pytest.fail(f"tests are offline, but this one connects to {address}")
            return connect(self, address)

        return local_only

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "connect", guarded(socket.socket.connect))
        patch.setattr(socket.socket, "connect_ex", guarded(socket.socket.connect_ex))
        yield
