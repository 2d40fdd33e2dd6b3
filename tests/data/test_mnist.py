"""MNIST and its like: found in every place, downloaded from a local server, refused when wrong."""

import contextlib
import gzip
import hashlib
import itertools
import struct
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from time import process_time
from types import SimpleNamespace
from typing import ClassVar

import numpy as np
import pytest
import torch

from unrolled.cli import run
from unrolled.data.sources import download as downloading
from unrolled.data.sources import idx_files
from unrolled.data.sources.fashion_mnist import FashionMNIST
from unrolled.data.sources.idx_files import PARTS, TEST_PARTS, IdxFiles
from unrolled.data.sources.idx_images import IdxImages
from unrolled.data.sources.mirrors import reachable
from unrolled.data.sources.mnist import MNIST
from unrolled.errors import ConfigError, DataError, StorageError

NAMES = PARTS + TEST_PARTS


def idx(array: np.ndarray) -> bytes:
    return struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape) + array.tobytes()


def contents() -> dict[str, bytes]:
    random = np.random.default_rng(0)
    sizes = {"train": 6, "t10k": 4}
    return {
        name: idx(
            random.integers(0, 256, (sizes[name.split("-")[0]], 5, 3), dtype=np.uint8)
            if "images" in name
            else random.integers(0, 3, sizes[name.split("-")[0]], dtype=np.uint8)
        )
        for name in NAMES
    }


CONTENTS = contents()
SHA256 = {name: hashlib.sha256(content).hexdigest() for name, content in CONTENTS.items()}


class Tiny(IdxImages):
    """Images that exist in this test only."""

    files: ClassVar = IdxFiles("tiny", mirrors=(), sha256=SHA256)
    class_names = ("a", "b", "c")


