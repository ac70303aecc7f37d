# SPDX-License-Identifier: MIT
import sys

from .launch import main

sys.exit(main(sys.argv[1:]))
