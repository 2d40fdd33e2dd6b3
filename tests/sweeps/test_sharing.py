"""What is loaded once for all jobs of a sweep, and what a job is then given."""

import sys

import pytest
import torch

from conftest import compose
from unrolled.building import data as building
from unrolled.runs import provenance
from unrolled.sweeps.sharing import share

SMALL = ("trainer=cpu", "data=random", "data.source.num_train=8", "data.source.num_steps=3")


@pytest.fixture(autouse=True)
def _shared(monkeypatch):
    """Nothing is shared before or after a test."""
    monkeypatch.setattr(building, "_shared_data", {})
    monkeypatch.setattr("gc.freeze", lambda: None)  # for a process that only forks


def order(data):
    return torch.cat([batch.ids for batch in data.train_dataloader()]).tolist()


def test_jobs_with_the_same_data_share_its_memory_and_keep_their_own_order():
    share(compose(*SMALL, "seed=1", "model=rnn"))
    alone = building.load_data(compose(*SMALL, "seed=7", "data.source.num_val=9"))

    one, two = (building.load_data(compose(*SMALL, f"seed={seed}")) for seed in (1, 7))

    assert one.parts.train.x.data_ptr() == two.parts.train.x.data_ptr()
    assert (one.seed, two.seed) == (1, 7)
    assert order(one) != order(two)
    assert order(two) == order(alone), "as if it had loaded the data itself"


def test_a_job_with_other_data_loads_its_own():
    share(compose(*SMALL))

    for word in ("data.source.num_val=9", "data.batch_size=4", "data.split_seed=5"):
        data, other = (building.load_data(compose(*SMALL, *more)) for more in ((), (word,)))
        assert data.parts.train.x.data_ptr() != other.parts.train.x.data_ptr(), word


def test_data_that_cannot_be_loaded_is_left_to_the_job():
    config = compose("trainer=cpu", "data=random", "data.source.num_train=0")

    share(config)

    assert building._shared_data == {}
    with pytest.raises(ValueError, match="num_train"):
        building.load_data(config)


def test_what_a_config_may_not_name_is_not_imported(tmp_path, monkeypatch):
    (tmp_path / "poison.py").touch()
    monkeypatch.syspath_prepend(str(tmp_path))

    share(compose(*SMALL, "model._target_=poison.Network"))

    assert "poison" not in sys.modules


def test_an_edit_while_jobs_run_is_not_taken_for_what_they_ran(tmp_path, monkeypatch):
    """A later start then finds another source, and runs them again."""
    edited = tmp_path / "gru.py"
    edited.write_text("before")
    monkeypatch.setattr(provenance, "PACKAGE", tmp_path)
    provenance.source_hash.cache_clear()
    try:
        provenance.remember_code()
        loaded = provenance.source_hash()
        edited.write_text("after")
        assert provenance.source_hash() == loaded
        provenance.source_hash.cache_clear()  # as a new process would
        assert provenance.source_hash() != loaded
    finally:
        provenance.source_hash.cache_clear()
        provenance._git.cache_clear()
