#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Compares brokers' CPU time per delivered message: every shape, every broker, in interleaved rounds; prints medians and
ratios as Markdown. Absolute figures of a noisy machine mean little; the ratios of brokers that ran in the same minute do.

    bench/compare.py --load PATH/mqttload --floor PATH/fwd_epoll [--rounds 5] [--seconds 3] [--shapes ...] [--json FILE]

The load generator is any program with the options of mqttload (one JSON line); the floor is a forwarder that takes a port.
Brokers: floor, mosquitto (from PATH), signalbox with one shard and with two.
"""
import argparse
import json
import os
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
SHAPES = {
    "fan-out 100": ["--scenario", "fanout", "--pubs", "1", "--subs", "100"],
    "fan-out 1000": ["--scenario", "fanout", "--pubs", "1", "--subs", "1000"],
    "fan-in 100→1": ["--scenario", "fanin", "--pubs", "100", "--subs", "1"],
    "fan-in 100→5": ["--scenario", "fanin", "--pubs", "100", "--subs", "5"],
    "pairs q0": ["--scenario", "p2p", "--pubs", "100"],
    "fan-out 100 q1": ["--scenario", "fanout", "--pubs", "1", "--subs", "100", "--qos", "1"],
    "pairs q1": ["--scenario", "p2p", "--pubs", "100", "--qos", "1"],
    "pairs q2": ["--scenario", "p2p", "--pubs", "100", "--qos", "2"],
    "paced fan-out": ["--scenario", "fanout", "--pubs", "1", "--subs", "100", "--rate", "500"],
    "paced fan-in": ["--scenario", "fanin", "--pubs", "100", "--subs", "1", "--rate", "20000"],
    "paced pairs": ["--scenario", "p2p", "--pubs", "100", "--rate", "20000"],
    "paced pairs q1": ["--scenario", "p2p", "--pubs", "100", "--qos", "1", "--rate", "10000"],
}
QOS0_ONLY = {"floor"}


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def wait_port(port, process, seconds=10):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if process.poll() is not None:
            sys.exit(f"a broker ended at its start: {process.args}")
        try:
            socket.create_connection(("127.0.0.1", port), 0.2).close()
            return
        except OSError:
            time.sleep(0.05)
    sys.exit(f"no answer on port {port}: {process.args}")


class Broker:
    def __init__(self, name, argv, port, directory):
        self.name, self.port = name, port
        self.log = open(os.path.join(directory, name.replace(" ", "-") + ".log"), "wb")
        self.process = subprocess.Popen(argv, stdout=self.log, stderr=self.log)
        wait_port(port, self.process)

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(10)


def start(names, floor, directory):
    brokers = []
    for name in names:
        port = free_port()
        if name == "floor":
            argv = [floor, str(port)]
        elif name == "mosquitto":
            conf = os.path.join(directory, "mosquitto.conf")
            with open(conf, "w") as f:
                f.write(f"listener {port} 127.0.0.1\nallow_anonymous true\nmax_queued_messages 0\nmax_inflight_messages 0\n"
                        "log_type error\nset_tcp_nodelay true\n")
            binary = shutil.which("mosquitto") or "/usr/sbin/mosquitto"
            argv = [binary, "-c", conf]
        else:
            shards = name.split()[-1]
            argv = [os.path.join(ROOT, "build/release/signalbox"), "broker", "--set", f"node.shards={shards}",
                    "--set", f"listeners.mqtt.bind=127.0.0.1:{port}", "--set", "listeners.ws.bind=",
                    "--set", "log.level=warn"]
        brokers.append(Broker(name, argv, port, directory))
    return brokers


def measure(load, broker, shape, seconds, number):
    argv = [load, "--port", str(broker.port), "--pid", str(broker.process.pid), "--duration", str(seconds),
            "--warmup", "1", "--prefix", f"r{number}/"] + SHAPES[shape]
    out = subprocess.run(argv, stdout=subprocess.PIPE, timeout=120, check=True).stdout
    return json.loads(out)


def main():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("--load", required=True)
    p.add_argument("--floor", default="")
    p.add_argument("--rounds", type=int, default=5)
    p.add_argument("--seconds", type=float, default=3)
    p.add_argument("--shapes", nargs="*", default=list(SHAPES))
    p.add_argument("--brokers", nargs="*", default=["floor", "mosquitto", "signalbox 1", "signalbox 2"])
    p.add_argument("--json", default="")
    o = p.parse_args()
    names = [n for n in o.brokers if n != "floor" or o.floor]
    results = {s: {n: [] for n in names} for s in o.shapes}
    lost = {n: 0 for n in names}
    with tempfile.TemporaryDirectory() as directory:
        brokers = start(names, o.floor, directory)
        try:
            number = 0
            for round_number in range(o.rounds):
                for shape in o.shapes:
                    for b in brokers:
                        if b.name in QOS0_ONLY and ("q1" in shape or "q2" in shape):
                            continue
                        number += 1
                        r = measure(o.load, b, shape, o.seconds, number)
                        results[shape][b.name].append(r["broker_us_per_msg"])
                        lost[b.name] += r["lost"]
                print(f"round {round_number + 1} of {o.rounds}", file=sys.stderr)
        finally:
            for b in brokers:
                b.stop()
    print("| shape | " + " | ".join(names) + " | to floor | to mosquitto | 2 shards to 1 |")
    print("|---|" + "---|" * (len(names) + 3))
    for shape in o.shapes:
        m = {n: statistics.median(v) for n, v in results[shape].items() if v}
        def ratio(a, b):
            return f"{m[a] / m[b]:.2f}" if m.get(a) and m.get(b) else "–"
        print(f"| {shape} | " + " | ".join(f"{m[n]:.3f}" if n in m else "–" for n in names) +
              f" | {ratio('signalbox 1', 'floor')} | {ratio('signalbox 1', 'mosquitto')} | "
              f"{ratio('signalbox 2', 'signalbox 1')} |")
    print("\nlost: " + ", ".join(f"{n} {v}" for n, v in lost.items()))
    if o.json:
        with open(o.json, "w") as f:
            json.dump(results, f, indent=1)


if __name__ == "__main__":
    main()
