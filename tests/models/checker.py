#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Runs the models of the protocols with spin. `./dev models` is this program:

  ./dev models                     every model with all rules, without each of them, and what is known to be open
  ./dev models MODEL               one model
  ./dev models MODEL FLAG...       one run; when it fails, the trace that spin found, in words

The head of a model names its runs, one a line, with the assertion that has to fail:
  rule NO_X assertion text         without the rule X the assertion fails
  hole WITH_X assertion text       beyond what the rules cover, and it fails
  mend WITH_X Y text               with the rule Y, which the protocols lack, nothing fails
"""
import re
import resource
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).resolve().parent
LINE = re.compile(r"^ \*\s+(rule|hole|mend) (\S+) +(\S+) +(.+)$", re.M)
MEMORY = 2000  # MiB of one search
DEPTH = 200000
SECONDS = 50


@dataclass(frozen=True)
class Run:
    """One search, and which assertion it violates; None: none."""
    model: str
    flags: tuple[str, ...]
    violates: str | None
    text: str

    def __str__(self) -> str:
        return "-".join((self.model, *self.flags))


def models() -> list[str]:
    return sorted(path.stem for path in FOLDER.glob("*.pml"))


def runs(model: str) -> list[Run]:
    """What the head of a model says has to be."""
    out = [Run(model, (), None, "all rules")]
    for kind, flag, second, text in LINE.findall((FOLDER / f"{model}.pml").read_text(encoding="utf-8")):
        out.append(Run(model, (flag, second), None, text) if kind == "mend" else Run(model, (flag,), second, text))
    return out


def flags_of(model: str) -> set[str]:
    """The flags that its text looks at."""
    text = (FOLDER / f"{model}.pml").read_text(encoding="utf-8")
    return set(re.findall(r"^#\s*ifn?def (\w+)", text, re.M)) | set(re.findall(r"defined\((\w+)\)", text))


@dataclass(frozen=True)
class Result:
    violated: str | None  # the assertion, as spin prints it
    states: int
    seconds: float        # of processor time, for the search
    trace: str            # what the model says on the way to the failure


class Broken(Exception):
    """spin, the compiler or the search did not do what it was asked to: nothing was checked."""


def _call(words: list[str], folder: str) -> str:
    done = subprocess.run(words, cwd=folder, capture_output=True, text=True, timeout=SECONDS, check=False)
    if done.returncode != 0:
        raise Broken(f"{' '.join(words)}: exit {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


def _children_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def check(model: str, flags: tuple[str, ...], want_trace: bool = False) -> Result:
    defines = [f"-D{flag}" for flag in flags]
    source = str(FOLDER / f"{model}.pml")
    with tempfile.TemporaryDirectory() as folder:
        _call(["spin", "-a", *defines, source], folder)
        _call(["gcc", "-O1", "-w", "-DSAFETY", f"-DMEMLIM={MEMORY}", "-o", "pan", "pan.c"], folder)
        began = _children_seconds()
        out = _call(["./pan", "-E", "-n", f"-m{DEPTH}", "-w20"], folder)
        seconds = _children_seconds() - began
        errors, states = re.search(r"errors: (\d+)", out), re.search(r"(\d+) states, stored", out)
        if not errors or not states or "max search depth too small" in out or "Search not completed" in out and \
                errors[1] == "0":
            raise Broken(f"{model} {flags}: the search did not end\n{out}")
        violated = re.search(r"assertion violated (.*) \(at depth", out)
        if errors[1] != "0" and not violated:
            raise Broken(f"{model} {flags}: a failure that is no assertion\n{out}")
        trace = ""
        if violated and want_trace:
            _call(["./pan", "-E", "-n", "-i", f"-m{DEPTH}"], folder)  # the shortest
            shown = _call(["spin", "-t", "-T", "-k", f"{model}.pml.trail", *defines, source], folder)
            trace = shown.split("spin: ")[0].rstrip()
        return Result(violated[1] if violated else None, int(states[1]), seconds, trace)


def verdict(run: Run, result: Result) -> str:
    """"" when the result is what the model's head says, else what is wrong."""
    if run.violates is None:
        return "" if result.violated is None else f"fails: {result.violated}"
    if result.violated is None:
        return "should fail, and does not"
    return "" if run.violates in result.violated else f"should fail by {run.violates}, and fails by {result.violated}"


def main(arguments: list[str]) -> int:
    if len(arguments) > 1:
        result = check(arguments[0], tuple(arguments[1:]), want_trace=True)
        print(result.trace)
        print(f"{result.states} states; " + (f"violated: {result.violated}" if result.violated else "nothing fails"))
        return 0
    wrong = 0
    for model in arguments or models():
        for run in runs(model):
            result = check(run.model, run.flags)
            what = verdict(run, result)
            wrong += bool(what)
            found = f"finds {run.violates}" if run.violates else "clean"
            print(f"{'WRONG' if what else 'ok':5} {str(run):40} {result.states:9} states {result.seconds:5.1f} s  "
                  f"{what or found}", flush=True)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
