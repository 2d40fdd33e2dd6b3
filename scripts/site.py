"""Pages of the documentation site that are not in docs/, and parameters as lists.

Hooks of MkDocs and an extension of griffe, which mkdocs.yml names.
"""

import re
from pathlib import Path
from typing import Any

from griffe import Extension, Object
from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parents[1]
# Files next to docs/, by the name of their page.
TOP = {
    "index.md": "README.md",
    **{name: name for name in ("CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md")},
}
API = """# API

Everything else in the package can change between versions.

{members}
## Exceptions

::: unrolled.errors
    options:
      show_root_heading: false
"""
MEMBERS = (
    *("unrolled.train", "unrolled.resume", "unrolled.evaluate", "unrolled.explain"),
    *("unrolled.load", "unrolled.api.finished_run.FinishedRun"),
    *("unrolled.prediction.predictor.Predictor", "unrolled.prediction.predictor.Prediction"),
    *("unrolled.reports.evaluation.Evaluation", "unrolled.explaining.explanation.Explanation"),
    *("unrolled.streaming.stream.Stream", "unrolled.api.estimator.RecurrentClassifier"),
)


def on_files(files: Files, config: Any) -> Files:
    """Add the pages made of files next to docs/, and the API."""
    for page, name in TOP.items():
        text = (ROOT / name).read_text(encoding="utf-8")
        text = re.sub(r"(\]\(|src=\")docs/", r"\1", text)  # links are relative to docs/ here
        files.append(File.generated(config, page, content=text))
    members = "".join(f"::: {name}\n\n" for name in MEMBERS)
    files.append(File.generated(config, "api.md", content=API.format(members=members)))
    return files


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Make links of docs/ to files next to it links to their pages."""
    names = "|".join(re.escape(name) for name in TOP.values())
    return re.sub(rf"\]\(\.\./({names})", r"](\1", markdown)


class Parameters(Extension):
    """Reads paragraphs of the form `name: what it is` in docstrings as parameters."""

    PARAGRAPH = re.compile(r"\w[\w, ]*: ")

    def on_object(self, *, obj: Object, **_: Any) -> None:
        """Give these paragraphs the heading that the Google style has for them."""
        if obj.docstring is None:
            return
        paragraphs = obj.docstring.value.split("\n\n")
        for number, text in enumerate(paragraphs):
            if number and self.PARAGRAPH.match(text):
                lines = "\n".join(f"    {line}" for line in text.splitlines())
                paragraphs[number] = f"Args:\n{lines}"
        obj.docstring.value = "\n\n".join(paragraphs)
