"""The command line: `emberline demo | run | status | explain | verify | ...`."""

from collections.abc import Mapping
from importlib import import_module
from typing import NamedTuple

import click

from orchestration.environment import quiet, variables_in_use
from orchestration.faults import refusal
from orchestration.interrupts import end_on_interrupt


class CommandSpec(NamedTuple):
    """The module and attribute of a command, and its one-line summary in `emberline --help`."""

    module: str
    attribute: str
    summary: str


COMMANDS: Mapping[str, CommandSpec] = {
    "demo": CommandSpec(
        "orchestration.commands.run",
        "demo",
        "Run the whole lineage: corpus, curated pairs, five training stages, benchmark, champion.",
    ),
    "run": CommandSpec(
        "orchestration.commands.run", "run", "Run selected assets of a profile, or all of them."
    ),
    "status": CommandSpec(
        "orchestration.commands.show",
        "status_command",
        "Print the results in a home: funnel, filters, stages, benchmark, registry.",
    ),
    "explain": CommandSpec(
        "orchestration.commands.show",
        "explain_command",
        "Print the history of an image or a sample, from its file to the checkpoints that saw it.",
    ),
    "verify": CommandSpec(
        "orchestration.commands.keep",
        "verify_command",
        "Compare every file and registered version with what the manifests of a home claim.",
    ),
    "gc": CommandSpec(
        "orchestration.commands.keep",
        "gc_command",
        "List the files of a home that nothing refers to any more, and delete them only when told.",
    ),
    "rollback": CommandSpec(
        "orchestration.commands.keep",
        "rollback_command",
        "Give the alias `champion` back to the version that had it before.",
    ),
    "export": CommandSpec(
        "orchestration.commands.show",
        "export_command",
        "Write the figures of a home to small files, or its samples as a dataset.",
    ),
    "ui": CommandSpec(
        "orchestration.commands.serve",
        "ui",
        "Serve the web pages of Dagster and MLflow for a home, until Ctrl-C.",
    ),
    "bench": CommandSpec(
        "benchmarks.command",
        "bench",
        "Score image editors on REDEdit, ImgEdit, GEdit, RISEBench, KRIS, TextEditBench, or a suite of "
        "yours.",
    ),
    "targets": CommandSpec(
        "benchmarks.metrics.text.command",
        "targets",
        "Curate what the text metric looks for.",
    ),
    "rate": CommandSpec(
        "benchmarks.rating.command",
        "rate",
        "Let people rate outputs of several models blind, side by side (report 5.1).",
    ),
}
"""In the order of `emberline --help`, which imports none of these modules and so starts quickly."""


class LazyGroup(click.Group):
    """A group that imports a command's module only when that command is run."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 (click's signature)
        """Returns the names of all commands."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Returns a command after importing its module, or None if the command does not exist."""
        spec = COMMANDS.get(cmd_name)
        return None if spec is None else getattr(import_module(spec.module), spec.attribute)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Returns the command that the first argument names, and the rest; a wrong name gets a suggestion."""
        try:
            return super().resolve_command(ctx, args)
        except click.NoSuchCommand as error:  # click looks for near names among imported commands only
            raise click.NoSuchCommand(error.command_name, possibilities=COMMANDS, ctx=ctx) from error

    def invoke(self, ctx: click.Context) -> object:
        """Runs a command, from the import of its module on, until it ends or is interrupted."""
        ctx.obj = variables_in_use()  # shown by the commands that use a profile
        with end_on_interrupt():
            try:
                return super().invoke(ctx)
            except click.ClickException:
                raise
            except Exception as error:
                refused = refusal(str(error))
                if refused is None:
                    raise
                raise click.ClickException(refused) from error

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """Writes the commands and their summaries."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, spec.summary) for name, spec in COMMANDS.items()])


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Turn raw image corpora into an instruction-based image editor.

    \b
    Example:
      emberline demo            train an editor from raw photographs, on this machine
      emberline status          print the results
      emberline ui              show the asset graph and the training curves in a browser
    """
    quiet()


if __name__ == "__main__":
    main()
