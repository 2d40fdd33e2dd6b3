"""Each case from the field has a test with its name, or one that is named here."""

import re
from pathlib import Path

FOLDER = Path(__file__).parent
CASES = (FOLDER / "names.txt").read_text(encoding="utf-8").split()
# Cases without a test of their name: the file and the function that tests them.
ELSEWHERE = {
    "devices2_cpu": ("../test_two_processes.py", "test_two_processes_reach_the_scores_of_one"),
    "inspect_output_digits": ("test_reading_cases.py", "test_inspect_output"),
    "inspect_output_files": ("test_reading_cases.py", "test_inspect_output"),
    "max_steps_below_epoch": ("test_setting_cases.py", "test_max_steps"),
    "max_steps_mnist": ("test_setting_cases.py", "test_max_steps"),
    "real_arrowhead_arff": ("test_reading_cases.py", "test_real_arrowhead"),
    "real_arrowhead_tsv": ("test_reading_cases.py", "test_real_arrowhead"),
}


def test_each_case_has_a_test() -> None:
    others = [path for path in FOLDER.glob("test_*.py") if path != Path(__file__)]
    text = "\n".join(path.read_text(encoding="utf-8") for path in others)
    named = set(re.findall(r"\bdef test_(\w+)", text))  # a function
    named |= set(re.findall(r'"(\w+)": \(', text))  # an item of a table of cases
    for case, (file, function) in ELSEWHERE.items():
        if f"def {function}(" in (FOLDER / file).read_text(encoding="utf-8"):
            named.add(case)
    assert len(CASES) == 92
    assert set(CASES) - named == set()
