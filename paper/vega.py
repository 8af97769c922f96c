"""Vega-Lite, which draws the charts of the page and of ``dvc plots show`` without a network."""

import functools

import vl_convert

VERSION = "6.4"
"""Of Vega-Lite: the one made for the Vega that the package carries, or every chart warns on the console."""

DVC_PAGE = """<!DOCTYPE html>
<html lang="en-GB">
<head>
<meta charset="utf-8">
{refresh_tag}
<title>Plots</title>
<style>body { font-family: sans-serif; margin: 1rem; } table { border-spacing: 15px; }</style>
<script>[vega]</script>
</head>
<body>
{plot_divs}
</body>
</html>
"""
"""Template of DVC's page; DVC fills the places in braces. Its own loads Vega from the network."""


@functools.cache
def script() -> str:
    """Return Vega, Vega-Lite and vega-embed as one script, the same bytes for the same version of the package."""
    return vl_convert.javascript_bundle(vl_version=VERSION)


def dvc_page() -> str:
    """Return the page into which ``dvc plots show`` puts its charts (``plots.html_template`` in ``.dvc/config``)."""
    return DVC_PAGE.replace("[vega]", script())
