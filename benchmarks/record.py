"""Runs the commands that a page names and puts what they print into the page.

    python benchmarks/record.py docs/performance.md [--match TEXT]

A block starts with a line `<!-- record: python benchmarks/gossip.py -->` and ends with `<!-- /record -->`. Tables in
Markdown are kept as they are; other output is shown as text. `--match` runs only commands that contain TEXT. A command
that fails ends the run, and the page keeps what it had.
"""

import argparse
import re
import shlex
import subprocess
import sys
from pathlib import Path


BLOCK = re.compile(r"(<!-- record: python (?P<command>.+?) -->\n).*?(<!-- /record -->)", re.DOTALL)


def shown(text: str) -> str:
    """Output as it stands in the page."""
    lines = text.strip().splitlines()
    if any(line.startswith("|") for line in lines):
        # A table needs an empty line before it, and none within.
        starts = [i for i, line in enumerate(lines) if line.startswith("|") and (i == 0 or lines[i - 1][:1] != "|")]
        return "\n".join(("\n" if i in starts and i and lines[i - 1] else "") + line for i, line in enumerate(lines))
    return "```text\n" + "\n".join(lines) + "\n```"


def main() -> None:
    """Runs the chosen commands, each in a fresh interpreter, and writes the page after each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("page", type=Path)
    parser.add_argument("--match", default="")
    arguments = parser.parse_args()
    commands = [found["command"] for found in BLOCK.finditer(arguments.page.read_text())]
    for command in commands:
        if arguments.match not in command:
            continue
        print(f"python {command}", flush=True)
        done = subprocess.run([sys.executable, *shlex.split(command)], stdout=subprocess.PIPE, text=True, check=True)

        def replaced(found: re.Match, command: str = command, text: str = shown(done.stdout)) -> str:
            return f"{found[1]}\n{text}\n\n{found[3]}" if found["command"] == command else found[0]

        arguments.page.write_text(BLOCK.sub(replaced, arguments.page.read_text()))


if __name__ == "__main__":
    main()
