import shutil
import threading
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import String, Text, inspect, select, text
from sqlalchemy.exc import IntegrityError

import storage.audit
import storage.drive.tables
import storage.key_register  # noqa: F401 (importing registers the tables)
from storage import migrations
from storage.db import Database
from storage.errors import Misconfigured
from storage.identity.tables import plans
from storage.schema import metadata
from storage.scopes import Scope
from storage.sections import DatabaseConfig
from tests.full_rows import count_rows, fill

# What the model asks for (its pages Identity, Credentials, Drive and Record), and where it is
# kept. Most names are the model's own. Those that differ:
#   x → Thing                  a column thing_id
#   hash, token hash           secret_hash, token_hash: what is hashed is said
#   Node.sha256, checksums     on the blob, which COPY shares; a file without bytes has none
#   Blob encryption info       encryption
#   Domain SPF/DKIM/DMARC      spf_status, dkim_status, dmarc_status, dns_checked_at
#   totp of users, mailboxes   a row of totp_secrets that points back; so for every owner
#   parts of an upload         a table of their own
#   Lock on a path             LOCK of an unmapped URL makes an empty file (RFC 4918 §7.3)
#   Device issued_by           issued_by_type, _id, _label: an issuer may be gone tomorrow
# WebhookEndpoint, WebhookDelivery and IdempotencyRecord come with the part that needs them.
MODEL = {
    "accounts": "name plan_id region status verification_grace_until require_2fa delete_at "
    "created_at",
    "plans": "name pool_bytes max_domains max_mailboxes max_devices max_tokens allowed_scopes",
    "users": "email email_verified_at password_hash token_version failed_count locked_until",
    "memberships": "account_id user_id role permissions all_domains domain_ids status invited_by",
    "domains": "account_id name status spf_status dkim_status dmarc_status dns_checked_at "
    "catch_all note",
    "mailboxes": "account_id domain_id local_part type display_name password_hash status "
    "disabled_reason login_suspended_at login_suspended_reason drive_access client_auth_mode "
    "storage_allocation_bytes recovery_email token_version failed_count locked_until trashed_at "
    "note",
    "aliases": "mailbox_id domain_id local_part can_receive can_send is_active expires_at note",
    "blocked_senders": "alias_id mailbox_id pattern",
    "shared_members": "shared_mailbox_id member_mailbox_id can_send",
    "retired_addresses": "address",
    "invites": "account_id domain_id local_part recipient_email token_hash expires_at "
    "storage_allocation_bytes status",
    "delete_intents": "mailbox_id domain_id created_by risk_flags expires_at status",
    "devices": "account_id mailbox_id label scopes secret_hash issued_via issued_by_type "
    "issued_by_id issued_by_label created_at expires_at last_used_at last_used_ip "
    "last_used_client revoked_at revoked_by revoked_reason rotated_from",
    "app_passwords": "mailbox_id name secret_hash last_used_at last_used_ip last_used_protocol "
    "created_via revoked_at revoked_reason",
    "api_tokens": "account_id created_by name kind prefix secret_hash hash_alg scopes domain_ids "
    "mailbox_ids mailbox_id expires_at daily_limit last_used_at last_used_ip revoked_at",
    "token_day_counts": "token_id day count",
    "sessions": "sid user_id mailbox_id token_version created_at last_seen_at "
    "absolute_expires_at ip user_agent mfa_at revoked_at revoked_reason",
    "totp_secrets": "user_id mailbox_id secret confirmed_at last_step",
    "recovery_codes": "user_id mailbox_id kind hash used_at replaced_at",
    "signed_links": "user_id mailbox_id invite_id purpose address nonce expires_at used_at",
    "encryption_keys": "key_id algorithm state",
    "stored_secrets": "owner_type owner_id kind sealed last_read_at",
    "spaces": "account_id kind mailbox_id change_seq",
    "nodes": "space_id parent_id name kind blob_id size content_type etag mtime is_shared colour "
    "version change_seq created_at modified_at modified_by deleted_at delete_batch "
    "original_parent_id",
    "blobs": "storage_key size sha256 encryption scan_status state created_at",
    "versions": "node_id blob_id size etag mtime replaced_at replaced_by",
    "uploads": "space_id device_id target size reserved_bytes s3_upload_id state expires_at",
    "upload_parts": "upload_id name size",
    "share_links": "node_id token_hash expires_at max_downloads downloads note revoked_at",
    "locks": "token node_id scope depth owner_xml device_id expires_at",
    "dead_properties": "node_id namespace name xml",
    "changes": "space_id seq node_id parent_id name kind credential at",
    "audit_events": "at account_id category action actor_type actor_id actor_label target_type "
    "target_id target_label ip user_agent request_id outcome metadata prev_hash hash",
    "usage": "account_id used_bytes reserved_bytes",
}
FIELDS = [(table, field) for table, fields in MODEL.items() for field in fields.split()]


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_config(request, tmp_path):
    """A database without a schema, on both kinds."""
    if request.param == "sqlite":
        yield DatabaseConfig(url=f"sqlite:///{tmp_path}/empty.db", durability="relaxed")
        return
    postgres = request.getfixturevalue("postgres")
    name = postgres.create_database()
    yield DatabaseConfig(url=postgres.url(name))
    postgres.drop_database(name)


