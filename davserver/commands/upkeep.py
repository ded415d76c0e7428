"""`davserver gc`, `fsck` and `quota`: freeing room, proving what is stored, counting anew."""

from __future__ import annotations

from dataclasses import asdict

import click

from davserver.output import count, json_option, print_hint, print_json, print_line
from davserver.session import Session, pass_session
from storage.db import Tx
from storage.drive import fsck as drive_fsck
from storage.drive import spaces, sweep, usage
from storage.drive.sweep import Keeping, Swept
from storage.drive.usage import Usage


@click.command()
@click.option("--dry-run", is_flag=True, help="Only tell what would go.")
@json_option
@pass_session
def gc(session: Session, dry_run: bool, as_json: bool) -> None:
    """Free the room of what nobody needs any more: old trash and versions, lost uploads."""
    keeping = Keeping(trash_days=session.config.dav.trash_days)
    with session.existing_store() as store:
        if dry_run:
            swept = sweep.estimate(store.database, store.blobs, keeping=keeping)
        else:
            pieces = sweep.sweep(store.database, store.blobs, keeping=keeping, lists_store=True)
            swept = sum(pieces, Swept())
    if as_json:
        print_json(asdict(swept))
        return
    print_line("This would go:" if dry_run else "This is gone:")
    for name, number in asdict(swept).items():
        print_line(f"  {name.replace('_', ' '):<14}{number}")


@click.command()
@click.option("--deep", is_flag=True, help="Read every stored byte; takes as long as that takes.")
@json_option
@pass_session
def fsck(session: Session, deep: bool, as_json: bool) -> None:
    """Compare tree, bytes and counters; exit 1 when something is wrong. Changes nothing."""
    findings = []
    with session.existing_store() as store:
        for each in drive_fsck.check(store.database, store.blobs, deep=deep):
            if isinstance(each, drive_fsck.Finding):
                findings.append({"subject": each.subject, "id": each.id, "what": each.what})
                if not as_json:
                    print_line(f"{each.subject} {each.id}: {each.what}")
            else:
                print_hint(f"{each.what}: {each.done} of {each.total}")
    if as_json:
        print_json({"ok": not findings, "findings": findings})
    elif findings:
        print_line(f"Found {count(len(findings), 'fault')}.")
    else:
        print_line("All is as it should be.")
    if findings:
        click.get_current_context().exit(1)


@click.group()
def quota() -> None:
    """What drives take up."""


@quota.command()
@click.option("--dry-run", is_flag=True, help="Only tell what is wrong.")
@json_option
@pass_session
def recalc(session: Session, dry_run: bool, as_json: bool) -> None:
    """Count every drive anew, and mend counters that are wrong."""
    counted = []
    with session.existing_store() as store:
        for space in store.database.read(spaces.list_spaces):

            def act(tx: Tx, space_id: int = space.id) -> tuple[Usage, Usage]:
                return usage.recalc(tx, space_id=space_id, is_dry_run=dry_run)

            before, after = store.database.write(act)
            counted.append({"drive": space.id, "before": asdict(before), "after": asdict(after)})
            if as_json:
                continue
            is_right = before == after
            said = "right" if is_right else f"was {before.used_bytes}, is {after.used_bytes}"
            print_line(f"drive {space.id}: {after.used_bytes} bytes, {said}")
    if as_json:
        print_json(counted)
