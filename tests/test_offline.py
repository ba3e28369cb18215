import os
import socket
import subprocess
import sys

import pytest


def test_connections_to_other_machines_fail() -> None:
    closed = socket.socket()
    closed.close()  # so that nothing is sent, were the guard not there
    with pytest.raises(pytest.fail.Exception, match=r"offline.*192\.0\.2\.1"):
        closed.connect(("192.0.2.1", 9))
    with pytest.raises(pytest.fail.Exception, match=r"offline.*example\.org"):
        closed.connect_ex(("example.org", 443))


def test_connections_to_this_machine_work() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname(), 5) as client:
        assert client.getpeername() == server.getsockname()


def test_torch_uses_one_thread_in_child_processes_too() -> None:
    code = "import torch; print(torch.get_num_threads())"
    child = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert int(child.stdout) == int(os.environ["OMP_NUM_THREADS"]) == 1
