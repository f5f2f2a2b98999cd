"""Sphinx: the reference of the Python package. sphinx-build -W -b html docs/api/python OUT, with the package on PYTHONPATH."""

import tideway

project = "tideway"
release = tideway.__version__
extensions = ["sphinx.ext.autodoc", "sphinx.ext.napoleon"]
autodoc_member_order = "bysource"
autodoc_default_options = {"members": True}
autodoc_typehints = "description"
html_theme = "alabaster"
