"""Builds the notebooks from their scripts, outputs included.

Run it with `python examples/notebooks/build.py`, after a change to a script.
"""

import os
import pathlib

import jupytext
import nbformat
from nbclient import NotebookClient

HERE = pathlib.Path(__file__).parent


def build(script):
    """Runs the cells of a percent script and returns them as a notebook."""
    notebook = jupytext.read(script)
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    NotebookClient(notebook, timeout=600, kernel_name="python3").execute()
    for number, cell in enumerate(notebook.cells):
        cell["id"] = f"cell-{number}"
        cell.metadata.pop("execution", None)
        if cell.cell_type == "code":
            # What libraries log while they load says where they lie.
            cell.outputs = [
                o for o in cell.outputs if o.get("name") != "stderr"
            ]
    return notebook


def main():
    for script in sorted(HERE.glob("*.py")):
        if script != pathlib.Path(__file__):
            notebook = build(script)
            nbformat.write(notebook, script.with_suffix(".ipynb"))
            print("built", script.with_suffix(".ipynb").name)


if __name__ == "__main__":
    main()
