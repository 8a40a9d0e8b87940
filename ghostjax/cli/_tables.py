"""Tables on a terminal."""

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table


def print_table(console: Console, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Prints rows under named columns; ranges in brackets are left to the page."""
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False)
    for i, column in enumerate(columns):
        table.add_column(column, justify="left" if i == 0 else "right", style="bold" if i == 0 else None)
    for row in rows:
        table.add_row(*(cell.split("  [")[0] for cell in row))
    console.print()
    console.print(table)
    console.print()
