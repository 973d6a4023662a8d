"""A tiny network that marks what it sees and hears by rules that a test can foresee: colour, and loudness.

Its tokens and its fusion are random. It stands for a bundle with real towers wherever only the marks matter.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from engines.calibration import Calibration, TaskCalibration
from engines.export import export_network
from engines.manifest import SCHEMA, SCHEME, Manifest, Preprocessing
from engines.models.audio import AudioTower
from engines.models.fusion import Fusion
from engines.models.network import NetworkSizes
from engines.models.text import TextTower
from engines.models.vision import VisionTower
from engines.notice import Notice
from engines.spec import MARKED_CLASSES, TASKS, GraphSpec, graph_specs
from engines.tokenizer import word_pipeline

SIZES = NetworkSizes(
    frame_pixels=64, window_samples=15_360, sample_rate_hz=16_000, vocabulary_size=6, embedding_size=16, heads=2
)
WORDS = ["a", "loud", "red", "clip"]
NAMES = {"vision": ("red", "green", "blue", "grey"), "audio": ("Silence", "Hum", "Gunshot, gunfire")}
PRIORS = {"vision": ("sexual", "violent"), "audio": ("violent",)}
MEMBERS: dict[str, dict[str, tuple[int, ...]]] = {"audio": {"violent": (2,)}}
CATEGORIES = {
    "adult": {
        "sexual": {"vision": TaskCalibration()},
        "violent": {"vision": TaskCalibration(bias=-8.0), "audio": TaskCalibration()},
    }
}
NOTICES = (
    Notice(
        name="weights of nobody", source="drawn by a test", licence="Apache-2.0", sha256="0" * 64, text="(c) nobody"
    ),
)


class MarkedVision(nn.Module):
    """Names the colour of a frame; "sexual" stands for red, "violent" for blue."""

    def __init__(self) -> None:
        super().__init__()
        self.tower = VisionTower(SIZES.embedding_size, SIZES.frame_pixels)

    def forward(self, frames_FCHW: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """uint8 (F, 3, H, W) -> tokens_FPD, classes_FI, class_scores_FI, priors_FR."""
        colour_FC = frames_FCHW.to(torch.float32).mean((2, 3)) / 255
        grey_F1 = torch.full_like(colour_FC[:, :1], 0.5)
        scores_FI, classes_FI = torch.cat([colour_FC, grey_F1], 1).mul(20).softmax(1).topk(MARKED_CLASSES)
        red_F, _, blue_F = colour_FC.unbind(1)
        priors_FR = torch.stack([30 * (red_F - blue_F - 0.3), 30 * (blue_F - red_F - 0.3)], 1).sigmoid()
        return self.tower(frames_FCHW), classes_FI, scores_FI, priors_FR


class MarkedAudio(nn.Module):
    """Names the loudness of a window; "violent" stands for loud."""

    def __init__(self) -> None:
        super().__init__()
        self.tower = AudioTower(SIZES.embedding_size, SIZES.sample_rate_hz)

    def forward(self, windows_FS: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """float32 (F, S) -> tokens_FPD, classes_FI, class_scores_FI, priors_FR."""
        loud_F1 = windows_FS.square().mean(1, keepdim=True).sqrt()
        logits_FC = torch.cat([4 - 1000 * loud_F1, 4 - 100 * (loud_F1 - 0.02).abs(), 50 * (loud_F1 - 0.2)], 1)
        scores_FI, classes_FI = logits_FC.sigmoid().topk(MARKED_CLASSES)
        return self.tower(windows_FS), classes_FI, scores_FI, (50 * (loud_F1 - 0.2)).sigmoid()


class MarkedNetwork(nn.Module):
    """See above. The gate of the fusion network is open, so that sound moves the logits."""

    def __init__(self) -> None:
        super().__init__()
        self.vision, self.audio = MarkedVision(), MarkedAudio()
        self.text = TextTower(SIZES.embedding_size, SIZES.vocabulary_size, SIZES.heads)
        self.fusion = Fusion(SIZES.embedding_size, SIZES.heads)
        with torch.no_grad():
            self.fusion.audio.attention_gate.fill_(0.5)

    @property
    def specs(self) -> dict[str, GraphSpec]:
        """Inputs and outputs of each part."""
        priors = {modality: len(names) for modality, names in PRIORS.items()}
        return graph_specs(SIZES.frame_pixels, SIZES.window_samples, SIZES.embedding_size, classes=NAMES, priors=priors)


def manifest() -> Manifest:
    """Of a bundle of this network."""
    return Manifest(
        name="marked",
        licence="Apache-2.0",
        tasks=TASKS,
        embedding_size=SIZES.embedding_size,
        preprocessing=Preprocessing(
            frame_pixels=SIZES.frame_pixels,
            sample_rate_hz=SIZES.sample_rate_hz,
            window_samples=SIZES.window_samples,
            max_frames=8,
            max_windows=32,
            max_text_tokens=16,
            scheme=SCHEME,
        ),
        calibration=Calibration(
            tasks={task: TaskCalibration(temperature=1.5, bias=-1.0) for task in TASKS}, categories=CATEGORIES
        ),
        thresholds=dict.fromkeys(TASKS, 0.5),
        training={"seed": 0},
        files={},
        schema=SCHEMA,
        classes={modality: len(names) for modality, names in NAMES.items()},
        priors=PRIORS,
        members=MEMBERS,
        notices=NOTICES,
    )


def marked_network() -> MarkedNetwork:
    """The same weights every time."""
    torch.manual_seed(0)
    return MarkedNetwork().eval()


def export_marked(folder: Path, *, small: bool = False) -> Path:
    """The bundle of this network, in `folder`."""
    export_network(marked_network(), folder, manifest(), word_pipeline(WORDS).to_str(), names=NAMES, small=small)
    return folder
