"""Random names for runs and models that come without one: ``tidy-fox-412``."""

from __future__ import annotations

import random

_ADJECTIVES = """
    able agile amber ample azure blithe bold brave breezy bright brisk calm candid clever cosmic crisp
    curious daring deft eager early fair fancy fleet fluent fond frank fresh gentle glad golden grand
    happy hardy humble jolly keen kind lively loyal lucid lucky mellow merry mighty modest neat nimble
    noble placid polite proud quick quiet rapid rare rustic sharp silent sincere smart smooth snappy
    spry stately steady sunny swift tidy tranquil trusty upbeat valiant vivid warm wise witty zesty
""".split()  # noqa: SIM905 - words read best as words

_NOUNS = """
    ant auk badger bass bat bear bee bird boar bream calf carp cat chimp cod colt crab crane crow cub
    deer doe dog dolphin dove duck eel elk emu ewe falcon fawn finch fish fly foal fox frog gnat goat
    goose grouse gull hare hawk hen heron hog horse hound ibis jay kite koi lamb lark lynx mare mink
    mole moose moth mouse mule newt otter owl ox panda perch pig pony quail ram rat ray robin rook
    seal shark sheep shrew shrike skink slug snail sow squid squirrel stag steed stoat stork swan tern
    toad trout turtle vole wasp whale wolf wren yak zebra
""".split()  # noqa: SIM905 - words read best as words


def random_name() -> str:
    """An adjective, an animal and a number; not unique, only easy to tell apart."""
    return f"{random.choice(_ADJECTIVES)}-{random.choice(_NOUNS)}-{random.randrange(1000)}"  # noqa: S311 - no secret
