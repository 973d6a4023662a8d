"""Pretrained backbones of the starter model. Their weights come from installed packages, at build time only."""

from __future__ import annotations

#: Frames are square; EfficientNet-Lite0 and open_nsfw were both trained at this size.
FRAME_PIXELS = 224
#: YAMNet's sample rate and its window: 96 spectrogram columns of 400 samples, 160 apart; 0.975 s.
SAMPLE_RATE_HZ, WINDOW_SAMPLES = 16000, 15600
#: Tokens of one frame (quadrants) and of one window (steps of 0.32 s).
FRAME_TOKENS, WINDOW_TOKENS = 4, 3
#: Values of one token before projection.
FRAME_FEATURES, WINDOW_FEATURES = 1280, 1024
#: Classes of ImageNet and of AudioSet (YAMNet's choice of them).
IMAGE_CLASSES, SOUND_CLASSES = 1000, 521
