# SPDX-License-Identifier: MIT
"""Brokers die, hang and leave."""
from faults.catalogue import fault
from faults.fight import Fight
from faults.scene import Scene


@fault()
def broker_kill(s: Scene) -> None:
    """A broker is killed with SIGKILL and started again before its lease is over."""
    s.kill(s.broker)
    s.wait(0.5)
    s.broker.start()
    s.wait(1)


@fault()
def broker_kill_long(s: Scene) -> None:
    """A broker is killed and stays away for longer than its lease, so that the others bury it; then it comes back."""
    s.kill(s.broker)
    s.wait(s.outlasting)
    s.broker.start()
    s.wait(1)


@fault()
def broker_pause(s: Scene) -> None:
    """A broker hangs (SIGSTOP) for longer than its lease, is buried, and goes on (SIGCONT) as if nothing had happened."""
    s.broker.pause()
    s.wait(s.outlasting)
    s.broker.resume()
    s.wait(1)


@fault()
def broker_hiccup(s: Scene) -> None:
    """A broker hangs for a second, which nobody should take for its death."""
    s.broker.pause()
    s.wait(1)
    s.broker.resume()
    s.wait(1)


@fault()
def broker_drain(s: Scene) -> None:
    """A broker is asked to end (SIGTERM), ends with code 0, and is started again."""
    s.drain(s.broker)
    s.broker.start()
    s.wait(1)


@fault()
def client_fight(s: Scene) -> None:
    """Fifty times a second a client connects to one of the nodes, always with the same id and durable session, while
    messages are published to it: one of them owns the session, the others are closed, and no message is lost."""
    addresses = [s.cluster.address(broker) for broker in s.cluster.brokers]
    for complaint in Fight(addresses, s.random).run(seconds=4):
        s.complain(f"client-fight: {complaint}")
