"""The command ``bomix``."""

from __future__ import annotations

import errno
import io
import logging
import os
import signal
import sys
from typing import NoReturn

import click

import bomix
from bomix.cli import reading
from bomix.config.registry import load
from bomix.errors import BomixError, EvaluationError, SetupError, did_you_mean

COMMANDS = {
    "init": "bomix.cli.write:init",
    "check": "bomix.cli.inspect:check",
    "restart": "bomix.cli.write:restart",
    "optimize": "bomix.cli.optimize:optimize",
    "cancel": "bomix.cli.cancel:cancel",
    "experts": "bomix.cli.experts:experts",
    "ask": "bomix.cli.detached:ask",
    "tell": "bomix.cli.detached:tell",
    "import": "bomix.cli.importing:import_tables",
    "extend": "bomix.cli.extend:extend",
    "withdraw": "bomix.cli.withdraw:withdraw",
    "predict": "bomix.cli.predict:predict",
    "validate": "bomix.cli.validate:validate",
    "correlate": "bomix.cli.correlate:correlate",
    "transfer": "bomix.cli.transfer:transfer",
    "plan": "bomix.cli.plan:plan",
    "status": "bomix.cli.inspect:status",
    "dataset": "bomix.cli.dataset:dataset",
    "recommend": "bomix.cli.inspect:recommend",
    "export": "bomix.cli.export:export",
    "report": "bomix.cli.report:report",
    "kinds": "bomix.cli.kinds:kinds",
    "benchmark": "bomix.cli.benchmark:benchmark",
}
"""Command to ``module:function``; nothing is imported before it is called."""

SUMMARIES = {
    "init": "Write a commented study file.",
    "check": "Report every problem of a study at once; nothing is trained.",
    "restart": "Begin a study anew that has no result yet.",
    "optimize": "Run a study, or resume it.",
    "cancel": "End jobs of a study in the queue of a cluster.",
    "experts": "Train one model per domain, for mixtures of data experts.",
    "ask": "Propose mixtures, to be trained elsewhere.",
    "tell": "Record what a training elsewhere came back with.",
    "import": "Record runs made earlier, from tables joined by key.",
    "extend": "Go on with other domains: carry the runs of a study over to another one.",
    "withdraw": "Have a run count for nothing; the record keeps it and says why.",
    "predict": "Predict every metric and the objective for mixtures of a table.",
    "validate": "Hold every trial out and compare with its prediction.",
    "correlate": "Show which losses go with the objective and with each other.",
    "transfer": "Show whether small scales order mixtures as the one that is decided about.",
    "plan": "Simulate how a budget is best spent over scales.",
    "status": "Show where a study stands.",
    "dataset": "Write the record as one file for other programs, results.nc.",
    "recommend": "Show which mixture to train on, and how sure that is.",
    "export": "Write the mixture to train on as a trainer reads it.",
    "report": "Write the page of a study: the answer in words, figures, and sliders.",
    "kinds": "List what can stand in a study file.",
    "benchmark": "Compare methods on functions whose best mixture is known.",
}


_MENDABLE = {
    errno.EROFS: "the file system there is read-only",
    errno.EACCES: "permission is denied",
    errno.EPERM: "permission is denied",
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the quota is used up",
}
"""What a system refuses, and whoever gives the command can mend."""


class _LazyGroup(click.Group):
    """Imports a command's module when the command is called: `bomix --help` stays quick."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        address = COMMANDS.get(cmd_name)
        if address is None:
            return None
        command: click.Command = load(address)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The command that is called; of one that there is not, the closest name is said."""
        name = args[0]
        if name not in COMMANDS and not name.startswith("-"):
            ctx.fail(f"no command '{name}'{did_you_mean(name, COMMANDS)}; `bomix --help` lists all")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(SUMMARIES.items()))


@click.group(cls=_LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(bomix.__version__, prog_name="bomix")
@click.pass_context
def cli(context: click.Context) -> None:
    """Find the data mixture to train a language model on, in the fewest training runs.

    STUDY is a study folder or the study.yaml in it.
    """
    context.with_resource(reading.shown())


def main() -> NoReturn:
    """Run the command line; exits with 0, 2 for what the user can mend, 130 after Ctrl-C, 1 else."""
    signal.signal(signal.SIGTERM, _interrupt)
    if isinstance(sys.stdout, io.TextIOWrapper):
        # Names of files, and what trainers say, may hold what the terminal's encoding has no character for.
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        # Outside its standalone mode click returns the code of `ctx.exit`, and what a command returns: None here.
        code = cli.main(standalone_mode=False) or 0
    except click.ClickException as error:
        error.show()
        code = error.exit_code
    except (click.Abort, KeyboardInterrupt):
        click.echo("interrupted; run the same command again to go on", err=True)
        code = 130
    except EvaluationError as error:
        click.echo(f"error: {error}", err=True)
        code = 2 if isinstance(error, SetupError) else 1
    except OSError as error:  # a full disk, a folder without permission, a closed pipe
        code = _report_system_error(error)
    except BomixError as error:
        click.echo(f"error: {error}", err=True)
        code = 2
    logging.shutdown()
    sys.exit(code)


def _report_system_error(error: OSError) -> int:
    """Say what the system refused; quietly where it is our own output that nobody reads any more.

    Returns:
        Exit status: 2 where the user can mend it.
    """
    if isinstance(error, BrokenPipeError):
        # The interpreter would complain once more while it flushes.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return 1
    if (why := _MENDABLE.get(error.errno or 0)) is None or error.filename is None:
        click.echo(f"error: {error}", err=True)
        return 1
    click.echo(
        f"error: {error.filename}: {why}; what was not said to be done is not. Mend that, and give the "
        "same command again",
        err=True,
    )
    return 2


def _interrupt(signum: int, interrupted_at: object) -> NoReturn:
    raise KeyboardInterrupt


if __name__ == "__main__":
    main()