@pytest.fixture
def empty_database(empty_config):
    database = Database(empty_config)
    yield database
    database.close()


def differences(tx):
    options = {"compare_type": True, "compare_server_default": False}  # stumbles over Identity
    return compare_metadata(MigrationContext.configure(tx.connection, opts=options), metadata)


def inspected(tx):
    return inspect(tx.connection)


def test_an_empty_database_is_taken_all_the_way_up(empty_database):
    migrations.upgrade(empty_database)
    assert migrations.read_status(empty_database).is_current


def test_an_upgrade_says_where_the_database_stood(empty_database):
    before = migrations.upgrade(empty_database)
    assert (before.current, before.pending[0]) == (None, "0001")


def test_a_second_upgrade_does_nothing(empty_database):
    migrations.upgrade(empty_database)
    assert migrations.upgrade(empty_database).pending == ()


def test_two_upgrades_at_once_come_one_after_the_other(empty_config):
    barrier = threading.Barrier(2)

    def upgrade():
        database = Database(empty_config)
        try:
            barrier.wait(30)
            return len(migrations.upgrade(database).pending)
        finally:
            database.close()

    with ThreadPoolExecutor(2) as threads:
        pending = [future.result(60) for future in [threads.submit(upgrade) for _ in range(2)]]
    assert min(pending) == 0


def test_a_failed_upgrade_leaves_nothing_behind(empty_database):
    empty_database.write(
        # The last table that the first step makes stands in its way.
        lambda tx: tx.connection.execute(text("CREATE TABLE versions (id INTEGER)"))
    )
    with pytest.raises(Exception, match="versions"):
        migrations.upgrade(empty_database)
    assert empty_database.read(lambda tx: inspected(tx).get_table_names()) == ["versions"]


def test_tables_and_migrations_agree(database):
    assert database.read(differences) == []


def plainly(default):
    """A default without what only one of the databases writes around it."""
    plain = ("" if default is None else str(default)).partition("::")[0].strip("'").lower()
    return {"false": "0", "true": "1"}.get(plain, plain)


def test_every_default_is_made_by_the_migrations(database):
    def defaults(tx):
        return {
            (table.name, column["name"]): plainly(column["default"])
            for table in metadata.sorted_tables
            for column in inspected(tx).get_columns(table.name)
            if not column.get("identity")
        }

    wanted = {
        (table.name, column.name): plainly(getattr(column.server_default, "arg", None))
        for table in metadata.sorted_tables
        for column in table.columns
    }
    assert wanted.items() >= database.read(defaults).items()


def test_every_index_is_made_by_the_migrations(database):
    def missing(tx):
        return sorted(
            index.name
            for table in metadata.sorted_tables
            for index in table.indexes
            if index.name not in {one["name"] for one in inspected(tx).get_indexes(table.name)}
        )

    assert database.read(missing) == []


