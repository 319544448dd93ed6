"""How Sphinx builds the documentation site; `make docs` runs it."""

import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))  # for extensions/

from extensions import notebooks

import manyhot
from manyhot import __version__

project = "manyhot"
author = "The manyhot developers"
copyright = author
release = version = __version__

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "myst_nb",
    "extensions.math_markup",
    "extensions.notebooks",
    "extensions.generated_pages",
]
exclude_patterns = ["decisions", "extensions"]  # decisions are notes for contributors
templates_path = ["templates"]

myst_enable_extensions = ["deflist", "dollarmath"]
myst_heading_anchors = 3

# Notebooks run when the site is built, without a network. Their results are kept in build/notebooks until their cells
# or the code of manyhot change; a cell that raises ends the build.
BUILD = Path(__file__).parents[1] / "build"
executed = notebooks.cache_folder(BUILD / "notebooks", Path(manyhot.__file__).parent)
notebooks.prepare_kernels(files=executed / "files", keras_home=BUILD / "keras")
has_mnist = notebooks.write_mnist(os.environ.get("MANYHOT_DATA"), BUILD / "keras")
nb_execution_mode = "cache"
nb_execution_cache_path = str(executed / "cache")
nb_execution_in_temp = True
nb_execution_timeout = 600
nb_execution_raise_on_error = nb_execution_show_tb = True
nb_execution_excludepatterns = [] if has_mnist else [notebooks.MNIST_PAGE]

default_role = "literal"  # docstrings mark code by single backticks
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_use_ivar = True  # properties stand in the list of members, too
napoleon_custom_sections = ["Source"]
autodoc_member_order = "bysource"
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented_params"
autodoc_typehints_format = "short"
autodoc_default_options = {"members": True}
python_maximum_signature_line_length = 80
add_module_names = False
toc_object_entries_show_parents = "hide"

html_theme = "furo"
html_title = f"manyhot {release}"
html_static_path = ["static"]
html_css_files = ["site.css"]
html_math_renderer = "mathml"
html_copy_source = html_show_sourcelink = False
html_show_sphinx = False
# scikit-learn's display of an estimator links to these addresses
html_additional_pages = {name: "moved.html" for name in ("MultiLabelClassifier", "ExtremeMultiLabelClassifier")}
