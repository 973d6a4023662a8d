"""Local files: only regular ones, only under the roots, whatever links say."""

from __future__ import annotations

import errno
import hashlib
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from streamer.errors import (
    AccessDeniedError,
    ContentMismatchError,
    FetchFailedError,
    ForbiddenUriError,
    MissingObjectError,
    TooLargeError,
)
from streamer.fetch import Fetcher
from streamer.fetch.local import LocalFiles, open_beneath
from streamer.fetch.pace import Pace
from tests.fetch.conftest import MakeFetcher

BODY = b"some video" * 1000


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "videos"
    (root / "below").mkdir(parents=True)
    (root / "below" / "v.mp4").write_bytes(BODY)
    (tmp_path / "secret").write_bytes(b"secret")
    return root


@pytest.fixture
def fetcher(root: Path, make_fetcher: MakeFetcher) -> Fetcher:
    return make_fetcher(file_roots=(root,))


def fetched(fetcher: Fetcher, uri: object, **declared: object) -> bytes:
    with fetcher.fetch(str(uri), timeout_seconds=30, **declared) as content:  # type: ignore[arg-type]
        return Path(content.path).read_bytes()


def test_paths_and_uris(fetcher: Fetcher, root: Path) -> None:
    (root / "a b#c?.mp4").write_bytes(b"odd name")
    assert fetched(fetcher, root / "below" / "v.mp4") == BODY
    assert fetched(fetcher, f"file://{root}/below/v.mp4") == BODY
    assert fetched(fetcher, f"FILE://localhost{root}/below/../below/v.mp4") == BODY
    assert fetched(fetcher, root / "a b#c?.mp4") == b"odd name"
    assert fetched(fetcher, f"file://{root}/a%20b%23c%3F.mp4") == b"odd name"


def test_the_file_is_ours(fetcher: Fetcher, root: Path) -> None:
    source = root / "below" / "v.mp4"
    with fetcher.fetch(str(source), timeout_seconds=30) as content:
        source.write_bytes(b"changed meanwhile")
        path = Path(content.path)
        assert path.read_bytes() == BODY
        assert content.sha256 == hashlib.sha256(BODY).hexdigest()
        assert path.stat().st_mode & 0o777 == 0o600
        assert path.parent.stat().st_mode & 0o777 == 0o700
        assert path.suffix == "" and "v.mp4" not in path.name
    assert not path.exists()


def test_outside_of_the_roots(fetcher: Fetcher, root: Path, tmp_path: Path) -> None:
    (root / "link").symlink_to(tmp_path / "secret")
    (root / "up").symlink_to(tmp_path)
    sibling = tmp_path / "videos-private"
    sibling.mkdir()
    (sibling / "v.mp4").write_bytes(b"private")
    for outside in (
        tmp_path / "secret", root / "link", root / "up" / "secret", f"{root}/../secret", f"file://{root}/%2e%2e/secret",
        sibling / "v.mp4", "/etc/passwd", "/proc/self/environ", "/", root / "up" / "not there",
    ):  # fmt: skip
        with pytest.raises(ForbiddenUriError, match=r"not under one of fetch\.file_roots \(1 configured\)"):
            fetched(fetcher, outside)


def test_no_roots_no_files(make_fetcher: MakeFetcher, root: Path) -> None:
    with pytest.raises(ForbiddenUriError, match="0 configured"):
        fetched(make_fetcher(), root / "below" / "v.mp4")


def test_links_within_the_roots(fetcher: Fetcher, root: Path, tmp_path: Path, make_fetcher: MakeFetcher) -> None:
    (root / "link").symlink_to("below/v.mp4")
    (tmp_path / "other name").symlink_to(root)
    assert fetched(fetcher, root / "link") == BODY
    assert fetched(make_fetcher(file_roots=(tmp_path / "other name",)), tmp_path / "other name" / "link") == BODY


