"""Text sets that TensorFlow Datasets has prepared."""

from keras_ban.data.prepared import Prepared
from keras_ban.data.words import decoded

_KNOWN = "tiny_shakespeare, lm1b, or another text set"


class Texts(Prepared):
    """A set of texts on this machine.

    Args:
        name: As in `tfds.load`.
        data_dir: As in `tfds.load`.
        download: Whether to download what is not there.
        try_gcs: As in `tfds.load`.
        feature: The name of the text in each example, or `None` for the one
            that there is.

    Raises:
        FileNotFoundError: If it is not there.
        ConnectionError: If it cannot be downloaded.
        OSError: If one of its files is none.
        ValueError: If it is unknown, has no such text or nothing to train on.
    """

    def __init__(self, name, data_dir, download, try_gcs, feature):
        import tensorflow_datasets as tfds

        # Examples that follow each other in a file stay together.
        config = tfds.ReadConfig(interleave_cycle_length=1)
        options = {"try_gcs": try_gcs, "read_config": config}
        super().__init__(name, data_dir, _KNOWN, **options)
        features = self.builder.info.features
        found = [
            key
            for key in features
            if isinstance(features[key], tfds.features.Text)
        ]
        if feature not in found and (feature is not None or len(found) != 1):
            raise ValueError(
                f"The data set {name!r} has no such text. Expected the name "
                f"of one of its texts, {found}, as `feature`. Received: "
                f"{feature!r}, and examples of {list(features)}. Give one of "
                "these, or choose another set."
            )
        self._name = name
        self._feature = found[0] if feature is None else feature
        self.find(download)
        if "train" not in self.splits:
            raise ValueError(
                f"The data set {name!r} has no text to train on. Expected the "
                f"split 'train'. Received: {list(self.splits)}. Choose another "
                "set."
            )

    def text(self, split):
        """All lines of a split, or `None` if there is no such split.

        Raises:
            ValueError: If a file is damaged, or a text empty or not UTF-8.
        """
        if split not in self.splits:
            return None
        lines = []
        for number, row in enumerate(self.batches(self.read(split), split)):
            name = f"Example {number} of {self._name!r}, {split}"
            lines.append(decoded(row[self._feature], name).removesuffix("\n"))
        text = "\n".join(lines)
        if not text.strip():
            raise ValueError(
                f"The split {split!r} of {self._name!r} is empty. Expected "
                f"texts. Received: {len(lines)} examples without a word. "
                "Prepare the set anew, or choose another."
            )
        return text
