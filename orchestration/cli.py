"""The command line: `emberline demo | run | status | explain | export | ui | bench | targets | rate`."""

from collections.abc import Mapping
from importlib import import_module
from typing import NamedTuple

import click

from orchestration.environment import quiet


class Place(NamedTuple):
    """Where a command is defined, and what it is for in one line."""

    module: str
    attribute: str
    summary: str


COMMANDS: Mapping[str, Place] = {
    "demo": Place(
        "orchestration.commands.run",
        "demo",
        "Make everything: corpus, curated pairs, five training stages, benchmark, champion.",
    ),
    "run": Place("orchestration.commands.run", "run", "Run some assets of a profile."),
    "status": Place(
        "orchestration.commands.show",
        "status_command",
        "Say what a home holds: funnel, filters, stages, benchmark, registry.",
    ),
    "explain": Place(
        "orchestration.commands.show",
        "explain_command",
        "Tell the whole life of an image or a sample, from its file to the checkpoints that saw it.",
    ),
    "export": Place(
        "orchestration.commands.show",
        "export_command",
        "Write the figures of a home as small files that Git keeps and DVC compares.",
    ),
    "ui": Place(
        "orchestration.commands.serve", "ui", "Open Dagster's and MLflow's pages on a home, until Ctrl-C."
    ),
    "bench": Place(
        "benchmarks.command",
        "bench",
        "Score image editors on REDEdit, ImgEdit, GEdit, RISEBench, KRIS, TextEditBench, or a suite of "
        "yours.",
    ),
    "targets": Place(
        "benchmarks.metrics.text.command",
        "targets",
        "Curate what the text metric looks for.",
    ),
    "rate": Place(
        "benchmarks.rating.command",
        "rate",
        "Let people rate outputs of several models blind, side by side (report 5.1).",
    ),
}
"""In the order of `emberline --help`, which imports none of these modules: it answers in a moment."""


class ImportedWhenAsked(click.Group):
    """A group that imports a command's module when that command is asked for, and none to list them."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 (click's signature)
        """Returns the names of all commands."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Returns a command, importing its module, or None where there is no such command."""
        place = COMMANDS.get(cmd_name)
        return None if place is None else getattr(import_module(place.module), place.attribute)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """Writes the commands and what each is for."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, place.summary) for name, place in COMMANDS.items()])


@click.group(cls=ImportedWhenAsked, context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """From raw image corpora to an instruction-based image editor, every step traceable.

    \b
    Example:
      emberline demo            raw photographs to a registered editor, on this machine
      emberline status          what came of it
      emberline ui              the asset graph and the training curves in a browser
    """
    quiet()


if __name__ == "__main__":
    main()
