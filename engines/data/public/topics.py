"""What the benchmark knows of its classes: which are restricted, which topics titles and queries can name.

A class is a label of a source (`revolver` of the photos, `gunshot` of the sounds). A topic is something that a title or
a query can name and that a clip can show, sound like, or both: `gun` is seen as a revolver and heard as a gunshot.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache, cached_property

#: Classes of photos that make a clip restricted. Stand-ins: none of it is adult content.
RESTRICTED_SEEN = ("revolver", "cannon", "scorpion", "crocodile")
#: Classes of sounds that make a clip restricted; digits do so from `RESTRICTED_DIGITS` on.
RESTRICTED_HEARD = ("gunshot", "explosion")
RESTRICTED_DIGITS = 7
#: Fewer digits than that which still occur, as hard negatives of the same speakers.
FEW_DIGITS = (1, 3)

DIGITS, ORDER, WAKE_WORD = "digits", "order", "wake_word"
CASUAL = "casual"

#: Photos that look like what is restricted.
LOOKALIKES = ("stapler", "wrench", "scissors", "camera", "binocular", "crayfish", "lobster", "crab", "hawksbill", "ant")
#: Sounds that are loud as shots are, by the kind of hard negative they make.
LOUD = ("siren", "chainsaw", "helicopter", "fire_crackling")
#: Recordings that lie under everything else, as rooms and weather do.
BEDS = ("rain", "sea_waves", "fire_crackling")

CATEGORIES: dict[str, tuple[str, ...]] = {
    "weapon": ("revolver", "cannon", "gunshot", "explosion"),
    "mammal": (
        *("beaver", "cougar_body", "dalmatian", "elephant", "gerenuk", "hedgehog", "kangaroo", "Leopards", "llama"),
        *("okapi", "panda", "platypus", "rhino", "wild_cat", "dog_bark"),
    ),
    "bird": ("emu", "flamingo", "ibis", "pigeon", "rooster"),
    "reptile": ("crocodile", "hawksbill", "brontosaurus", "stegosaurus"),
    "sea life": (
        *(
            "bass",
            "crab",
            "crayfish",
            "dolphin",
            "lobster",
            "nautilus",
            "octopus",
            "sea_horse",
            "starfish",
            "trilobite",
        ),
        "sea_waves",
    ),
    "insect": ("ant", "butterfly", "dragonfly", "mayfly", "scorpion", "tick"),
    "instrument": (
        *("accordion", "electric_guitar", "euphonium", "gramophone", "grand_piano", "mandolin", "metronome"),
        *("saxophone", "trombone", "flute", "cello", "clarinet", "guitar", "banjo"),
    ),
    "vehicle": (
        *("airplanes", "car_side", "ferry", "helicopter", "inline_skate", "ketch", "Motorbikes", "schooner"),
        *("wheelchair", "siren"),
    ),
    "building": ("minaret", "pagoda", "pyramid", "buddha", "menorah"),
    "plant": ("bonsai", "joshua_tree", "lotus", "sunflower", "water_lilly", "rain"),
    "food": ("pizza", "strawberry", "order"),
    "furniture": ("ceiling_fan", "chair", "chandelier", "lamp", "windsor_chair"),
    "tool": ("anchor", "barrel", "binocular", "scissors", "stapler", "umbrella", "wrench", "chainsaw"),
    "gadget": ("camera", "cellphone", "headphone", "laptop", "watch", "clock_tick", "wake_word"),
    "vessel": ("cup", "ewer"),
    "figure": ("garfield", "snoopy", "yin_yang", "stop_sign", "dollar_bill", "soccer_ball", "brain"),
    "person": ("baby_cry", "person_sneeze", "digits"),
    "fire": ("fire_crackling",),
    "noise": ("casual",),
}


@dataclass(frozen=True)
class Topic:
    """words: regular expression of what names it in a title; unless: what must not be in the title.

    Empty words: no title is about it. names: how a query asks for it.
    """

    name: str
    seen: tuple[str, ...] = ()
    heard: tuple[str, ...] = ()
    words: str = ""
    unless: str = ""
    names: tuple[str, ...] = ()

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        return re.compile(rf"(?<![\w'-])(?:{self.words})(?![\w-])", re.IGNORECASE)

    @cached_property
    def exclusion(self) -> re.Pattern[str] | None:
        return re.compile(self.unless, re.IGNORECASE) if self.unless else None

    @property
    def queries(self) -> tuple[str, ...]:
        return self.names or (self.name,)

    @property
    def both(self) -> bool:
        """Whether it can be seen and can be heard."""
        return bool(self.seen and self.heard)

    @property
    def restricted(self) -> bool:
        return bool({*self.seen, *self.heard} & {*RESTRICTED_SEEN, *RESTRICTED_HEARD})

    def named_in(self, title: str) -> bool:
        """Whether a title names it; the pattern stands for a whole word, with no hyphen beside it."""
        if not self.words or not self.pattern.search(title):
            return False
        return self.exclusion is None or not self.exclusion.search(title)


#: Classes that are sounds and no photos.
ONLY_HEARD = ("trombone", "flute", "cello", "clarinet", "banjo")
#: Sounds of no topic: no query asks for them and no title promises them.
WITHOUT_TOPIC = (CASUAL, DIGITS)
INSTRUMENTS_HEARD = ("saxophone", "trombone", "flute", "cello", "clarinet", "guitar", "mandolin", "banjo")
#: Heads and easy faces are crops of other photos; `bass` is a fish here, an instrument elsewhere; BACKGROUND is mixed.
LEFT_OUT = ("BACKGROUND_Google", "Faces", "Faces_easy", "flamingo_head", "cougar_face", "bass")
#: Classes of photos that count as another one. Their near-duplicate groups are already shared with it.
SAME_AS = {"crocodile_head": "crocodile"}


@cache
def category_of() -> dict[str, str]:
    """The super-category of every class that has one."""
    return {label: category for category, labels in CATEGORIES.items() for label in labels}
