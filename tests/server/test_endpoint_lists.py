"""Which endpoints there are, as clients of the protocol ask for it; members are told of what they see."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import onnx_models
import pytest
import tritonclient.http as triton
from fenced import Member, shared_server
from real_server import Server

ALL = ["closed.hidden", "open_p.asked", "open_p.resting"]


@pytest.fixture(scope="module")
def listed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, dict[str, Member]]]:
    folder = tmp_path_factory.mktemp("listed")
    (folder / "m.onnx").write_bytes(onnx_models.scaled(1.0))
    with shared_server(folder / "home") as (server, members):
        owner = members["owner"]
        for full in ALL:
            owner.project, _, name = full.partition(".")
            owner.rows(f"CREATE MODEL IF NOT EXISTS m FROM '{folder}/m.onnx' INPUT (x FLOAT, y FLOAT); SELECT 1")
            owner.rows(f"CREATE ENDPOINT {name} USING MODEL m; SELECT 1")
        owner.rows("ALTER ENDPOINT resting SUSPEND; SELECT 1")
        yield server, members


def _told(member: Member, method: str, path: str, body: Any = None, status: int = 200) -> Any:
    got, _, content = member.request(method, path, body)
    assert got == status, content
    return json.loads(content)


@pytest.mark.parametrize("path", ["/v2/models", "/v2/models/", "//v2/models", "/v2//models"])
def test_who_may_see_a_project_is_told_of_its_endpoints(listed: tuple[Server, dict[str, Member]], path: str) -> None:
    _, members = listed
    for user, known in (("owner", ALL), ("vera", ALL[1:])):
        status, _, content = members[user].request("GET", path)
        assert status != 200 or json.loads(content) == {"models": known}
        assert user == "owner" or b"hidden" not in content
    assert _told(members["owner"], "GET", "/v2/models") == {"models": ALL}
    assert _told(members["vera"], "GET", "/v2/models") == {"models": ALL[1:]}
    refused = _told(members["vera"], "POST", "/v2/models", {}, status=405)
    assert refused["error"] == "/v2/models takes a GET"


def test_the_index_of_the_repository_as_triton_has_it(listed: tuple[Server, dict[str, Member]]) -> None:
    _, members = listed
    vera = members["vera"]
    assert _told(vera, "POST", "/v2/models/open_p.asked/infer", {"rows": [{"x": 1, "y": 2}]})
    ready = {"name": "open_p.asked", "version": "1", "state": "READY"}
    index = _told(vera, "POST", "/v2/repository/index", {})
    assert index[0] == ready and index[1]["name"] == "open_p.resting" and len(index) == 2
    assert (index[1]["state"], index[1]["reason"]) == ("UNAVAILABLE", "suspended")
    assert _told(vera, "POST", "/v2/repository/index", {"ready": True}) == [ready]
    for body in ([1], {"ready": 1}, {"ready": "yes"}):
        wrong = _told(vera, "POST", "/v2/repository/index", body, status=400)
        assert wrong["hint"] == '{"ready": true}, or no body'
    for content in (b'{"ready": "\xff"}', b"[" * 99_999, b"{"):
        status, _, told = vera.request("POST", "/v2/repository/index", content)
        assert status == 400 and json.loads(told)["hint"] == '{"ready": true}, or no body', told
    assert _told(vera, "GET", "/v2/repository/index", status=405)["error"] == "/v2/repository/index takes a POST"
    load = _told(vera, "POST", "/v2/repository/models/open_p.asked/load", {}, status=404)
    assert "ALTER ENDPOINT" in load["hint"]


def test_tritonclient_lists_the_repository(listed: tuple[Server, dict[str, Member]]) -> None:
    server, members = listed
    client = triton.InferenceServerClient(server.url.removeprefix("http://"))
    headers = {"Authorization": f"Bearer {members['owner'].token}"}
    found = client.get_model_repository_index(headers=headers)
    assert [entry["name"] for entry in found] == ALL


@pytest.mark.parametrize("path", ["/v1/models/{}:predict", "/endpoints/{}/invocations", "/v2/models/{}/invocations"])
def test_forms_of_other_servers_open_no_other_door(listed: tuple[Server, dict[str, Member]], path: str) -> None:
    server, members = listed
    body = {"instances": [[1, 2]]}
    assert _told(members["vera"], "POST", path.format("open_p.asked"), body) == {"predictions": [3.0]}
    refused = members["vera"].request("POST", path.format("closed.hidden"), body)
    assert refused[0] == 404 and b"that you may use" in refused[2]
    assert server.request("POST", path.format("open_p.asked"), body)[0] == 401
    assert members["vera"].request("GET", "/v1/models/closed.hidden")[0] == 404


@pytest.mark.parametrize(
    ("path", "says"),
    [
        ("/v2/models/open_p.asked/predict", "POST /v2/models/open_p.asked/infer"),
    ],
)
def test_paths_of_other_servers_lead_to_ours(listed: tuple[Server, dict[str, Member]], path: str, says: str) -> None:
    _, members = listed
    status, _, content = members["owner"].request("POST", path, {"instances": [[1, 2]]})
    assert status in (404, 405) and says in content.decode()