@pytest.fixture(autouse=True)
def _nothing_is_found_by_chance(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("UNROLLED_DATA_DIR", raising=False)
    monkeypatch.setattr("pooch.os_cache", lambda project: tmp_path / "cache" / project)
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture
def server() -> Iterator[SimpleNamespace]:
    """A mirror on this machine: `files` by name; `cut` names are broken off half-way.

    `endless` names never end: pieces of that many bytes are sent until the client leaves.
    """
    state = SimpleNamespace(files={}, cut=set(), endless={}, asked=[])

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            name = self.path.removeprefix("/")
            state.asked.append(name)
            if name in state.endless:
                self.send_response(200)
                self.end_headers()
                with contextlib.suppress(ConnectionError):
                    while True:
                        self.wfile.write(bytes(state.endless[name]))
            content = state.files.get(name)
            if content is None:
                self.send_error(404)
                return
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content[: len(content) // 2] if name in state.cut else content)

        def log_message(self, *_: object) -> None:
            pass

    httpd = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    state.url = f"http://127.0.0.1:{httpd.server_port}/"
    thread = threading.Thread(target=httpd.serve_forever, args=(0.01,))
    thread.start()
    yield state
    httpd.shutdown()
    thread.join()
    httpd.server_close()


def zipped(files: dict[str, bytes]) -> dict[str, bytes]:
    return {f"{name}.gz": gzip.compress(content) for name, content in files.items()}


def write(folder: Path, files: dict[str, bytes]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)


def source(*mirrors: str, folder: str | None = None) -> Tiny:
    made = Tiny(dir=folder)
    made.files = replace(Tiny.files, mirrors=mirrors)  # type: ignore[misc]
    return made


@pytest.mark.parametrize("files", [CONTENTS, zipped(CONTENTS)], ids=["raw", "gzipped"])
@pytest.mark.parametrize("place", ["dir", "dir/tiny", "variable", "data", "cache"])
def test_files_are_found_in_every_place(place, files, tmp_path, monkeypatch):
    folders = {
        "dir": tmp_path / "mine",
        "dir/tiny": tmp_path / "mine" / "tiny",
        "variable": tmp_path / "elsewhere" / "tiny",
        "data": tmp_path / "data" / "tiny",
        "cache": tmp_path / "cache" / "unrolled" / "tiny",
    }
    write(folders[place], files)
    if place == "variable":
        monkeypatch.setenv("UNROLLED_DATA_DIR", str(tmp_path / "elsewhere"))
    images = source(folder=str(tmp_path / "mine") if place.startswith("dir") else None)

    images.prepare()
    data = images.load()

    assert len(data.train) == 6
    assert data.test is not None
    assert data.test.ids.tolist() == [6, 7, 8, 9]


def test_the_place_that_is_named_most_closely_is_taken(tmp_path, monkeypatch):
    monkeypatch.setenv("UNROLLED_DATA_DIR", "elsewhere")
    places = ["mine", "mine/tiny", "elsewhere/tiny", "data/tiny", "cache/unrolled/tiny"]
    images = source(folder="mine")
    for place in reversed(places):
        write(tmp_path / place, {PARTS[0]: f"this is {place}.".encode()})

        with pytest.raises(DataError, match=rf"\b{place}/{PARTS[0]} is not an idx file"):
            images.load()


def test_a_folder_of_several_data_sets_is_not_taken_for_one_of_them(tmp_path, monkeypatch):
    monkeypatch.setenv("UNROLLED_DATA_DIR", "elsewhere")
    for folder in ("elsewhere", "data", "cache/unrolled"):
        write(tmp_path / folder, CONTENTS)

    with pytest.raises(DataError, match="was not found"):
        source().load()


def test_a_tilde_is_the_home_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    write(tmp_path / "home" / "mine", CONTENTS)

    assert len(source(folder="~/mine").load().train) == 6


def test_a_file_in_place_of_a_folder_is_refused(tmp_path):
    write(tmp_path, zipped(CONTENTS))

    with pytest.raises(ConfigError, match=r"data\.dir=.* is a file"):
        source(folder=f"{PARTS[0]}.gz")


def test_what_is_found_is_not_asked_of_a_mirror(server, tmp_path):
    write(tmp_path / "data" / "tiny", CONTENTS)

    source(server.url).prepare()

    assert server.asked == []


def test_images_become_rows_between_0_and_1(tmp_path):
    write(tmp_path / "data" / "tiny", CONTENTS)

    x = source().load().train.x

    raw = np.frombuffer(CONTENTS[PARTS[0]][16:], dtype=np.uint8).reshape(6, 5, 3)
    assert torch.equal(x, torch.from_numpy(raw.astype(np.float32)) / 255)


@pytest.mark.acceptance("A18")
def test_a_found_file_with_other_contents_is_refused(tmp_path):
    write(tmp_path / "data" / "tiny", CONTENTS | {PARTS[1]: CONTENTS[TEST_PARTS[1]]})

    with pytest.raises(DataError, match=rf"data/tiny/{PARTS[1]} has other contents") as refusal:
        source().load()
    for part in (SHA256[PARTS[1]], SHA256[TEST_PARTS[1]], "delete it", "data.dir"):
        assert part in str(refusal.value)


def test_what_is_nowhere_is_downloaded_to_the_cache(server, tmp_path):
    server.files = zipped(CONTENTS)

    source(server.url).prepare()

    assert len(source().load().train) == 6
    assert len(list((tmp_path / "cache" / "unrolled" / "tiny").iterdir())) == 4


def test_only_what_is_missing_is_downloaded_and_to_the_folder_that_was_named(server, tmp_path):
    server.files = zipped(CONTENTS)
    write(tmp_path / "mine", {PARTS[0]: CONTENTS[PARTS[0]]})

    source(server.url, folder=str(tmp_path / "mine")).prepare()

    assert server.asked == [f"{name}.gz" for name in NAMES[1:]]
    assert (tmp_path / "mine" / f"{PARTS[1]}.gz").is_file()


def test_a_dead_mirror_is_passed_over(server):
    server.files = zipped(CONTENTS)

    source("http://127.0.0.1:9/", server.url).prepare()

    assert len(source().load().train) == 6


@pytest.mark.parametrize("fault", ["wrong contents", "cut half-way", "damaged", "missing", "HTML"])
def test_a_bad_download_is_refused_and_leaves_nothing(fault, server, tmp_path):
    server.files = zipped(CONTENTS)
    name = f"{PARTS[1]}.gz"
    if fault == "wrong contents":
        server.files[name] = gzip.compress(CONTENTS[TEST_PARTS[1]])
    elif fault == "damaged":
        server.files[name] = server.files[name][:10] + bytes([0xFF]) + server.files[name][11:]
    elif fault == "cut half-way":
        server.cut = {name}
    elif fault == "missing":
        del server.files[name]
    else:
        server.files[name] = b"<html>come back later</html>"

    with pytest.raises(DataError, match=f"{PARTS[1]}.*could not be downloaded"):
        source(server.url).prepare()

    left = [path.name for path in (tmp_path / "cache").rglob("*") if path.is_file()]
    assert left == [f"{PARTS[0]}.gz"]


@pytest.mark.parametrize(
    ("piece", "seconds", "message"),
    [(2**16, 0, "more than 1,000,000 bytes"), (1, 31, r"only \d+ bytes came in 31 s")],
    ids=["endless", "dripping"],
)
def test_an_answer_that_does_not_end_is_refused(
    piece, seconds, message, server, tmp_path, monkeypatch
):
    server.files = zipped(CONTENTS)
    server.endless = {f"{PARTS[0]}.gz": piece}
    clock = itertools.count(0, seconds)
    monkeypatch.setattr(downloading, "monotonic", lambda: next(clock))
    monkeypatch.setattr(idx_files, "LARGEST", 1_000_000)
    monkeypatch.setattr(downloading, "SLOWEST", 10**9)  # whatever arrives between two checks

    with pytest.raises(DataError, match=message):
        source(server.url).prepare()

    assert [path for path in (tmp_path / "cache").rglob("*") if path.is_file()] == []


def test_a_size_that_is_announced_is_refused_before_it_is_read(server, monkeypatch):
    server.files = zipped(CONTENTS)
    monkeypatch.setattr(idx_files, "LARGEST", 10)

    with pytest.raises(DataError, match="more than 10 bytes, so it is another file"):
        source(server.url).prepare()


def test_an_interrupted_download_leaves_nothing(server, tmp_path, monkeypatch):
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    server.files = zipped(CONTENTS)
    monkeypatch.setattr(
        "unrolled.data.sources.idx_files.read_idx", interrupted
    )  # all bytes are there

    with pytest.raises(KeyboardInterrupt):
        source(server.url).prepare()

    assert [path for path in (tmp_path / "cache").rglob("*") if path.is_file()] == []


def test_a_wrong_download_is_told_with_address_and_both_checksums(server):
    server.files = zipped(CONTENTS | {PARTS[1]: CONTENTS[TEST_PARTS[1]]})

    with pytest.raises(DataError) as refusal:
        source(server.url).prepare()

    got, expected = SHA256[TEST_PARTS[1]], SHA256[PARTS[1]]
    line = f"tried {server.url}: what came has other contents: SHA-256 {got}, expected {expected}"
    assert line in str(refusal.value)


def test_a_folder_that_cannot_be_written_is_a_matter_of_storage(server, monkeypatch):
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError("no")

    monkeypatch.setattr("pooch.retrieve", refuse)

    with pytest.raises(StorageError, match="mine cannot be written"):
        source(server.url, folder="mine").prepare()


@pytest.mark.parametrize("fault", ["missing", "cut half-way"])
def test_a_mirror_with_a_bad_file_gives_way_to_the_next(fault, server):
    server.files = zipped(CONTENTS)
    for name, content in zipped(CONTENTS).items():
        if fault == "cut half-way":
            server.files[f"bad/{name}"] = content
            server.cut.add(f"bad/{name}")

    source(f"{server.url}bad/", server.url).prepare()

    assert len(source().load().train) == 6


def test_offline_an_error_names_the_folders_and_does_not_wait_for_silent_mirrors(
    tmp_path, monkeypatch
):
    given_up = threading.Event()

    def never_answer(*_: object) -> None:
        given_up.wait()
        raise TimeoutError

    monkeypatch.setattr("socket.create_connection", never_answer)

    try:
        with pytest.raises(DataError) as refusal:
            source("http://127.0.0.1:9/", "http://127.0.0.1:7/").prepare()
    finally:
        given_up.set()

    message = str(refusal.value)
    for part in (str(tmp_path / "data" / "tiny"), "UNROLLED_DATA_DIR", "data.dir", "data=digits"):
        assert part in message


def test_a_mirror_behind_a_proxy_counts_as_reachable(monkeypatch):
    mirror = "http://127.0.0.1:9/"
    assert reachable((mirror,)) == []
    monkeypatch.setenv("no_proxy", "localhost")
    assert reachable((mirror,)) == []
    monkeypatch.setenv("http_proxy", "http://localhost:3128")
    assert reachable((mirror,)) == [mirror]


@pytest.mark.acceptance("A18")
def test_the_command_line_says_so_with_exit_code_3(monkeypatch, capsys):
    monkeypatch.setattr(MNIST.files, "mirrors", ("http://127.0.0.1:9/",))

    assert run(["train", "data=mnist"]) == 3
    assert "data=digits needs no download" in capsys.readouterr().err


@pytest.fixture
def real_files(monkeypatch) -> None:
    monkeypatch.undo()  # the variable that names the real files


@pytest.mark.mnist
def test_the_real_files_are_the_published_ones(real_files):
    images = MNIST(dir=None)

    images.prepare()
    data = images.load()

    assert data.test is not None
    assert (tuple(data.train.x.shape), tuple(data.test.x.shape)) == (
        (60000, 28, 28),
        (10000, 28, 28),
    )
    counts = [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
    assert torch.bincount(data.train.y).tolist() == counts
    counts = [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    assert torch.bincount(data.test.y).tolist() == counts
    assert data.train.x.mean().item() == pytest.approx(0.1307, abs=1e-4)
    assert (data.train.x.min().item(), data.train.x.max().item()) == (0, 1)
    assert (data.test.ids[0].item(), data.test.ids[-1].item()) == (60000, 69999)


@pytest.mark.mnist
def test_loading_takes_little_longer_than_decompressing_the_files(real_files):
    images = MNIST(dir=None)
    files = [
        path
        for name in zipped(CONTENTS)
        if (path := images.files.find(name[:-3], None)) is not None
    ]
    images.load()  # from here on the files are in the page cache

    started_at = process_time()
    for path in files:
        gzip.decompress(path.read_bytes())
    decompressed_at = process_time()
    images.load()
    loaded_at = process_time()

    assert loaded_at - decompressed_at < 4 * (decompressed_at - started_at)


def test_the_real_fashion_files_are_the_published_ones(real_files):
    images = FashionMNIST(dir=None)
    places = [place for place in images.files.places(None) if place.is_dir()]
    if not places:
        pytest.skip("no folder fashion_mnist was found")

    data = images.load()

    assert data.test is not None
    assert torch.bincount(data.train.y).tolist() == [6000] * 10
    assert torch.bincount(data.test.y).tolist() == [1000] * 10
    assert data.train.x.mean().item() == pytest.approx(0.2860, abs=1e-4)


@pytest.mark.mnist
def test_val_is_the_last_5000_of_a_seeded_shuffle(real_files, train_in):
    record = train_in("data=mnist", "debug=fast", "model.hidden_size=8").record

    assert record["num_sequences"] == {"train": 55000, "val": 5000, "test": 10000}