def test_only_regular_files(fetcher: Fetcher, root: Path, make_fetcher: MakeFetcher) -> None:
    os.mkfifo(root / "pipe")
    (root / "loop").symlink_to("loop")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(os.path.relpath(root / "socket"))
        for odd in (root / "pipe", root / "socket", root / "below", root):
            with pytest.raises(ForbiddenUriError, match="no regular file"):
                fetched(fetcher, odd)
    with pytest.raises((ForbiddenUriError, MissingObjectError)):
        fetched(fetcher, root / "loop")
    with pytest.raises(ForbiddenUriError, match="no regular file"):
        fetched(make_fetcher(file_roots=(Path("/dev"),)), "/dev/zero")


def test_a_link_put_there_after_the_look_leads_nowhere(root: Path, tmp_path: Path) -> None:
    """What is opened was free of links when it was looked at; here they are there when it is opened."""
    (root / "file").symlink_to(tmp_path / "secret")
    (root / "directory").symlink_to(tmp_path)
    (root / "inner").symlink_to(root / "below")
    os.close(open_beneath(root, root / "below" / "v.mp4"))
    for swapped in (root / "file", root / "directory" / "secret", root / "inner" / "v.mp4"):
        with pytest.raises(OSError) as caught:
            open_beneath(root, swapped)
        assert caught.value.errno in (errno.ELOOP, errno.ENOTDIR, errno.EISDIR)


def _unhurried() -> Pace:
    return Pace("x", timeout_seconds=60, min_bytes_per_second=1, window_seconds=60, clock=lambda: 0.0)


def test_missing_and_unreadable(fetcher: Fetcher, root: Path) -> None:
    for missing in (root / "no.mp4", root / "below" / "v.mp4" / "x", root / ("n" * 300)):
        with pytest.raises(MissingObjectError):
            fetched(fetcher, missing)
    (root / "locked.mp4").write_bytes(BODY)
    (root / "locked.mp4").chmod(0)
    if os.geteuid() == 0:  # nothing is locked for root
        assert fetched(fetcher, root / "locked.mp4") == BODY
    else:
        with pytest.raises(AccessDeniedError, match="change its rights"):
            fetched(fetcher, root / "locked.mp4")


def test_limits_and_declarations(fetcher: Fetcher, root: Path, make_fetcher: MakeFetcher) -> None:
    video = root / "below" / "v.mp4"
    assert fetched(fetcher, video, sha256=hashlib.sha256(BODY).hexdigest(), size_bytes=len(BODY)) == BODY
    with pytest.raises(ContentMismatchError):
        fetched(fetcher, video, sha256="0" * 64)
    with pytest.raises(ContentMismatchError):
        fetched(fetcher, video, size_bytes=len(BODY) - 1)
    with pytest.raises(TooLargeError):
        fetched(make_fetcher(file_roots=(root,), max_bytes=len(BODY) - 1), video)


def test_an_empty_file_is_a_file(fetcher: Fetcher, root: Path) -> None:
    (root / "empty.mp4").touch()
    assert fetched(fetcher, root / "empty.mp4") == b""


def test_a_file_that_grows_while_it_is_read(root: Path) -> None:
    growing = root / "growing.mp4"
    growing.write_bytes(BODY)
    with LocalFiles([root]).open(str(growing), _unhurried()) as incoming:
        growing.write_bytes(BODY * 2)
        read = b"".join(incoming.chunks)
    assert incoming.size_bytes == len(BODY) and len(read) == 2 * len(BODY)


@pytest.fixture
def moments() -> Iterator[float]:
    return iter([0.0, 0.0, 1000.0])


def test_the_deadline_counts_for_files_too(root: Path, moments: Iterator[float]) -> None:
    pace = Pace("x", timeout_seconds=10, min_bytes_per_second=1, window_seconds=60, clock=lambda: next(moments, 1000.0))
    with (
        LocalFiles([root]).open(str(root / "below" / "v.mp4"), pace) as incoming,
        pytest.raises(FetchFailedError, match="10 s in total"),
    ):
        list(incoming.chunks)
