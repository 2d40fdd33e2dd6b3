"""Training in the kernel of a Jupyter notebook, and the notebooks of the documentation."""

import asyncio
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

NOTEBOOKS = sorted(Path(__file__).parents[2].glob("docs/notebooks/*.ipynb"))
DATA = """
import logging
import numpy as np, unrolled
x, y = np.random.default_rng(0).normal(size=(24, 6, 2)), [0, 1] * 12
settings = ["recipe=own", "model.hidden_size=4", "logger=none", "data.test_size=0"]
"""
TWICE = """
runs = [
    unrolled.train([*settings, "trainer.max_epochs=1", f"seed={seed}"], data=(x, y))
    for seed in (1, 2)
]
assert logging.getLogger().handlers == handlers
"""
ENDLESS = """
unrolled.train(
    [*settings, "data.val_size=0", "trainer.max_epochs=1000000", "callbacks.progress.style=bar"],
    data=(x, y),
)
"""


def notebook(*cells: str) -> Any:
    return nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])


def run(made: Any, folder: Path, **options: Any) -> Any:
    client = NotebookClient(made, resources={"metadata": {"path": str(folder)}}, **options)
    return client.execute()


@pytest.mark.slow
def test_a_notebook_trains_twice_with_a_bar_and_one_line_for_an_error(tmp_path: Path) -> None:
    cells = (DATA + "handlers = list(logging.getLogger().handlers)", TWICE)

    done = run(notebook(*cells, 'unrolled.train(["model=grru"])'), tmp_path, allow_errors=True)

    outputs = done.cells[1].outputs
    assert not [one for one in outputs if one.output_type == "error"]
    shown = [one.data for one in outputs if one.output_type == "display_data"]
    bars = [data for data in shown if "<progress " in data.get("text/html", "")]
    assert len(bars) == 2
    assert all("<progress value=" in bar["text/html"] for bar in bars)
    assert all(bar["text/plain"].startswith("epoch 1/1") for bar in bars)
    (error,) = [one for one in done.cells[2].outputs if one.output_type == "error"]
    assert len(error.traceback) == 1
    assert error.traceback[0].startswith("ConfigError: model=grru: no such option")


@pytest.mark.slow
def test_the_stop_button_ends_a_run_that_can_be_resumed(tmp_path: Path) -> None:
    made = notebook(DATA, ENDLESS)

    async def stop_when_the_bar_moves(client: NotebookClient) -> None:
        while not any("epoch 2" in str(one) for one in made.cells[1].get("outputs", ())):
            await asyncio.sleep(0.1)
        await client.km.interrupt_kernel()

    async def execute() -> str:
        client = NotebookClient(made, resources={"metadata": {"path": str(tmp_path)}})
        async with client.async_setup_kernel():
            await client.async_execute_cell(made.cells[0], 0)
            stop = asyncio.create_task(stop_when_the_bar_moves(client))
            with pytest.raises(CellExecutionError) as caught:
                await client.async_execute_cell(made.cells[1], 1)
            await stop
        return str(caught.value)

    message = asyncio.run(execute())

    assert "RunInterruptedError: interrupted by SIGINT" in message
    (result,) = tmp_path.glob("outputs/arrays/*/*/result.json")
    assert '"interrupted"' in result.read_text()
    assert (result.parent / "checkpoints" / "last.ckpt").is_file()


@pytest.mark.slow
@pytest.mark.parametrize("path", NOTEBOOKS, ids=[path.stem for path in NOTEBOOKS])
def test_a_notebook_of_the_documentation_runs(path: Path, tmp_path: Path) -> None:
    done = run(nbformat.read(path, as_version=4), tmp_path)

    assert all("outputs" in cell for cell in done.cells if cell.cell_type == "code")
