# SPDX-License-Identifier: MIT
"""Clients that do not read: what waits for them is bounded, and they hold up nobody."""
import select
import socket
import time

from bounds.conftest import versions
from lib import mqtt as wire
from lib import transport
from lib.marks import V5
from lib.mqtt import PacketType as T
from lib.mqtt import Will
from lib.peer import Peer
from lib.process import Watch

SIZE = 10 * 1024
# What the two kernels take of a connection nobody reads, beside the broker's own bound.
KERNEL = 8 << 20


def sleepy(mqtt, broker, v, *filters, qos=0, **connect) -> Peer:
    """A subscriber with the smallest receive buffer; whoever made it decides when it reads."""
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    sock.settimeout(transport.TIMEOUT)
    sock.connect(broker.listeners["mqtt"])
    peer = mqtt.adopt(Peer(transport.Stream(sock), v))
    peer.connect("sleepy", **connect)
    peer.subscribe(*filters, qos=qos)
    return peer


def flood(publisher, topic, count) -> None:
    for i in range(count):
        publisher.send_publish(topic, i.to_bytes(4, "big") + bytes(SIZE - 4))
        if i % 100 == 99:
            publisher.barrier()
    publisher.barrier()


@versions
def test_qos_0(start, mqtt, innocents, counters, topic, v):
    """What does not fit is dropped and counted; what came before and what comes after is delivered, in order."""
    bound, total = 256 * 1024, 4000
    broker = start({"limits.output_bytes": bound})
    dropped = counters(broker, "dropped/output_full")
    with innocents(broker) as others, Watch(broker.process.pid) as cost:
        peer, publisher = sleepy(mqtt, broker, v, topic), mqtt.at(broker).connect(V5)
        flood(publisher, topic, total)
        gone = dropped.expect("dropped/output_full", total // 2)
        others.go_on()
        assert (total - gone) * SIZE <= bound + KERNEL, "that many were kept for a client that does not read"
        last = -1
        for _ in range(total - gone):
            packet = peer.await_packet(T.PUBLISH)
            number = int.from_bytes(packet.payload[:4], "big")
            assert number > last
            last = number
        publisher.publish(topic, b"and on")
        assert peer.await_packet(T.PUBLISH).payload == b"and on"
        others.go_on()
    cost.expect(megabytes=16)


@versions
def test_a_stalled_output(start, mqtt, innocents, counters, topic, v):
    """Nothing moves for longer than `limits.output_stall`: the connection ends, and its will says so."""
    broker = start({"limits.output_bytes": 64 * 1024, "limits.output_stall": "2s"})
    stalls = counters(broker, "errors/output_stall")
    with innocents(broker) as others:
        watcher, publisher = mqtt.at(broker).connect(V5), mqtt.at(broker).connect(V5)
        watcher.subscribe(f"{topic}/gone")
        sleepy(mqtt, broker, v, topic, keep_alive=0, will=Will(f"{topic}/gone", b"stalled"))
        flood(publisher, topic, 2000)
        deadline = time.monotonic() + 20
        while stalls.read("errors/output_stall") == 0:
            assert time.monotonic() < deadline, "it is still there"
            flood(publisher, topic, 100)  # the kernel may have made room for all that was kept
        watcher.receive(f"{topic}/gone", b"stalled")
        others.go_on()
        assert stalls.read("errors/output_stall") == 1


def test_a_client_that_asks_and_does_not_read(start, mqtt, innocents, topic):
    """Its own requests fill its output: it is not read any further until it reads."""
    broker = start({"limits.output_bytes": 64 * 1024, "limits.output_stall": "0s"})
    with innocents(broker) as others, Watch(broker.process.pid) as cost:
        peer = sleepy(mqtt, broker, V5, topic)
        sock, pings, sent = peer.stream.sock, wire.pingreq() * 16384, 0
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 65536)
        sock.setblocking(False)

        def takes_more() -> bool:
            if select.select([], [sock], [], 1)[1]:
                return True
            others.go_on()  # they are served, and this one still is not
            return bool(select.select([], [sock], [], 0)[1])

        while takes_more():
            sent += sock.send(pings)
            assert sent < 100 << 20, "it is still read"
        others.go_on()
    cost.expect(megabytes=16)
