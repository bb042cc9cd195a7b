"""Scripts of the repository, run as a user runs them."""

import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).parents[2]


def run(script, *arguments, cwd=None):
    """What a script prints.

    Args:
        script: Its path in the repository.
        *arguments: Its arguments, texts.
        cwd: The folder that it is run in. Defaults to `None`: the current one.
    """
    return subprocess.run(
        [sys.executable, str(ROOT / script), *arguments],
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=300,
        check=True,
    ).stdout
