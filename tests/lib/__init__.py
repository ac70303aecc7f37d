# SPDX-License-Identifier: MIT
"""What the system tests share: an MQTT codec and test peer of our own, and the broker under test."""
