"""What the small model is taught: scenes, their captions, and which combinations training never shows.

A scene is one coloured shape with one motion on one ground. A caption is one of a few sentences saying so.
"""
import dataclasses
import hashlib
import itertools
import random

COLOURS = ("red", "green", "blue", "yellow", "purple", "orange", "cyan", "white")
SHAPES = ("circle", "square", "triangle", "star", "cross", "ring")
MOTIONS = ("left", "right", "up", "down", "grows", "shrinks", "clockwise", "counterclockwise")
GROUNDS = ("dark", "grey", "light", "striped", "checkered")
SIZES = ("small", "", "large")

# A turn cannot be seen on a round shape, and white cannot be told from a light ground.
ROUND_SHAPES = ("circle", "ring")
TURNS = ("clockwise", "counterclockwise")

_SHAPE_NAMES = {
    "circle": ("circle", "circle", "disc", "ball"),
    "square": ("square", "square", "box"),
    "triangle": ("triangle",),
    "star": ("star",),
    "cross": ("cross", "cross", "plus"),
    "ring": ("ring", "ring", "hoop"),
}
_MOTION_PHRASES = {
    "left": ("moves left", "moves to the left", "slides left", "flies to the left"),
    "right": ("moves right", "moves to the right", "slides right", "flies to the right"),
    "up": ("moves up", "moves upwards", "slides up", "rises"),
    "down": ("moves down", "moves downwards", "slides down", "falls"),
    "grows": ("grows", "gets bigger", "becomes larger"),
    "shrinks": ("shrinks", "gets smaller", "becomes smaller"),
    "clockwise": ("turns clockwise", "rotates clockwise", "spins clockwise"),
    "counterclockwise": ("turns counterclockwise", "rotates counterclockwise", "spins counterclockwise"),
}
_GROUND_NAMES = {
    "dark": ("dark", "dark", "black"),
    "grey": ("grey", "grey", "gray"),
    "light": ("light", "light", "bright"),
    "striped": ("striped", "striped", "stripy"),
    "checkered": ("checkered", "checkered", "chequered"),
}
# {a} is the article before the first adjective, {thing} size, colour and shape, {does} the motion, {ground} the ground.
_SENTENCES = (
    "{a} {thing} {does} on a {ground} background",
    "{a} {thing} {does} across a {ground} background",
    "{a} {thing} {does}, {ground} background",
    "{thing} that {does} on a {ground} background",
    "on a {ground} background {a} {thing} {does}",
    "a video of {a} {thing} that {does} on a {ground} background",
    "{a} {thing} on a {ground} background {does}",
)
_ACROSS = 1  # only what travels goes across
_HELD_OUT_SHARE = 0.25


@dataclasses.dataclass(frozen=True)
class Scene:
    """One clip's content; every field is one of the tuples above."""

    colour: str
    shape: str
    motion: str
    ground: str
    size: str = ""


def is_possible(colour, shape, motion):
    """Whether the three can be seen together."""
    return colour in COLOURS and not (shape in ROUND_SHAPES and motion in TURNS)


def triples():
    """Every (colour, shape, motion) that can be seen."""
    return [t for t in itertools.product(COLOURS, SHAPES, MOTIONS) if is_possible(*t)]


def is_held_out(colour, shape, motion):
    """Whether training never shows the three together, in whatever words, size or ground. Fixed for good by a hash."""
    digest = hashlib.sha256(f"{colour} {shape} {motion}".encode()).digest()
    return int.from_bytes(digest[:4], "big") < _HELD_OUT_SHARE * 2**32


def grounds_for(colour):
    """Grounds the colour can be told from."""
    return tuple(g for g in GROUNDS if not (colour == "white" and g == "light"))


def all_scenes(held_out):
    """Every scene of the training side (held_out False) or of the other."""
    return [
        Scene(c, s, m, ground, size)
        for c, s, m in triples()
        if is_held_out(c, s, m) == held_out
        for ground in grounds_for(c)
        for size in SIZES
    ]


def captions(scene):
    """Every caption of a scene, in a fixed order."""
    out = []
    for name, does, ground in itertools.product(
        dict.fromkeys(_SHAPE_NAMES[scene.shape]), _MOTION_PHRASES[scene.motion], dict.fromkeys(_GROUND_NAMES[scene.ground])
    ):
        thing = " ".join(word for word in (scene.size, scene.colour, name) if word)
        article = "an" if thing[0] in "aeiou" else "a"
        for i, sentence in enumerate(_SENTENCES):
            if i == _ACROSS and scene.motion not in ("left", "right", "up", "down"):
                continue
            out.append(sentence.format(a=article, thing=thing, does=does, ground=ground))
    return out


def caption(scene, rng):
    """One caption, the plain words oftener than their synonyms. `rng` is a random.Random."""
    name = rng.choice(_SHAPE_NAMES[scene.shape])
    does = rng.choice(_MOTION_PHRASES[scene.motion])
    ground = rng.choice(_GROUND_NAMES[scene.ground])
    thing = " ".join(word for word in (scene.size, scene.colour, name) if word)
    article = "an" if thing[0] in "aeiou" else "a"
    travels = scene.motion in ("left", "right", "up", "down")
    sentence = rng.choice([s for i, s in enumerate(_SENTENCES) if travels or i != _ACROSS])
    return sentence.format(a=article, thing=thing, does=does, ground=ground)


def held_out_prompts(count, seed=2026):
    """`count` (scene, caption) pairs of combinations training never shows, as evenly over them as can be; seeded."""
    rng = random.Random(seed)
    held_out = [t for t in triples() if is_held_out(*t)]
    rng.shuffle(held_out)
    out = []
    for i in range(count):
        colour, shape, motion = held_out[i % len(held_out)]
        scene = Scene(colour, shape, motion, rng.choice(grounds_for(colour)), rng.choice(("", "", "small", "large")))
        out.append((scene, caption(scene, rng)))
    return out
