"""Turns `bazel aquery --output=jsonproto` (standard input) into compile_commands.json.

Usage: compile_commands.py WORKSPACE OUTPUT_BASE
"""

import json
import sys

# Known to GCC alone, or refused by clang.
_DROPPED = (
    "-fno-canonical-system-headers",
    "-Wno-free-nonheap-object",
    "-D__",
    "-mmove-max",
    "-mstore-max",
)


def main():
    workspace, output_base = sys.argv[1:]
    commands = []
    seen = set()
    for action in json.load(sys.stdin).get("actions", []):
        arguments = [
            # Repositories lie beside the workspace; bazel-out is linked from it.
            output_base + "/" + argument if argument.startswith("external/") else argument
            for argument in action["arguments"]
            if not argument.startswith(_DROPPED)
        ]
        source = arguments[arguments.index("-c") + 1]
        if source in seen or source.startswith(("/", "bazel-out/")):
            continue
        seen.add(source)
        commands.append({"directory": workspace, "file": source, "arguments": arguments})
    json.dump(commands, sys.stdout, indent=1)


main()
