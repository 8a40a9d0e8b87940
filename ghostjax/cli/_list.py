"""`ghostjax list`: all names with one-line descriptions."""

import difflib
from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from ghostjax._types import ConfigurationError
from ghostjax.cli._catalogue import catalogue, FAMILIES


def show(families: Sequence[str], console: Console) -> None:
    """Prints the names of `families` (all of them unless given)."""
    if "-h" in families or "--help" in families:
        console.print(
            f"ghostjax list [FAMILY ...]\n\nAll names, by family. Families: {', '.join(FAMILIES)}.\n"
            "Packages that offer entry points ghostjax.<FAMILY> are imported, which runs their code."
        )
        return
    for family in families:
        if family not in FAMILIES:
            near = difflib.get_close_matches(family, FAMILIES, n=1)
            hint = f"did you mean {near[0]}?" if near else f"known: {', '.join(FAMILIES)}"
            if family in catalogue():
                hint = f"it is one of the {catalogue()[family].family}: ghostjax list {catalogue()[family].family}"
            raise ConfigurationError(f"list: family={family!r}: no such family; {hint}")
    for family in families or FAMILIES:
        table = Table(title=family, title_justify="left", title_style="bold", box=None, padding=(0, 2, 0, 0))
        table.add_column("name", style="cyan", no_wrap=True)
        table.add_column("takes", style="dim", overflow="fold", max_width=44)
        table.add_column("what it is", overflow="fold")
        for entry in sorted(catalogue().values(), key=lambda entry: entry.name):
            if entry.family == family:
                table.add_row(entry.name, entry.parameters, entry.line)
        console.print(table)
        console.print()
    others = [entry for entry in catalogue().values() if entry.source != "ghostjax"]
    if others:
        console.print("imported from installed packages (entry points ghostjax.<family>):")
        for entry in sorted(others, key=lambda entry: (entry.source, entry.name)):
            console.print(f"  {entry.name}: one of the {entry.family}, from {entry.source}")
