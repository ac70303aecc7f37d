# SPDX-License-Identifier: MIT
"""The faults by name."""
from dataclasses import dataclass
from typing import Callable

SINGLE, SENTINEL, CLUSTER = "single", "sentinel", "cluster"
EVERYWHERE = (SINGLE, SENTINEL, CLUSTER)
WITH_REPLICAS = (SENTINEL, CLUSTER)


@dataclass(frozen=True)
class Fault:
    name: str
    topologies: tuple[str, ...]
    inflict: Callable  # (Scene) -> None; what it leaves broken is mended afterwards
    text: str          # for people: what is done


FAULTS: dict[str, Fault] = {}


def fault(*topologies: str):
    """Makes a function a fault; its name with dashes is the fault's, its docstring says what it does."""
    def register(inflict: Callable) -> Callable:
        name = inflict.__name__.replace("_", "-")
        FAULTS[name] = Fault(name, topologies or EVERYWHERE, inflict, " ".join(inflict.__doc__.split()))
        return inflict
    return register


def every() -> list[tuple[Fault, str]]:
    """Each fault with each topology to which it applies."""
    # Here, since those register what they define with this module.
    from faults import broker_faults, link_faults, redis_faults  # noqa: F401
    return [(one, topology) for one in FAULTS.values() for topology in one.topologies]
