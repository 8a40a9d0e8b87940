"""Tables on a terminal."""

from collections.abc import Sequence

from rich.console import Console
from rich.measure import Measurement
from rich.table import Table


def print_table(console: Console, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Prints rows under named columns, without ranges in brackets, which the page shows.

    A table that is too wide for the terminal is printed row by row, so that no number is cut.
    """
    rows = [[cell.split("  [")[0] for cell in row] for row in rows]
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False)
    for i, column in enumerate(columns):
        table.add_column(column, justify="left" if i == 0 else "right", style="bold" if i == 0 else None)
    for row in rows:
        table.add_row(*row)
    console.print()
    if Measurement.get(console, console.options.update(max_width=10**6), table).maximum <= console.width:
        console.print(table)
    else:
        wide = max(map(len, columns))
        for name, *values in rows:
            console.print(name, style="bold", soft_wrap=True)
            for column, value in zip(columns[1:], values, strict=True):
                console.print(f"  {column:<{wide}}  {value}", soft_wrap=True)
    console.print()
