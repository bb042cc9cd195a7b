"""Scripts of the repository, run as a user runs them."""

import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).parents[2]


def run(script, *arguments, cwd=None, timeout=300):
    """What a script prints.

    Args:
        script: Its path in the repository.
        *arguments: Its arguments, texts.
        cwd: The folder that it is run in. Defaults to `None`: the current one.
        timeout: The seconds that it may take. Defaults to `300`.
    """
    return subprocess.run(
        [sys.executable, str(ROOT / script), *arguments],
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=True,
    ).stdout
