"""Started by torchrun: trains an arm on the features of a folder, together with the other processes."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

from engines.training.arms import Workshop, train_arm
from engines.training.tuning.processes import joined
from tests.engines.training.synthetic import feature_set, sizes, word_vectors
from tests.engines.training.test_arms import OPTIONS

if __name__ == "__main__":
    shop = Workshop(feature_set(Path(sys.argv[1])), word_vectors(), sizes(), replace(OPTIONS, epochs=2))
    with joined() as processes:
        assert processes.count == 2
        train_arm(shop, "vlmae", 1, Path(sys.argv[2]), processes=processes)
