"""``postmta completion``."""

from __future__ import annotations

import rich_click as click
from click.shell_completion import get_completion_class

SHELLS = ("bash", "zsh", "fish")


@click.command()
@click.argument("shell", type=click.Choice(SHELLS))
def completion(shell: str) -> None:
    """Print the script that completes commands, options and choices in a shell.

    For bash put it into ~/.local/share/bash-completion/completions/postmta, for fish into
    ~/.config/fish/completions/postmta.fish; for zsh into a folder of $fpath, as _postmta.

    Example: postmta completion bash > ~/.local/share/bash-completion/completions/postmta
    """
    from postmta_ctl.cli import cli  # noqa: PLC0415 - the command that it is itself a part of

    kind = get_completion_class(shell)
    if kind is None:
        raise click.UsageError(f"{shell} is not known")
    click.echo(kind(cli, {}, "postmta", "_POSTMTA_COMPLETE").source())
