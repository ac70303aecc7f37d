# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# The checks of the sources. Each is a function that prints what it found and returns 0 if that is nothing.

LINTS=(layers layers_self_test spdx cpp_format shell python_syntax)

cpp_files() { find "$ROOT"/{src,tests,fuzz,bench} \( -name '*.cc' -o -name '*.h' \) -not -path '*/node_modules/*' 2>/dev/null; }
shell_files() { printf '%s\n' "$ROOT"/{run,test,dev,.ci/run} "$ROOT"/tools/*.sh; }

lint_layers() { "$ROOT/tools/check_layers.py"; }
lint_layers_self_test() { "$ROOT/tools/check_layers.py" --self-test; }
lint_spdx() { "$ROOT/tools/check_spdx.py"; }
lint_cpp_format() { cpp_files | xargs -r -d '\n' -P "$(jobs)" -n 20 clang-format --dry-run -Werror; }
# Each file by itself: names that one sets and another uses are no fault.
lint_shell() { shell_files | xargs -d '\n' shellcheck --severity=warning --exclude=SC2034,SC2154; }
lint_python_syntax() {
  find "$ROOT"/{tools,tests,bench} -name '*.py' -not -path '*/node_modules/*' -print0 2>/dev/null |
    xargs -r -0 /usr/bin/python3 -c 'import ast, sys
for name in sys.argv[1:]:
    ast.parse(open(name, encoding="utf-8").read(), name)'
}
