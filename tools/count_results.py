#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Counts test cases from JUnit XML files. Prints `PASSED FAILED SKIPPED`; names the failed ones on stderr, with the
first words of why.

Usage: count_results.py pytest EXIT_STATUS FILE
       count_results.py ctest EXIT_STATUS CTEST_FILE GTEST_FOLDER

pytest: FILE is its --junitxml. ctest: CTEST_FILE is its --output-junit, one entry per program, and a program of
gtest has left <program>.xml in GTEST_FOLDER, from which its cases are counted. A program that failed without a failed
case (a crash, a leak found at its end, a time-out) counts as one failure; so does a run that ended with an error
and names none.
"""
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

LINES = 8  # of why


def cases(path):
    """Yields (name, passed | failed | skipped, why) of each test case."""
    try:
        root = ElementTree.parse(path).getroot()
    except (OSError, ElementTree.ParseError):
        return
    for case in root.iter("testcase"):
        name = f"{case.get('classname', '')}.{case.get('name', '')}"
        problem = case.find("failure")
        if problem is None:
            problem = case.find("error")
        failed = problem is not None
        unrun = case.get("status") in ("notrun", "disabled") or case.get("result") in ("suppressed", "skipped")
        if failed or case.get("status") == "fail":
            yield name, "failed", "" if problem is None else problem.get("message", "")
        elif unrun or case.find("skipped") is not None:
            yield name, "skipped", ""
        else:
            yield name, "passed", ""


def main(kind, status, path, folder=None):
    count = {"passed": 0, "failed": 0, "skipped": 0}

    def add(name, outcome, why=""):
        count[outcome] += 1
        if outcome == "failed":
            print(f"  FAILED {name}", *(line[:300] for line in why.splitlines()[:LINES]), sep="\n    ", file=sys.stderr)

    for name, outcome, why in cases(path):
        if kind == "pytest":
            add(name, outcome, why)
            continue
        program = name.rsplit(".", 1)[-1]
        inner = list(cases(Path(folder, f"{program}_test.xml")))
        for case, result, reason in inner:
            add(f"{program}_test: {case}", result, reason)
        if not inner or (outcome == "failed" and all(result != "failed" for _, result, _ in inner)):
            add(f"{program}: the program itself", outcome)
    if int(status) != 0 and count["failed"] == 0:
        add(f"{kind}: ended with status {status}", "failed")
    print(count["passed"], count["failed"], count["skipped"])


if __name__ == "__main__":
    main(*sys.argv[1:])