def test_every_condition_of_an_index_is_made_by_the_migrations(sqlite_database_config):
    # SQLite keeps the statement as it was given, so that conditions can be compared word by word.
    database = Database(sqlite_database_config)
    query = text("SELECT name, sql FROM sqlite_master WHERE sql LIKE '%INDEX%WHERE%'")
    rows = database.read(lambda tx: tx.connection.execute(query).all())
    database.close()
    wanted = {
        index.name: str(index.dialect_options["sqlite"]["where"])
        for table in metadata.sorted_tables
        for index in table.indexes
        if index.dialect_options["sqlite"]["where"] is not None
    }
    assert {name: sql.partition(" WHERE ")[2] for name, sql in rows} == wanted


def test_every_check_is_made_by_the_migrations(database):
    def checks(tx):
        return {
            check["name"]
            for table in metadata.sorted_tables
            for check in inspected(tx).get_check_constraints(table.name)
        }

    wanted = {
        str(constraint.name)
        for table in metadata.sorted_tables
        for constraint in table.constraints
        if constraint.__visit_name__.endswith("check_constraint")
    }
    assert database.read(checks) >= wanted


def test_a_database_of_a_newer_version_is_refused(database):
    newer = text("UPDATE alembic_version SET version_num = '9999'")
    database.write(lambda tx: tx.connection.execute(newer))
    with pytest.raises(Misconfigured) as refused:
        migrations.require_current(database)
    assert refused.value.message == (
        "The database is at schema 9999, which this version does not know: a newer davserver "
        "has used it. Start that version, or restore a backup from before."
    )


def test_a_database_of_a_newer_version_is_not_upgraded(database):
    newer = text("UPDATE alembic_version SET version_num = '9999'")
    database.write(lambda tx: tx.connection.execute(newer))
    with pytest.raises(Misconfigured):
        migrations.upgrade(database)


def test_a_database_that_was_not_upgraded_is_refused_with_the_command(empty_database):
    with pytest.raises(Misconfigured, match="Make a backup, then run: davserver db upgrade"):
        migrations.require_current(empty_database)


def test_a_database_that_was_upgraded_is_taken(database):
    migrations.require_current(database)


def test_every_install_begins_with_the_five_plans(database):
    query = select(plans.c.name, plans.c.pool_bytes).order_by(plans.c.id)
    assert database.read(lambda tx: [tuple(row) for row in tx.connection.execute(query)]) == [
        ("nano", 5_000_000_000),
        ("starter", 15_000_000_000),
        ("pro", 50_000_000_000),
        ("agency", 200_000_000_000),
        ("unlimited", None),
    ]


def test_every_plan_allows_only_scopes_that_exist(database):
    query = select(plans.c.allowed_scopes)
    allowed = database.read(lambda tx: [*tx.connection.scalars(query)])
    assert {word for words in allowed for word in words} <= {str(scope) for scope in Scope}


@pytest.mark.parametrize(("table", "field"), FIELDS, ids=[".".join(place) for place in FIELDS])
def test_the_schema_has_every_field_of_the_model(table, field):
    assert field in metadata.tables[table].columns


def test_the_audit_log_points_at_nothing(database):
    def keys(tx):
        return [inspected(tx).get_foreign_keys(name) for name in ("audit_events", "audit_heads")]

    assert database.read(keys) == [[], []]


def test_every_foreign_key_can_be_looked_up(database):
    """Deleting what is pointed at must not read the whole table that points."""

    def unindexed(tx):
        found = []
        for table in metadata.sorted_tables:
            ways = [one["column_names"] for one in inspected(tx).get_indexes(table.name)]
            ways += [
                one["column_names"] for one in inspected(tx).get_unique_constraints(table.name)
            ]
            ways.append(inspected(tx).get_pk_constraint(table.name)["constrained_columns"])
            for key in inspected(tx).get_foreign_keys(table.name):
                columns = key["constrained_columns"]
                # A constant third column finds nothing that the first two did not.
                if not any(
                    (way and way == columns[: len(way)]) or way[:1] == columns for way in ways
                ):
                    found.append(f"{table.name}.{columns}")
        return found

    assert database.read(unindexed) == []


