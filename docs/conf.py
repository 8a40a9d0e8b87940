"""Sphinx configuration: `sphinx-build docs build/docs` with the `docs` extra installed."""

project = "ghostjax"
extensions = ["myst_nb"]
html_theme = "furo"
nb_execution_mode = "off"
exclude_patterns = ["build"]
