"""How Sphinx makes a site of these pages: ``make site``, which writes ``build/site``.

The source folder is the repository itself, not ``docs``, so that a link such as ``../examples/launch-job.yml`` leads
somewhere on the site as it does on GitHub: to a page, or to the file, which is then put beside the pages.
"""

project = "runnerkit"
project_copyright = "the runnerkit maintainers, Apache-2.0"
extensions = ["myst_parser", "sphinx_copybutton"]
root_doc = "docs/index"
include_patterns = ["docs/**.md", "*.md", "examples/**.md", "ami/README.md"]
exclude_patterns = [
    ".*",  # the virtual environment and git's own files are many
    "**/.*",
    "ami/*.toml",
    "benchmarks",
    "build",
    "dist",
    "runnerkit",
    "scripts",
    "tests",
]
# Headings have GitHub's anchors, which the pages' links are written for.
myst_heading_anchors = 4
myst_enable_extensions = ["strikethrough"]
# What people type and see in a console is no program of one language; it is shown as it is.
suppress_warnings = ["misc.highlighting_failure"]

html_theme = "furo"
html_title = "runnerkit"
html_extra_path = ["_site/index.html"]
html_static_path = ["_site/site.css"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_sourcelink = False
html_show_sphinx = False
html_theme_options = {"top_of_page_buttons": [], "navigation_with_keys": True}
pygments_style = "friendly"
pygments_dark_style = "monokai"
# The dollar sign of a console is not copied, nor what the command printed.
copybutton_prompt_text = "$ "
copybutton_line_continuation_character = "\\"
