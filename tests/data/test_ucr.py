"""data=ucr data.name=NAME: sets of the UCR and UEA archives are found, or downloaded."""

import io
import json
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from conftest import compose
from unrolled.building.source import build_source
from unrolled.config.values import data_name
from unrolled.data.sources import ucr
from unrolled.errors import ConfigError, DataError

TS = "@problemName Waves\n@univariate true\n@equalLength true\n@seriesLength 4\n"
TS += "@classLabel true up down\n@data\n"
FILES = {
    "Waves_TRAIN.ts": TS + "1,2,3,4:up\n4,3,2,1:down\n2,3,4,5:up\n",
    "Waves_TEST.ts": TS + "5,4,3,2:down\n",
}


def zipped(files: dict[str, str]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return file.getvalue()


class Server(BaseHTTPRequestHandler):
    """Answers every request with `content`, or with 404 if that is empty."""

    content = b""
    asked: list[str] = []  # noqa: RUF012 - set by the fixture

    def do_GET(self) -> None:
        self.asked.append(self.path)
        self.send_response(200 if self.content else 404)
        self.send_header("Content-Length", str(len(self.content)))
        self.end_headers()
        self.wfile.write(self.content)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(autouse=True)
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Server]]:
    Server.content, Server.asked = b"", []
    http = ThreadingHTTPServer(("127.0.0.1", 0), Server)
    Thread(target=http.serve_forever, daemon=True).start()
    monkeypatch.setattr(ucr, "ADDRESS", f"http://127.0.0.1:{http.server_port}/{{name}}.zip")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("UNROLLED_DATA_DIR", raising=False)
    monkeypatch.chdir(tmp_path)
    yield Server
    http.shutdown()
    http.server_close()


def source(*overrides: str) -> ucr.Archive:
    made = build_source(compose("data=ucr", "data.name=Waves", *overrides))
    assert isinstance(made, ucr.Archive)
    return made


def lengths(found: ucr.Archive) -> tuple[int, int]:
    data = found.load()
    assert data.test is not None
    return len(data.train), len(data.test)


def test_a_set_is_downloaded_once_and_its_hash_is_recorded(
    server: type[Server], tmp_path: Path
) -> None:
    server.content = zipped({f"folder/{name}": text for name, text in FILES.items()})

    source().prepare()
    source().prepare()

    assert server.asked == ["/Waves.zip"]
    assert lengths(source()) == (3, 1)
    folder = tmp_path / "cache" / "unrolled" / "ucr" / "Waves"
    assert sorted(path.name for path in folder.iterdir()) == [*sorted(FILES), "download.json"]
    assert len(json.loads((folder / "download.json").read_text())["sha256"]) == 64


@pytest.mark.parametrize("place", ["Waves", "ucr/Waves"])
def test_a_set_in_data_dir_is_used(place: str, server: type[Server], tmp_path: Path) -> None:
    folder = tmp_path / "mine" / place
    folder.mkdir(parents=True)
    for name, text in FILES.items():
        (folder / name).write_text(text)

    found = source("data.dir=mine")
    found.prepare()

    assert server.asked == []
    assert lengths(found) == (3, 1)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "404"),
        (b"<html>come back later</html>", "not a zip file"),
        (zipped({"Waves_TRAIN.ts": "x"}), "the archive has no Waves_TEST.ts"),
        (zipped({"../../Waves_TRAIN.txt": "x"}), "the archive has no Waves_TRAIN.ts"),
    ],
    ids=["missing", "HTML", "half", "outside"],
)
def test_a_bad_download_is_refused(
    content: bytes, reason: str, server: type[Server], tmp_path: Path
) -> None:
    server.content = content

    with pytest.raises(DataError, match=rf"(?s)data\.name=Waves was not found.*{reason}"):
        source("data.dir=mine").prepare()

    assert not list(tmp_path.rglob("*_TEST.ts"))
    assert not list(tmp_path.rglob("*.zip"))


def test_a_member_without_an_end_is_refused(
    server: type[Server], monkeypatch: pytest.MonkeyPatch
) -> None:
    server.content = zipped({name: text * 1000 for name, text in FILES.items()})
    monkeypatch.setattr(ucr, "LARGEST_FILE", 10_000)

    with pytest.raises(DataError, match=r"Waves_TRAIN\.ts has more than 10,000 bytes"):
        source().prepare()


def test_a_misspelt_name_gets_a_hint() -> None:
    with pytest.raises(DataError, match="GunPoint"):
        build_source(compose("data=ucr", "data.name=GunPiont")).prepare()


@pytest.mark.parametrize(
    "wrong", ["data.name=null", "data.name=../x", "data.path=x.csv"], ids=["none", "path", "file"]
)
def test_wrong_settings_are_refused(wrong: str) -> None:
    with pytest.raises(ConfigError):
        source(wrong)


@pytest.mark.parametrize(
    ("overrides", "name"),
    [
        (("data=ucr", "data.name=GunPoint"), "GunPoint"),
        (("data=files", "data.path=some/my_data.csv"), "my_data"),
        (("data=random",), "Random"),
    ],
)
def test_tables_show_the_name_of_the_data(overrides: tuple[str, ...], name: str) -> None:
    assert data_name(compose(*overrides)) == name
