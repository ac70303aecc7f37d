# SPDX-License-Identifier: MIT
"""How long the runs are."""
import os

LIMIT = 1800  # seconds of one run at most
# How often brokers are killed; ./dev durability sets it for a long series, 0 = a few times.
KILLS = int(os.environ.get("SIGNALBOX_KILLS", "0"))
