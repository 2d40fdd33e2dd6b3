"""The examples of docs/sharing.md: a local server stands for the Hub, and a folder for MLflow."""

import base64
import json
import re
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import numpy as np
import pytest

import unrolled
from conftest import ragged

HUB, MLFLOW = re.findall(
    r"```python\n(.*?)```",
    (Path(__file__).parents[2] / "docs" / "sharing.md").read_text(),
    re.DOTALL,
)
COMMIT = "0" * 40


class Hub(BaseHTTPRequestHandler):
    """The part of the Hub's HTTP API that uploads and downloads small files of one repository."""

    files: dict[str, bytes]

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.path == "/api/repos/create":
            self.answer({"url": "http://localhost/my_name/swings"})
        elif self.path == "/api/validate-yaml":  # of the model card
            self.answer({"errors": [], "warnings": []})
        elif self.path.endswith("/preupload/main"):
            names = [file["path"] for file in json.loads(body)["files"]]
            modes = [{"path": name, "uploadMode": "regular"} for name in names]
            self.answer({"files": [{**mode, "shouldIgnore": False} for mode in modes]})
        elif self.path.endswith("/commit/main"):
            for line in map(json.loads, body.splitlines()):
                if line["key"] == "file":
                    content = base64.b64decode(line["value"]["content"])
                    self.files[line["value"]["path"]] = content
            url = f"http://localhost/my_name/swings/commit/{COMMIT}"
            self.answer({"commitUrl": url, "commitOid": COMMIT, "success": True})
        else:
            self.answer({"error": self.path}, status=404)

    def do_HEAD(self) -> None:
        self.send_file(with_content=False)

    def do_GET(self) -> None:
        if "/resolve/" in self.path:
            self.send_file(with_content=True)
        elif "/tree/" in self.path:
            files = [
                {"type": "file", "path": name, "size": len(content), "oid": name}
                for name, content in self.files.items()
            ]
            self.answer(files)
        elif self.path.startswith("/api/models/my_name/swings"):
            siblings = [{"rfilename": name} for name in self.files]
            self.answer({"id": "my_name/swings", "sha": COMMIT, "siblings": siblings})
        else:
            self.answer({"error": self.path}, status=404)

    def send_file(self, *, with_content: bool) -> None:
        content = self.files[self.path.split("/", 5)[5]]
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("ETag", f'"{hash(content):x}"')
        self.send_header("X-Repo-Commit", COMMIT)
        self.end_headers()
        if with_content:
            self.wfile.write(content)

    def answer(self, values: object, *, status: int = 200) -> None:
        content = json.dumps(values).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def hub() -> Iterator[ThreadingHTTPServer]:
    Hub.files = {}
    server = ThreadingHTTPServer(("localhost", 0), Hub)
    Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def test_a_model_is_shared_on_the_hub(
    hub: ThreadingHTTPServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    constants = pytest.importorskip("huggingface_hub.constants")
    endpoint = f"http://localhost:{hub.server_port}"
    monkeypatch.setattr(constants, "ENDPOINT", endpoint)
    template = constants.HUGGINGFACE_CO_URL_TEMPLATE
    monkeypatch.setattr(
        constants, "HUGGINGFACE_CO_URL_TEMPLATE", re.sub("^https://[^/]*", endpoint, template)
    )
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    exported = {"README.md": b"# Model card: LSTM\n", "model.onnx": bytes(range(256))}
    (tmp_path / "swings_onnx").mkdir()
    for name, content in exported.items():
        (tmp_path / "swings_onnx" / name).write_bytes(content)
    names: dict[str, str] = {}

    exec(HUB, names)

    downloaded = {path.name: path.read_bytes() for path in Path(names["folder"]).iterdir()}
    assert downloaded == exported


@pytest.mark.rare
@pytest.mark.filterwarnings("ignore")  # MLflow warns when it is imported
def test_a_model_is_saved_for_mlflow(
    train_ragged: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mlflow = pytest.importorskip("mlflow")
    run = train_ragged("recipe=own", "data.missing=forward")
    monkeypatch.chdir(tmp_path)
    code, replaced = re.subn('run = ".*"', f"run = {str(run)!r}", MLFLOW)
    assert replaced == 1
    names: dict[str, object] = {}

    exec(code, names)

    x = np.stack([sequence[:5] for sequence in ragged(3, seed=7)])
    found = names["model"].predict(x)  # type: ignore[attr-defined]
    expected = unrolled.load(run).predict(x).probabilities
    np.testing.assert_allclose(found, expected, atol=1e-6)
    with pytest.raises(mlflow.exceptions.MlflowException):
        names["model"].predict(x[:, :, :1])  # type: ignore[attr-defined]
