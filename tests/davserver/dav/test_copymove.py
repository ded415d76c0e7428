"""COPY and MOVE: complete or refused, with one status, and only within the device's own trees."""

import pytest

HERE = "http://localhost/dav/files/account/"


@pytest.fixture
def tree(dav):
    dav.mkcol("d")
    dav.put("d/a", b"1")
    dav.put("b", b"22")
    return dav


@pytest.mark.parametrize("method", ["COPY", "MOVE"])
class TestBoth:
    def test_a_new_target_is_201_and_an_old_one_204(self, tree, method):
        assert tree(method, "b", destination=f"{HERE}c").status == 201
        tree.put("e", b"e")
        assert tree(method, "c", destination=f"{HERE}e").status == 204
        assert tree.get("e") == b"22"

    def test_a_whole_folder_has_one_status(self, tree, method):
        assert tree(method, "d/", destination=f"{HERE}d2/").status == 201
        assert tree.get("d2/a") == b"1"

    def test_over_a_folder_the_old_one_goes_whole(self, tree, method):
        tree.mkcol("d2")
        tree.put("d2/old", b"x")
        assert tree(method, "d", destination=f"{HERE}d2").status == 204
        assert tree.members("d2") == ["a"]

    def test_overwrite_f_keeps_what_is_there(self, tree, method):
        assert tree(method, "d/a", destination=f"{HERE}b", overwrite="F").status == 412
        assert tree.get("b") == b"22"

    def test_a_missing_parent_is_409(self, tree, method):
        assert tree(method, "b", destination=f"{HERE}no/b").status == 409

    def test_a_missing_source_is_404(self, tree, method):
        assert tree(method, "nothing", destination=f"{HERE}c").status == 404

    @pytest.mark.parametrize("target", ["d/in", "d"], ids=["into itself", "onto itself"])
    def test_a_folder_into_or_onto_itself_is_403(self, tree, method, target):
        assert tree(method, "d", destination=HERE + target).status == 403

    @pytest.mark.parametrize(
        "destination",
        ["/dav/files/account/c", "http://user:pass@localhost/dav/files/account/c",
         "https://LOCALHOST/dav/files/account/c", f"{HERE}x/../c"],
    )  # fmt: skip
    def test_a_destination_has_many_spellings(self, tree, method, destination):
        assert tree(method, "b", destination=destination).status == 201
        assert tree.get("c") == b"22"

    def test_an_encoded_question_mark_is_part_of_the_name(self, tree, method):
        tree.put("what", b"other")
        assert tree(method, "b", destination=f"{HERE}what%3F.txt").status == 201
        assert tree.get("what") == b"other"
        assert tree.get("what%3F.txt") == b"22"

    def test_another_server_is_502(self, tree, method):
        destination = "http://elsewhere.example.org/dav/files/account/c"
        assert tree(method, "b", destination=destination).status == 502

    @pytest.mark.parametrize(
        "destination", [None, "", "c", "http://localhost/%FF", f"{HERE}a%2Fb", "/../x"]
    )
    def test_a_destination_that_names_nothing_is_400(self, tree, method, destination):
        headers = {} if destination is None else {"destination": destination}
        assert tree(method, "b", **headers).status == 400
        assert tree.get("b") == b"22"

    def test_a_tree_of_others_is_out_of_reach(self, tree, mary, method):
        reply = tree(method, "b", destination=f"http://localhost{mary.base}b")
        assert reply.status == 409
        assert mary.members() == []

    def test_the_time_goes_along_when_it_is_given(self, tree, method):
        reply = tree(method, "b", destination=f"{HERE}c", x_oc_mtime="1577836800")
        assert reply["X-OC-Mtime"] == "accepted"
        assert tree("HEAD", "c")["Last-Modified"] == "Wed, 01 Jan 2020 00:00:00 GMT"

    def test_dead_properties_go_along(self, tree, method):
        tree.proppatch("b", '<D:set><D:prop><x xmlns="u:">1</x></D:prop></D:set>')
        tree(method, "b", destination=f"{HERE}c")
        assert tree.propfind("c", "{u:}x").text("{u:}x") == "1"

    def test_a_kiosk_may_not(self, tree, kiosk, method):
        assert kiosk(method, "b", destination=f"{HERE}c").status == 403

    def test_bob_does_not_find_it(self, tree, mary, bob, method):
        mary.put("m", b"x")
        assert bob(method, f"{mary.base}m", destination=f"{HERE}c").status == 404


def test_a_moved_thing_is_gone_from_where_it_was(tree):
    tree("MOVE", "d", destination=f"{HERE}d2")
    assert tree("PROPFIND", "d").status == 404


def test_a_move_leaves_no_lock_behind(tree, laptop):
    token = tree.lock("b")
    tree("MOVE", "b", destination=f"{HERE}c", **{"if": f"(<{token}>)"})
    assert laptop("PUT", "b", b"new").status == 201
    assert laptop("PUT", "c", b"new").status == 204


def test_a_locked_member_whose_token_is_given_does_not_hold_a_folder(tree):
    token = tree.lock("d/a")
    assert tree("MOVE", "d", destination=f"{HERE}d2").status == 423
    tagged = f"<{HERE}d/a> (<{token}>)"
    assert tree("MOVE", "d", destination=f"{HERE}d2", **{"if": tagged}).status == 201


def test_an_untagged_token_is_about_the_source_alone(tree):
    tree.put("temp", b"new")
    token = tree.lock("temp")
    assert tree("MOVE", "temp", destination=f"{HERE}b", **{"if": f"(<{token}>)"}).status == 204
    assert tree.get("b") == b"new"


def test_depth_0_copies_the_folder_alone(tree):
    assert tree("COPY", "d", destination=f"{HERE}d2", depth="0").status == 201
    assert tree.members("d2") == []


@pytest.mark.parametrize(("method", "depth"), [("COPY", "1"), ("MOVE", "0"), ("MOVE", "1")])
def test_half_a_folder_is_never_moved(tree, method, depth):
    assert tree(method, "d", destination=f"{HERE}d2", depth=depth).status == 400
