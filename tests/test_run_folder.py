"""What a run folder is given it gives back."""

from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from omegaconf import OmegaConf

from unrolled.runs.run_folder import RunFolder

words = st.text(st.characters(blacklist_categories=["Cs", "Cc"], blacklist_characters="$\\"))
looks_like = st.sampled_from(
    [
        "1e-3",
        "1",
        "0.5",
        ".inf",
        "nan",
        "null",
        "~",
        "true",
        "no",
        "2024-01-01",
        "12:30",
        "a: b",
        "# c",
    ]
)
numbers = st.one_of(
    st.integers(), st.sampled_from([1e-3, 1e-5, 3e-300, 1e22, 0.1, -0.0, 1.0, float("inf")])
)
values = st.one_of(st.none(), st.booleans(), numbers, words, looks_like)


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    node=st.dictionaries(
        st.from_regex("[a-z_]{1,9}", fullmatch=True), st.one_of(values, st.lists(values))
    )
)
def test_a_config_is_read_as_it_was_written(node: dict[str, Any], tmp_path: Path) -> None:
    config = OmegaConf.create({"data": node})
    folder = RunFolder(tmp_path)
    folder.write_config(config)
    read = OmegaConf.to_container(folder.config())
    assert repr(read) == repr({"data": node})
