"""The command line: `davserver [--config FILE] COMMAND`.

The commands stand in `davserver/commands/`, one file for each subject. Exit status: 0 done,
1 refused (one sentence on standard error that says what and what to do), 2 usage.
"""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import Any

import click

from davserver.commands.account import account
from davserver.commands.audit import audit
from davserver.commands.certificate import dev_certificate
from davserver.commands.config import config
from davserver.commands.database import database
from davserver.commands.device import device
from davserver.commands.doctor import doctor
from davserver.commands.keys import keys
from davserver.commands.lock import lock
from davserver.commands.serve import serve
from davserver.commands.trash import trash
from davserver.commands.upkeep import fsck, gc, quota
from davserver.commands.version import version
from davserver.log import configure_logging
from davserver.output import print_hint
from davserver.session import Session
from storage.errors import StoreError
from storage.sections import LogConfig

logger = logging.getLogger(__name__)


class _Door(click.Group):
    """Turns what goes wrong into a sentence and an exit status; no traceback ends unmasked."""

    def invoke(self, ctx: click.Context) -> Any:  # Any: click's own contract
        try:
            return super().invoke(ctx)
        except (click.ClickException, click.exceptions.Exit, click.Abort, BrokenPipeError):
            raise  # click knows how these end
        except StoreError as error:
            sentences = error.message.splitlines()
        except OSError as error:
            where = "" if error.filename is None else f" ({error.filename})"
            sentences = [f"The system refused{where}: {error.strerror or error}."]
        except Exception:
            if not logging.getLogger().handlers:
                configure_logging(LogConfig())
            logger.exception("a command failed")
            sentences = ["This is a mistake in davserver; please report the lines above."]
        for sentence in sentences:
            print_hint(f"davserver: {sentence}")
        return ctx.exit(1)


@click.group(cls=_Door, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--config",
    "config_path",
    envvar="DAVSERVER_CONFIG",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="The configuration; without one, all is kept in ./data.",
)
@click.version_option(package_name="davserver", prog_name="davserver")
@click.pass_context
def main(ctx: click.Context, config_path: Path | None) -> None:
    """A self-hosted WebDAV drive whose every device has its own key."""
    os.umask(0o077)  # whatever is made here (database, keys, bytes) is for this user's eyes only
    ctx.obj = Session(config_path)


for _command in (
    account, audit, config, database, dev_certificate, device, doctor, fsck, gc, keys, lock,
    quota, serve, trash, version,
):  # fmt: skip
    main.add_command(_command)
