"""Make the subset of Fashion-MNIST that ships in minigrad/vision/datasets/fashion_mnist_mini.

    python tools/make_fashion_mnist_mini.py SOURCE DESTINATION

SOURCE holds the four published files, train-images-idx3-ubyte.gz and so on. DESTINATION gets files
of the same names and format with the first 1000 (training) and 200 (test) images of each class, in
their original order. The same input gives the same bytes (with the same zlib); the SHA-256 of each
uncompressed content is printed, for `FashionMNISTMini.sha256`.
"""

from __future__ import annotations

import gzip
import hashlib
import sys
from pathlib import Path

import numpy as np

HEADER = {"images-idx3": 16, "labels-idx1": 8}
PER_CLASS = {"train": 1000, "t10k": 200}


def main(source: Path, destination: Path) -> None:
    """Write the four files and print their checksums."""
    destination.mkdir(parents=True, exist_ok=True)
    for part, per_class in PER_CLASS.items():
        content = {
            kind: gzip.decompress((source / f"{part}-{kind}-ubyte.gz").read_bytes())
            for kind in HEADER
        }
        labels = np.frombuffer(content["labels-idx1"], np.uint8, offset=HEADER["labels-idx1"])
        firsts = [np.flatnonzero(labels == c)[:per_class] for c in range(10)]
        chosen = np.sort(np.concatenate(firsts))
        for kind, header in HEADER.items():
            rows = np.frombuffer(content[kind], np.uint8, offset=header).reshape(len(labels), -1)
            # The header is as before but for the first size, the number of images.
            head = content[kind][:4] + len(chosen).to_bytes(4, "big") + content[kind][8:header]
            new = head + rows[chosen].tobytes()
            path = destination / f"{part}-{kind}-ubyte.gz"
            path.write_bytes(gzip.compress(new, 9, mtime=0))
            digest = hashlib.sha256(new).hexdigest()
            print(f'"{path.stem}": "{digest}",  {path.stat().st_size} bytes')


if __name__ == "__main__":
    if len(sys.argv) != 3:
        raise SystemExit(__doc__)
    main(Path(sys.argv[1]), Path(sys.argv[2]))
