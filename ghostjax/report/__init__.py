"""Reports of runs and sweeps: one self-contained page."""

from ghostjax.report._page import (
    Block as Block,
    Cards as Cards,
    Figure as Figure,
    Heading as Heading,
    render as render,
    Table as Table,
    Verdict as Verdict,
    write as write,
)
