"""Hook of MkDocs: what lies outside docs/ comes into the site, and links to it lead there.

README.md becomes the first page and the other pages at the root keep their names; files that pages link to are copied
as they are; a link to a folder becomes its name. The references, of the Python interface and of the command line, are
made of docstrings and of what ``--help`` prints.
"""

from __future__ import annotations

import posixpath
import re
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
PAGES = {
    "README.md": "index.md",
    "CONTRIBUTING.md": "CONTRIBUTING.md",
    "SECURITY.md": "SECURITY.md",
    "CODE_OF_CONDUCT.md": "CODE_OF_CONDUCT.md",
}
"""Pages at the root, by what they are in the site."""

EXTENDED = (
    "a2gc_ros.extract.runtime.Runtime",
    "a2gc_ros.extract.spec.ModelSpec",
    "a2gc_ros.bags.storage.Storage",
    "a2gc_ros.bags.storage.Topic",
    "a2gc_ros.bags.storage.RawMessage",
    "a2gc_ros.bridges.bridge.Bridge",
    "a2gc_ros.bridges.bridge.Recognized",
    "a2gc_ros.evaluation.datasets.catalogue.Benchmark",
    "a2gc_ros.evaluation.datasets.layout.DatasetLayout",
    "a2gc_ros.loops.local_features.LocalFeatureDetector",
    "a2gc_ros.loops.local_features.Detected",
    "a2gc_ros.loops.local_features.DescriptorForm",
    "a2gc_ros.models.backbone.Backbone",
    "a2gc_ros.models.aggregator.Aggregator",
)
"""What a package that adds to this one meets."""

_OPTIONS = "{show_root_heading: true, show_root_toc_entry: true, heading_level: 3}"
_PARTS = "".join(f"::: {name}\n    options: {_OPTIONS}\n\n" for name in EXTENDED)
REFERENCE = f"""# Reference

What `import a2gc_ros` offers; [how to use it](python.md).

::: a2gc_ros

## What you extend

[How to add](extend.md) a runtime, a bag format and more; these may change in a minor version.

{_PARTS}"""

MADE = ("reference.md", "commands.md", "changelog.md")
"""Pages that are made here."""

_LINK = re.compile(r"\[((?:[^][]|\[[^]]*\](?:\([^)]*\))?)*)\]\(([^)\s]+)\)")


def in_site(path: str) -> str:
    """Where a file of the repository is in the site, from its root."""
    if path in PAGES:
        return PAGES[path]
    if path == "CHANGELOG.rst":
        return "changelog.md"
    if path.startswith("docs/"):
        return path.removeprefix("docs/")
    # A suffix that no server takes for something to run or to render.
    return f"files/{path.lstrip('.')}" if path.endswith((".png", ".svg", ".jpg")) else f"files/{path.lstrip('.')}.txt"


def rewritten(text: str, source: str, *, root: Path = ROOT) -> tuple[str, set[str]]:
    """Returns a page with links as they are in the site, and the files that it needs there.

    Args:
        text: Markdown.
        source: The page's path in the repository.
        root: Of the repository.
    """
    needed: set[str] = set()
    here = posixpath.dirname(in_site(source))

    def link(match: re.Match[str]) -> str:
        path, mark, anchor = match[2].partition("#")
        if "://" in match[2] or not path:
            return match[0]
        target = posixpath.normpath(posixpath.join(posixpath.dirname(source), path))
        if (root / target).is_dir():
            return f"{match[1]} (`{target}`)" if match[1] != target else f"`{target}`"
        if not target.startswith("docs/") and in_site(target).startswith("files/"):
            needed.add(target)
        return f"[{_LINK.sub(link, match[1])}]({posixpath.relpath(in_site(target), here or '.')}{mark}{anchor})"

    return _LINK.sub(link, text), needed


def commands() -> str:
    """What ``--help`` prints, for every command."""
    import click
    import typer
    from typer.testing import CliRunner

    from a2gc_ros.cli.main import app

    runner = CliRunner(env={"COLUMNS": "80", "TERM": "dumb", "NO_COLOR": "1"})
    page = ["# Commands\n\nWhat `a2gc ... --help` prints.\n"]

    def describe(path: list[str], command: click.Command) -> None:
        if path:
            printed = runner.invoke(app, [*path, "--help"]).output.strip()
            page.append(f"{'#' * (1 + len(path))} a2gc {' '.join(path)}\n\n```text\n{printed}\n```\n")
        for name, inner in sorted(getattr(command, "commands", {}).items()):
            describe([*path, name], inner)

    describe([], typer.main.get_command(app))
    return "\n".join(page)


def changelog(text: str) -> str:
    """The changelog, which ROS wants as reStructuredText, as Markdown."""
    versions = text.partition("\n\n")[2].replace("``", "`")
    headed = re.sub(r"^(\S.*)\n-+$", r"## \1\n", versions, flags=re.MULTILINE)
    return "# Changes\n\n" + re.sub(r"^ +", lambda indent: 2 * indent[0], headed, flags=re.MULTILINE)


def on_files(files: Any, config: Any) -> Any:
    """Adds what lies outside docs/."""
    from mkdocs.structure.files import File

    def add(place: str, content: str | bytes) -> None:
        files.append(File.generated(config, place, content=content))

    needed: set[str] = set()
    for source, place in PAGES.items():
        text, more = rewritten((ROOT / source).read_text(encoding="utf-8"), source)
        needed |= more
        add(place, text)
    for page in files.documentation_pages():
        if page.src_uri not in PAGES.values():
            needed |= rewritten(page.content_string, f"docs/{page.src_uri}")[1]
    for source in sorted(needed):
        add(in_site(source), (ROOT / source).read_bytes())
    add("reference.md", REFERENCE)
    add("commands.md", commands())
    add("changelog.md", changelog((ROOT / "CHANGELOG.rst").read_text(encoding="utf-8")))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Rewrites the links of a page of docs/."""
    generated = page.file.generated_by is not None
    return markdown if generated else rewritten(markdown, f"docs/{page.file.src_uri}")[0]
