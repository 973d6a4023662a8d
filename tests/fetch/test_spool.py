"""The spool: bounded, private, and empty afterwards, also after a kill and on a full disk."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest
from pydantic import ValidationError

from streamer.errors import SettingsError, SpoolFullError
from streamer.fetch import FetchOptions
from streamer.fetch.spool import Spool
from tests.fetch.conftest import MakeFetcher


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[Spool]:
    spool = Spool(tmp_path / "spool", 1000)
    yield spool
    spool.close()
    assert list((tmp_path / "spool").iterdir()) == []


def test_bounded_over_all_files(spool: Spool) -> None:
    with spool.file() as first:
        first.write(bytes(600))
        with spool.file() as second:
            second.write(bytes(400))
            with pytest.raises(SpoolFullError, match=r"1000 bytes taken, 1 more wanted, expected at most 1000"):
                first.write(b"x")
        first.write(bytes(400))
        assert spool.used_bytes == 1000
    assert spool.used_bytes == 0


def test_reserved_before_written(spool: Spool) -> None:
    with spool.file() as file:
        file.reserve(900)
        assert spool.used_bytes == 900
        file.write(bytes(500))
        assert spool.used_bytes == 900
        file.write(bytes(450))
        assert (spool.used_bytes, file.size_bytes) == (950, 950)
        with pytest.raises(SpoolFullError):
            file.reserve(1001)
    assert spool.used_bytes == 0


def test_deleted_when_the_work_fails(spool: Spool) -> None:
    with pytest.raises(RuntimeError), spool.file() as file:
        file.write(b"x")
        raise RuntimeError
    assert not file.path.exists()
    assert spool.used_bytes == 0


def test_many_threads(spool: Spool) -> None:
    def work(_: int) -> bool:
        try:
            with spool.file() as file:
                for _ in range(10):
                    file.write(bytes(30))
                return True
        except SpoolFullError:
            return False

    with ThreadPoolExecutor(8) as pool:
        assert any(pool.map(work, range(200)))
    assert spool.used_bytes == 0


def test_fetching_more_than_fits(tmp_path: Path, make_fetcher: MakeFetcher) -> None:
    (tmp_path / "v.mp4").write_bytes(bytes(600))
    fetcher = make_fetcher(file_roots=(tmp_path,), max_bytes=600, spool_max_bytes=1000)
    with ExitStack() as stack:
        stack.enter_context(fetcher.fetch(str(tmp_path / "v.mp4"), timeout_seconds=30))
        with pytest.raises(SpoolFullError):
            stack.enter_context(fetcher.fetch(str(tmp_path / "v.mp4"), timeout_seconds=30))
        assert fetcher.spooled_bytes == 600
    with fetcher.fetch(str(tmp_path / "v.mp4"), timeout_seconds=30) as content:
        assert content.size_bytes == 600


def _child(base: Path, then: str, *prefix: str) -> subprocess.Popen[str]:
    """A process with a spool file of 100 bytes; it says the file's path, and goes on with `then`."""
    program = f"""
        import os, resource, sys, time
        from pathlib import Path
        from streamer.errors import SpoolFullError
        from streamer.fetch.spool import Spool
        spool = Spool(Path({str(base)!r}), 1 << 30)
        with spool.file() as file:
            file.write(bytes(100))
            print(file.path, flush=True)
            {then}
    """
    command = [*prefix, sys.executable, "-c", textwrap.dedent(program)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_what_a_killed_process_left_is_removed_and_a_living_ones_kept(tmp_path: Path) -> None:
    base = tmp_path / "spool"
    children = [_child(base, "time.sleep(300)") for _ in range(2)]
    try:
        paths = [Path(child.stdout.readline().strip()) for child in children if child.stdout]
        children[0].send_signal(signal.SIGKILL)
        children[0].wait()
        assert all(path.exists() for path in paths)
        spool = Spool(base, 1000)
        assert not paths[0].parent.exists()
        assert paths[1].exists()
        spool.close()
    finally:
        for child in children:
            child.kill()
            child.communicate()
    Spool(base, 1000).close()
    assert list(base.iterdir()) == []


def test_nothing_else_in_the_directory_is_touched(tmp_path: Path) -> None:
    for name in ("holiday.mp4", "123", "123-abc"):
        (tmp_path / name).mkdir()
    victim = tmp_path / "victim"
    victim.mkdir()
    (tmp_path / f"1-{'0' * 16}").symlink_to(victim)
    before = sorted(tmp_path.iterdir())
    Spool(tmp_path, 1000).close()
    assert sorted(tmp_path.iterdir()) == before


_FILL = """
            try:
                while True:
                    file.write(bytes(65536))
            except SpoolFullError as error:
                print(error, flush=True)
        print(spool.used_bytes, os.listdir(spool.directory), flush=True)
"""


def _lines_after_filling(base: Path, limit: str = "", *prefix: str) -> list[str]:
    with _child(base, limit + _FILL, *prefix) as child:
        output, errors = child.communicate(timeout=60)
    assert child.returncode == 0, errors
    return output.splitlines()[1:]


def test_file_size_limit(tmp_path: Path) -> None:
    limit = "resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, 1_000_000))"
    message, after = _lines_after_filling(tmp_path / "spool", limit)
    assert message == "spool: cannot write (File too large); make room on the disk of fetch.spool_dir"
    assert after == "0 []"


def test_full_disk(tmp_path: Path) -> None:
    script = f'mount -t tmpfs -o size=2m tmpfs {tmp_path} && exec "$0" "$@"'
    namespace = ("unshare", "-Urm", "sh", "-c", script)
    if subprocess.run([*namespace, "true"], capture_output=True, check=False).returncode != 0:
        pytest.skip("this kernel lets us make no file system of our own")
    message, after = _lines_after_filling(tmp_path / "spool", "", *namespace)
    assert message == "spool: cannot write (No space left on device); make room on the disk of fetch.spool_dir"
    assert after == "0 []"


def test_bases_that_cannot_serve(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for bad in (tmp_path / "file", tmp_path / "file" / "below", Path("/proc/nowhere")):
        with pytest.raises(SettingsError, match=r"fetch\.spool_dir .*expected a directory"):
            Spool(bad, 1000)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a directory away")
def test_a_base_of_somebody_else(tmp_path: Path) -> None:
    os.chown(tmp_path, 12345, 12345)
    with pytest.raises(SettingsError, match="belongs to somebody else"):
        Spool(tmp_path, 1000)


def test_a_bound_below_one_object_is_a_mistake() -> None:
    with pytest.raises(ValidationError, match=r"spool_max_bytes: came 10, expected max_bytes \(20\) or more"):
        FetchOptions(max_bytes=20, spool_max_bytes=10)
    with pytest.raises(ValidationError, match="expected absolute directories"):
        FetchOptions(file_roots=(Path("videos"),))
