"""uvicorn runs the service as it is: only its public interface is used, and a signal ends it with exit code 0."""

import re
from pathlib import Path

import pytest

from tests.serving.conftest import Running

SOURCE = Path(__file__).parents[2] / "src/manyhot"
PRIVATE = {
    "a protocol of uvicorn's": r"uvicorn\.protocols|HttpToolsProtocol|H11Protocol|RequestResponseCycle|FlowControl",
    "a class of uvicorn's extended": r"\(uvicorn\.\w+\):",
    "a transport": r"transport\.(write|abort|close|writelines)|\.set_protocol|asyncio\.(Buffered)?Protocol",
}


@pytest.mark.parametrize("what", PRIVATE)
def test_the_source_reaches_for_nothing_private_of_uvicorn(what):
    found = [
        f"{path.name}:{k}: {line.strip()}"
        for path in SOURCE.rglob("*.py")
        for k, line in enumerate(path.read_text().splitlines(), 1)
        if re.search(PRIVATE[what], line)
    ]
    assert found == []


def test_uvicorn_is_asked_for_what_it_limits(bundles):
    service = Running([bundles["matrix"]], max_connections=7)
    try:
        config = service.server.config
        assert (config.http, config.limit_concurrency, config.timeout_keep_alive) == ("httptools", 8, 30)
    finally:
        service.wait()
        service.stop()
