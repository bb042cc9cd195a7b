"""Seconds of whole commands: imports, and generations against plain Keras.

python benchmarks/commands.py
"""

import argparse
import os
import pathlib
import subprocess
import sys
import tempfile
import time

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--imports", type=int, default=15, help="rounds")
parser.add_argument("--generations", type=int, default=3, help="rounds")
args = parser.parse_args()

import measuring

FOLDER = pathlib.Path(__file__).parent
BY_HAND = str(FOLDER / "by_hand.py")


def command(*words):
    """A function that runs Python so and returns the seconds it took."""

    def run():
        environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
        start = time.perf_counter()
        subprocess.run(
            [sys.executable, *words],
            env=environment,
            cwd=tempfile.gettempdir(),
            capture_output=True,
            check=True,
        )
        return time.perf_counter() - start

    return run


def main():
    imports = measuring.in_turn(
        {
            "import keras": command("-c", "import keras, tensorflow"),
            "import keras_ban": command("-c", "import keras_ban"),
        },
        args.imports,
    )
    runs = measuring.in_turn(
        {
            "by keras_ban": command(BY_HAND, "--package"),
            "by hand": command(BY_HAND),
        },
        args.generations,
        warm_up=0,
    )
    measuring.save(
        "commands",
        {
            "settings": vars(args),
            "seconds": measuring.summary({**imports, **runs}),
            "ratios": {
                "import keras_ban / import keras": measuring.ratio(
                    imports, "import keras_ban", ["import keras"]
                ),
                "by keras_ban / by hand": measuring.ratio(
                    runs, "by keras_ban", ["by hand"]
                ),
            },
        },
    )


if __name__ == "__main__":
    main()
