"""Workers that see the chief's folder, or not, read the same outputs."""

import concurrent.futures
import threading

import numpy as np
import pytest
from caching import X
from caching import Y

from keras_ban import TeacherCache
from keras_ban.feeding.feed import feed
from keras_ban.teaching import family
from keras_ban.teaching.plan import Plan


class Worker:
    """One of two threads, as a `Cluster`."""

    several, size = True, 2

    def __init__(self, number, barrier, given):
        self.number, self.sent = number, []
        self._barrier, self._given = barrier, given

    def share(self, content, source=0):
        self.sent.append(len(content))
        return self.numbers(content)[source]

    def numbers(self, number):
        self._given[self.number] = number
        self.meet()
        found = [self._given[k] for k in range(2)]
        self.meet()
        return found

    def meet(self):
        self._barrier.wait(60)

    def on_chief(self, function):
        return self.numbers(function() if self.number == 0 else None)[0]

    def send(self, folder, names):
        for name in names:
            content = self.share((folder / name).read_bytes())
            (folder / name).write_bytes(content)


def read(folder, teacher, worker=None):
    """The outputs of a teacher, and the bytes that were sent for them."""
    data = feed({"x": X, "y": Y, "batch_size": 8}, viewed=True).train
    joining = Plan(TeacherCache(folder)).views(
        data, 0, family.get(teacher), cluster=worker
    )
    rows = joining._outputs._read(np.arange(len(X)), 0)[0]
    return rows, sum(worker.sent) if worker else 0


@pytest.mark.parametrize("is_shared", [True, False])
def test_both_read_what_one_process_computes(teacher, tmp_path, is_shared):
    expected, _ = read(tmp_path / "alone", teacher)
    barrier, given = threading.Barrier(2), {}
    folders = [tmp_path / ("both" if is_shared else f"{k}") for k in range(2)]
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        found = [
            pool.submit(read, folder, teacher, Worker(k, barrier, given))
            for k, folder in enumerate(folders)
        ]
        for rows, sent in (one.result(120) for one in found):
            np.testing.assert_array_equal(rows, expected)
            # The name of a mark alone, or three or four batches of outputs.
            assert (sent < 50) == is_shared
    left = {p.name for p in folders[0].rglob("*") if p.is_file()}
    assert left == {"0-00000.npy", "cache.json", "lock"}
