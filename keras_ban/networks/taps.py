"""What inner layers of a model give, in one forward pass."""

import contextlib
import difflib
import threading

import keras


class Taps:
    """Some layers of a model, whose outputs are seen as it is called.

    While a model is called, its layers remember what they give; neither graph
    nor layers are others afterwards.

    Args:
        model: A built `keras.Model`.
        paths: The names of layers, a list; those of nested models after the
            model's name and "/".
        role: What errors call the model.

    Attributes:
        paths: As given.

    Raises:
        ValueError: If there is no such layer.
    """

    def __init__(self, model, paths, role):
        self.paths = list(dict.fromkeys(paths))
        self._model = model
        self._layers = {p: find(model, p, role) for p in self.paths}
        self._held = threading.local()
        self._lock = threading.Lock()
        self._users = 0

    def __call__(self, x, training):
        """Calls the model.

        Args:
            x: A batch of inputs.
            training: As in Keras.

        Returns:
            Its output, and a dict of what each layer gives, by its path.

        Raises:
            ValueError: If a layer is not called once, or gives no tensor.
        """
        self._held.seen = {path: [] for path in self.paths}
        with self._open():
            output = self._model(x, training=training)
        seen = self._held.seen
        for path, found in seen.items():
            if len(found) != 1 or keras.tree.is_nested(found[0]):
                gives = "several tensors" if found else "nothing"
                raise ValueError(
                    f"The layer {path!r} of {self._model.name!r} is called "
                    f"{len(found)} times in a step, or gives {gives}. Expected "
                    "a layer that is called once and gives one tensor. Name "
                    "another one, or put a `keras.layers.Identity` behind it."
                )
        return output, {path: found for path, [found] in seen.items()}

    @contextlib.contextmanager
    def _open(self):
        """While it lasts, layers remember; replicas may be here at a time."""
        with self._lock:
            self._users += 1
            if self._users == 1:
                for path, layer in self._layers.items():
                    layer.call = self._remembering(path, layer.call)
        try:
            yield
        finally:
            with self._lock:
                self._users -= 1
                if self._users == 0:
                    for layer in self._layers.values():
                        del layer.call

    def _remembering(self, path, call):
        def remember(*args, **kwargs):
            found = call(*args, **kwargs)
            self._held.seen[path].append(found)
            return found

        return remember


def find(model, path, role):
    """A layer of a model.

    Args:
        model: A built `keras.Model`.
        path: Its name; of a nested model after that model's name and "/".
        role: What errors call the model.

    Raises:
        ValueError: If there is none.
    """
    here, found = model, None
    for name in str(path).split("/"):
        known = {one.name: one for one in getattr(here, "layers", ())}
        found = here = known.get(name)
        if found is None or isinstance(found, keras.layers.InputLayer):
            alike = difflib.get_close_matches(name, known, 1)
            hint = f" Did you mean {alike[0]!r}?" if alike else ""
            raise ValueError(
                f"The {role} {model.name!r} has no layer {path!r}.{hint} "
                f"Expected one of {', '.join(map(repr, known))}; those of a "
                "nested model follow its name and '/'."
            )
    return found
