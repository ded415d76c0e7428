import stat
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest

from storage import key_register, migrations
from storage.config import Config
from storage.db import Database
from storage.errors import Misconfigured, Unavailable
from storage.key_file import add_key, create_key_file, load_keyring
from storage.keys import new_key
from storage.store import open_store, prepare_embedded


@pytest.fixture
def config(tmp_path):
    """An embedded set-up of which nothing is there yet."""
    return embedded(tmp_path / "data")


def embedded(folder):
    return Config(
        database={"url": f"sqlite:///{folder}/davserver.db"},
        blobs={"path": folder / "blobs"},
        secrets={"key_file": folder / "davserver.keys"},
    )


@pytest.fixture
def store(config):
    prepare_embedded(config)
    store = open_store(config)
    yield store
    store.close()


def test_an_embedded_set_up_is_made_ready(store):
    assert migrations.read_status(store.database).is_current


def test_a_key_file_is_made_for_its_owner_only(config):
    prepare_embedded(config)
    assert stat.S_IMODE(config.secrets.key_file.stat().st_mode) == 0o600


def test_the_folder_of_the_data_is_made_for_its_owner_only(config):
    prepare_embedded(config)
    assert stat.S_IMODE(config.secrets.key_file.parent.stat().st_mode) == 0o700


def test_a_key_that_is_there_is_kept(config, store):
    prepare_embedded(config)
    assert load_keyring(config.secrets) == store.keyring


def test_many_starts_at_once_make_one_key(config):
    together = Barrier(4)

    def start(_number):
        together.wait(timeout=30)
        prepare_embedded(config)
        return load_keyring(config.secrets)

    with ThreadPoolExecutor(4) as threads:
        keyrings = list(threads.map(start, range(4)))
    assert keyrings == keyrings[:1] * 4


def test_no_key_is_made_where_the_bytes_are_elsewhere(tmp_path, clock, chance):
    key_file = tmp_path / "keys"
    config = Config(
        database={"url": f"sqlite:///{tmp_path}/db/davserver.db"},
        blobs={"kind": "s3", "bucket": "b"},
        secrets={"key_file": key_file},
    )
    prepare_embedded(config)
    with pytest.raises(Misconfigured, match="There is no key file"):
        open_store(config)


def test_a_database_on_a_server_is_not_upgraded_by_itself(tmp_path, postgres, clock, chance):
    name = postgres.create_database()
    config = Config(
        database={"url": postgres.url(name)},
        blobs={"path": tmp_path / "blobs"},
        secrets={"key_file": tmp_path / "keys"},
    )
    create_key_file(config.secrets.key_file, new_key(chance, clock()))
    prepare_embedded(config)
    with pytest.raises(Misconfigured, match=r"run: davserver db upgrade$"):
        open_store(config)
    postgres.drop_database(name)


def test_what_stands_where_the_folder_should_is_named(tmp_path):
    (tmp_path / "data").write_text("")
    with pytest.raises(Misconfigured, match="data"):
        prepare_embedded(embedded(tmp_path / "data"))


def test_a_database_that_is_there_answers(store):
    store.check_database()


@pytest.mark.parametrize("how", ["deleted", "moved", "replaced"])
def test_an_open_database_whose_file_is_gone_is_away(config, store, tmp_path, how):
    path = config.database.sqlite_path
    if how == "deleted":
        path.unlink()
    else:
        path.rename(tmp_path / "elsewhere.db")
    if how == "replaced":
        other = Database(config.database)
        migrations.upgrade(other)
        other.close()
    with pytest.raises(Unavailable, match="moved or replaced"):
        store.check_database()


def test_the_key_is_registered_where_the_store_is_opened(config, store):
    assert store.database.read(key_register.list_needed) == [store.keyring.active.key_id]


def test_a_lost_key_file_is_not_replaced(config, store):
    config.secrets.key_file.unlink()
    with pytest.raises(Misconfigured, match=store.keyring.active.key_id):
        prepare_embedded(config)
    assert not config.secrets.key_file.exists()


def test_a_store_whose_key_is_not_at_hand_is_refused(config, store, chance, clock):
    config.secrets.key_file.unlink()
    create_key_file(config.secrets.key_file, new_key(chance, clock()))
    with pytest.raises(Misconfigured) as refused:
        open_store(config)
    assert refused.value.message == (
        f"The key {store.keyring.active.key_id} has sealed secrets in this database, but is not "
        "among the keys at hand: put it back from your copy of the key file, below the keys that "
        "are there."
    )


def test_an_added_key_becomes_the_active_one(config, store, chance, clock):
    key = new_key(chance, clock())
    add_key(config.secrets.key_file, key)
    open_store(config).close()
    needed = store.database.read(key_register.list_needed)
    assert needed == [key.key_id, store.keyring.active.key_id]


def test_the_embedded_key_file_lies_beside_the_database(tmp_path):
    config = Config(
        database={"url": f"sqlite:///{tmp_path}/db/davserver.db"}, blobs={"path": tmp_path / "b"}
    )
    prepare_embedded(config)
    assert (tmp_path / "db" / "davserver.keys").exists()
