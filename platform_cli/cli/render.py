"""
`platform render`: what Argo will execute, as Git holds it.

In: a flow file and an environment. Out: YAML on stdout, or one file per object below a folder.
"""

from __future__ import annotations

from pathlib import Path

import click

from platform_cli.cli.frugal import collect_rarely
from platform_cli.cli.output import emit, json_option, named_environment, say
from platform_cli.errors import ChangesFound, UsageError


@click.command(help="Compile a flow into the objects of one environment.")
@click.argument("flow", required=False, type=click.Path(path_type=Path))
@click.option("--all", "every", is_flag=True, help="Render every flow below flows/.")
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Write one file per object below this folder.")
@click.option("--check", "only_check", is_flag=True, help="Write nothing; exit 3 where the folder differs.")
@json_option
def command(flow: Path | None, every: bool, output: Path | None, only_check: bool, as_json: bool) -> None:
    collect_rarely()
    from platform_cli.cli.compile import chosen_flows, read_environment, render

    name = named_environment()
    if not name:
        raise UsageError("no environment named", fix="platform render flows/hello/flow.py --env staging")
    if only_check and not output:
        raise UsageError("--check compares with a folder, and none is named", fix="Add -o DIR.")
    files, root = chosen_flows(flow, every=every)
    environment = read_environment(name, root)
    rendered = [render(file, environment, root) for file in files]
    texts = {file: text for one in rendered for file, text in one.texts().items()}
    if output:
        _into(output, texts, whole=every, only_check=only_check)
    documents = [{"file": file, "text": text} for file, text in texts.items()]
    if as_json or not output:
        emit({"environment": name, "objects": documents}, as_json, lambda _: "---\n".join(texts.values()).rstrip("\n"))


def _into(folder: Path, texts: dict[str, str], *, whole: bool, only_check: bool) -> None:
    from platform_cli.manifest.tree import drift

    found = {
        file.relative_to(folder).as_posix(): file.read_text(encoding="utf-8") for file in sorted(folder.rglob("*.yaml"))
    }
    difference = drift(texts, found, whole=whole)
    if only_check:
        if difference:
            raise ChangesFound(
                f"{folder} is not what the flows render to",
                fix="\n  ".join(difference.lines()),
                wanted="the same files",
            )
        return
    for name in (*difference.missing, *difference.stale):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(texts[name], encoding="utf-8")
    for name in difference.left_over:
        (folder / name).unlink()
    for line in difference.lines():
        say(line)
