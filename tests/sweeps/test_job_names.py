"""Folders of jobs are named by what was typed, in characters that every system takes."""

import re

from hypothesis import given
from hypothesis import strategies as st

from unrolled.config.values import job_name


def test_names_are_readable():
    assert job_name("model=rnn,seed=1") == "model-rnn_seed-1"


def test_a_long_command_keeps_choices_and_seed_in_the_name():
    text = ",".join([f"data.source.num_{n}=100" for n in range(20)] + ["model=rnn", "seed=7"])

    assert job_name(text).startswith("model-rnn_seed-7_data.source.num_0-100")


@given(st.text(max_size=300))
def test_names_are_safe(text):
    assert re.fullmatch(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,119}", job_name(text))


def test_jobs_that_differ_only_in_strange_characters_have_different_names():
    texts = ["a=[1,2]", "a=[1/2]", "a={1,2}", "a=1 2", "a='1,2'", "x" * 200, "x" * 201]

    assert len({job_name(text) for text in texts}) == len(texts)