def test_nothing_is_reached_by_two_indexes_where_one_would_do(database):
    def spare(tx):
        found = []
        for table in metadata.sorted_tables:
            unique = [
                one["column_names"] for one in inspected(tx).get_unique_constraints(table.name)
            ]
            plain = [
                one
                for one in inspected(tx).get_indexes(table.name)
                if not any("where" in option for option in one.get("dialect_options", {}))
                and not one.get("duplicates_constraint")
            ]
            for one in plain:
                columns = one["column_names"]
                longer = [other["column_names"] for other in plain if other is not one] + unique
                if any(other[: len(columns)] == columns for other in longer):
                    found.append(one["name"])
        return found

    assert database.read(spare) == []


def test_every_column_holds_its_longest_value(database):
    database.write(fill)
    counts = database.read(count_rows)
    assert {name for name, count in counts.items() if not count} == {"shared_members"}


REBUILD = """
from alembic import op
from sqlalchemy import inspect

revision = "9000"
down_revision = "0002"


def upgrade():
    for name in inspect(op.get_bind()).get_table_names():
        if name != "alembic_version":
            with op.batch_alter_table(name, recreate="always"):
                pass
"""


@pytest.fixture
def rebuilding_scripts(tmp_path):
    """The folder of the steps, with one more that makes every table anew."""
    folder = tmp_path / "scripts"
    shutil.copytree(Path(migrations.__file__).parent, folder)
    (folder / "versions" / "9000_rebuild.py").write_text(REBUILD)
    return folder


def test_a_step_that_rebuilds_every_table_keeps_every_row(
    sqlite_database_config, rebuilding_scripts
):
    database = Database(sqlite_database_config)
    database.write(fill)
    before = database.read(count_rows)
    migrations.upgrade(database, scripts=rebuilding_scripts)
    assert database.read(count_rows) == before
    database.close()


def test_foreign_keys_hold_again_after_an_upgrade(sqlite_database_config):
    database = Database(sqlite_database_config)
    migrations.upgrade(database)
    pragma = text("PRAGMA foreign_keys")
    enforced = database.read(lambda tx: tx.connection.execute(pragma).scalar_one())
    database.close()
    assert enforced == 1


def test_an_upgrade_that_would_leave_rows_pointing_at_nothing_is_undone(sqlite_database_config):
    database = Database(sqlite_database_config)
    database.write(fill)

    def orphan(tx):
        tx.connection.execute(text("DELETE FROM plans"))

    with pytest.raises(Misconfigured, match="Rows of accounts point at nothing"):
        database.rebuild(orphan)
    assert database.read(count_rows)["plans"] > 0
    database.close()


def test_an_upgrade_waits_for_another_however_long_it_takes(database, database_config):
    impatient = Database(database_config.model_copy(update={"busy_timeout_seconds": 0.05}))
    holds, lets_go = threading.Event(), threading.Event()

    def hold(tx):
        tx.serialise_on("migrations", 0)
        holds.set()
        lets_go.wait(30)

    with ThreadPoolExecutor(2) as threads:
        first = threads.submit(database.write, hold)
        holds.wait(30)
        second = threads.submit(migrations.upgrade, impatient)
        finished, _ = wait([second], timeout=0.5)
        lets_go.set()
        first.result(30)
        assert (finished, second.result(30).pending) == (set(), ())
    impatient.close()


def test_what_is_kept_apart_by_its_text_is_compared_sign_by_sign(postgres_database_config):
    database = Database(postgres_database_config)
    query = text(
        "SELECT table_name, column_name FROM information_schema.columns "
        "WHERE table_schema = 'public' AND collation_name = 'C'"
    )
    found = database.read(lambda tx: {tuple(row) for row in tx.connection.execute(query)})
    database.close()
    keys = {
        (table.name, column.name)
        for table in metadata.sorted_tables
        for way in [*table.indexes, *table.constraints]
        if not way.__visit_name__.endswith("check_constraint")
        for column in way.columns
        if isinstance(column.type, String) and not isinstance(column.type, Text)
    }
    assert keys <= found


def test_a_mailbox_and_an_alias_never_share_an_address(database):
    database.write(fill)
    move = text("UPDATE aliases SET local_part = (SELECT local_part FROM mailboxes)")
    with pytest.raises(IntegrityError):
        database.write(lambda tx: tx.connection.execute(move))
