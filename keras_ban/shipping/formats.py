"""The formats that a model leaves in: how each is written and run again."""

import contextlib
import logging
import re
import warnings
from collections.abc import Callable
from typing import NamedTuple

import keras
import numpy as np
import tensorflow as tf

from keras_ban import checks
from keras_ban.networks import saving

_EXTRA = "export"


class Format(NamedTuple):
    """A format.

    Attributes:
        ending: What the name of its file ends in; empty of a folder.
        write: Function of a model and a path that writes it.
        load: Function of a path and a model of the same inputs and outputs
            that gives a function from a batch to a list of outputs, arrays.
        check: Function without arguments that raises an `ImportError` if
            something that it needs is not installed.
        use: Lines of Python that load it and run it on `x`.
        in_float32: Whether it has float32 alone, in place of a reduced
            precision. Defaults to `False`.
        has_state: Whether a model may carry something from batch to batch.
            Defaults to `False`.
    """

    ending: str
    write: Callable
    load: Callable
    check: Callable
    use: str
    in_float32: bool = False
    has_state: bool = False


def _nothing():
    """Whoever has keras_ban has all that it needs."""


def _write_keras(model, path):
    model.save(path)


def _load_keras(path, model):
    loaded = saving.load_model(path)
    return lambda x: keras.tree.flatten(loaded(x, training=False))


def _write_saved_model(model, path):
    model.export(path, format="tf_saved_model", verbose=False)


def _load_saved_model(path, model):
    loaded = tf.saved_model.load(str(path))
    # Its variables are gone as soon as nobody holds it.
    return lambda x: keras.tree.flatten(loaded.serve(x))


def _check_onnx():
    for package in ("onnx", "tf2onnx", "onnxruntime"):
        with checks.needing(package, _EXTRA, 'The format "onnx"'):
            __import__(package)


def _write_onnx(model, path):
    _register_erfc()
    with warnings.catch_warnings(), _silent("tf2onnx"):
        # tf2onnx asks NumPy for names that it no longer has.
        warnings.filterwarnings("ignore", "In the future `np.object`")
        model.export(str(path), format="onnx", verbose=False)


def _register_erfc():
    """Teaches tf2onnx the exact GELU, which TensorFlow computes by erfc."""
    from tf2onnx.handler import tf_op

    @tf_op("Erfc")
    class Erfc:
        """`1 - erf(x)`."""

        @classmethod
        def version_9(cls, ctx, node, **kwargs):
            """From this version of ONNX on there is erf."""
            (output,), (given,) = node.output, node.input
            dtype, shape = ctx.get_dtype(output), ctx.get_shape(output)
            one = ctx.make_const(f"{node.name}_one", np.float32(1))
            erf = ctx.make_node("Erf", [given], name=f"{node.name}_erf")
            ctx.remove_node(node.name)
            ctx.make_node(
                "Sub",
                [one.output[0], erf.output[0]],
                name=node.name,
                outputs=[output],
                dtypes=[dtype],
                shapes=[shape],
            )


@contextlib.contextmanager
def _silent(name):
    """Keeps back what the error says that follows."""
    logger = logging.getLogger(name)
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(level)


def _load_onnx(path, model):
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(
        path, options, providers=["CPUExecutionProvider"]
    )
    inputs = [held.name for held in session.get_inputs()]

    def run(x):
        values = map(np.asarray, keras.tree.flatten(x))
        return session.run(None, dict(zip(inputs, values, strict=True)))

    return run


def _check_litert():
    with checks.needing("ai-edge-litert", _EXTRA, 'The format "litert"'):
        __import__("ai_edge_litert.interpreter")


def _write_litert(model, path):
    model.export(str(path), format="litert", verbose=False)


def _load_litert(path, model):
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(str(path))
    runner = interpreter.get_signature_runner()
    inputs = sorted(runner.get_input_details(), key=_counted)
    outputs = sorted(runner.get_output_details(), key=_counted)

    def run(x):
        values = map(np.asarray, keras.tree.flatten(x))
        found = runner(**dict(zip(inputs, values, strict=True)))
        # The interpreter writes over its own memory.
        return [np.array(found[name]) for name in outputs]

    return run


def _counted(name):
    """A key that orders "output_10" after "output_9"."""
    text, number = re.fullmatch(r"(.*?)(\d*)", name).groups()
    return text, int(number or 0)


FORMATS = {
    "keras": Format(
        ".keras",
        _write_keras,
        _load_keras,
        _nothing,
        "import keras\n"
        'model = keras.models.load_model("{name}", compile=False)\n'
        "outputs = model.predict(x)",
        has_state=True,
    ),
    "saved_model": Format(
        "",
        _write_saved_model,
        _load_saved_model,
        _nothing,
        "import tensorflow as tf\n"
        'model = tf.saved_model.load("{name}")\n'
        "outputs = model.serve(x)",
    ),
    "onnx": Format(
        ".onnx",
        _write_onnx,
        _load_onnx,
        _check_onnx,
        "import onnxruntime\n"
        'session = onnxruntime.InferenceSession("{name}")\n'
        "names = [held.name for held in session.get_inputs()]\n"
        "outputs = session.run(None, dict(zip(names, {inputs})))",
        in_float32=True,
    ),
    "litert": Format(
        ".tflite",
        _write_litert,
        _load_litert,
        _check_litert,
        "from ai_edge_litert.interpreter import Interpreter\n"
        'run = Interpreter("{name}").get_signature_runner()\n'
        "names = sorted(run.get_input_details())\n"
        "outputs = run(**dict(zip(names, {inputs})))",
        in_float32=True,
    ),
}
