"""docs/examples/digits.html classifies digits that are drawn with the mouse, in Chromium."""

import json
import os
import shutil
import subprocess
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from queue import SimpleQueue
from threading import Thread

import pytest

from unrolled.cli import run

PAGE = Path(__file__).parents[2] / "docs" / "examples" / "digits.html"
WEB = os.environ.get("UNROLLED_ONNXRUNTIME_WEB")  # node_modules/onnxruntime-web/dist


class Site(SimpleHTTPRequestHandler):
    """Files of a folder, and a queue for what the page sends."""

    found: SimpleQueue[bytes] = SimpleQueue()

    def do_POST(self) -> None:
        self.found.put(self.rfile.read(int(self.headers["Content-Length"])))
        self.send_response(204)
        self.end_headers()


@pytest.mark.rare
@pytest.mark.skipif(not shutil.which("chromium"), reason="Chromium is not installed")
@pytest.mark.skipif(not WEB, reason="UNROLLED_ONNXRUNTIME_WEB is not set")
def test_drawn_digits_are_classified_in_a_browser(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(["train", "logger=none", "trainer.max_epochs=12"]) == 0
    exported = subprocess.run(
        ["unrolled", "export", "run=latest", "output=site"],
        capture_output=True,
        check=False,
        text=True,
    )
    assert exported.returncode == 0, exported.stderr
    site = tmp_path / "site"
    for path in Path(str(WEB)).glob("ort*wasm*"):
        shutil.copy(path, site)
    script = Path(__file__).with_name("draw_digits.js").read_text()
    text = PAGE.read_text().replace("</body>", f'<script type="module">{script}</script></body>')
    (site / "index.html").write_text(text)
    server = ThreadingHTTPServer(("localhost", 0), partial(Site, directory=str(site)))
    Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://localhost:{server.server_port}/"
    options = ("--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path}/user")
    browser = subprocess.Popen(["chromium", *options, "--remote-debugging-port=0", url])
    try:
        answers = json.loads(Site.found.get(timeout=300))
    finally:
        browser.terminate()
        browser.wait()
        server.shutdown()

    assert {digit: answer[0] for digit, answer in answers.items()} == {d: d for d in "01347"}
