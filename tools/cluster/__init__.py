# SPDX-License-Identifier: MIT
"""Clusters on this machine: Redis in each topology, brokers, and relays that cut what lies between them.

`./run cluster`, the system tests and the faults are made of this. The standard library is all that it needs. Whatever is
started here ends with the thread that started it: start it from the main thread.
"""
