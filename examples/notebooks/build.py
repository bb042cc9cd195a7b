"""Builds the notebooks from the guides, outputs included, and their gallery.

python examples/notebooks/build.py           # all of them
python examples/notebooks/build.py NAME ...  # some

Run it after a change to a guide of `examples/guides`. The gallery,
`docs/gallery.md`, has the first pictures of each notebook.
"""

import base64
import os
import pathlib
import re
import sys
import tempfile

import jupytext
import nbformat
from nbclient import NotebookClient

HERE = pathlib.Path(__file__).parent
GUIDES = HERE.parent / "guides"
DOCS = HERE.parents[1] / "docs"
# In the order in which they are read.
ORDER = (
    "born_again_in_ten_minutes",
    "does_it_help_on_my_data",
    "objectives_under_the_light",
    "dense_to_residual",
    "an_ensemble_you_can_ship",
    "trees_that_explain",
    "language_model",
    "ten_speech_models_into_one",
    "many_devices",
)
PICTURES = 2


def build(script):
    """Runs the cells of a percent script and returns them as a notebook."""
    notebook = jupytext.read(script)
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    with tempfile.TemporaryDirectory() as folder:
        NotebookClient(
            notebook,
            timeout=1200,
            kernel_name="python3",
            resources={"metadata": {"path": folder}},
        ).execute()
    for number, cell in enumerate(notebook.cells):
        cell["id"] = f"cell-{number}"
        cell.metadata.pop("execution", None)
        if cell.cell_type == "code":
            # What libraries log while they load says where they lie.
            cell.outputs = [
                o for o in cell.outputs if o.get("name") != "stderr"
            ]
    return notebook


def pictures(notebook):
    """The PNG images that a notebook shows, as bytes."""
    outputs = [o for c in notebook.cells for o in c.get("outputs", [])]
    found = [o.get("data", {}).get("image/png") for o in outputs]
    return [base64.b64decode(image) for image in found if image]


def gallery():
    """Writes `docs/gallery.md`, and the pictures beside it."""
    folder = DOCS / "gallery"
    folder.mkdir(exist_ok=True)
    for path in folder.glob("*.png"):
        path.unlink()
    lines = [
        "# Gallery",
        "",
        "Each notebook is one script of `examples/guides`, in cells, which is "
        "tested as it",
        "stands. None needs a download. To run one in "
        "[Colab](https://colab.research.google.com),",
        "upload it there, with a wheel of keras_ban, and begin with a cell "
        "`!pip install",
        "keras_ban-*.whl`.",
    ]
    for name in ORDER:
        path = HERE / f"{name}.ipynb"
        notebook = nbformat.read(path, as_version=4)
        text = notebook.cells[0].source
        title = re.search(r"(?m)^# (.*)$", text)[1]
        about = re.search(r"(?s)\*\*Description:\*\* (.*?)\n\n", text)[1]
        link = f"../examples/notebooks/{path.name}"
        lines += ["", f"## [{title}]({link})", "", about]
        for number, image in enumerate(pictures(notebook)[:PICTURES], 1):
            drawn = folder / f"{name}-{number}.png"
            drawn.write_bytes(image)
            lines += ["", f"![{title}](gallery/{drawn.name})"]
    (DOCS / "gallery.md").write_text("\n".join(lines) + "\n")


def main(names):
    for name in names or ORDER:
        notebook = build(GUIDES / f"{name}.py")
        nbformat.write(notebook, HERE / f"{name}.ipynb")
        print("built", name, flush=True)
    gallery()


if __name__ == "__main__":
    main(sys.argv[1:])
