"""A real endpoint answers what it should, and tells what is wrong with what it should not."""

from __future__ import annotations

import random
import socket
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import tritonclient.http as triton
from tritonclient.utils import InferenceServerException

from runners.actions import endpoints
from runners.packaging.signature import Signature
from storage import predictions
from storage.errors import UsageError
from storage.read import models as read_models
from storage.shed import Shed, open_shed
from tests.four_doors import by_onnxruntime, by_predict, by_triton
from tests.served import RECORD, endpoint, probability, strict, version_of
from tests.waiting import until


@pytest.fixture(scope="module")
def shed(tmp_path_factory: pytest.TempPathFactory) -> Shed:
    found = open_shed(tmp_path_factory.mktemp("serving") / "shed")
    version_of(found)
    return found


@pytest.fixture(scope="module")
def client(shed: Shed) -> Iterator[httpx.Client]:
    with endpoint(shed) as (_, client):
        yield client


def test_one_record_a_list_and_columns_get_the_same_answers(client: httpx.Client) -> None:
    other = {"distance": None, "carrier": None, "day": 1}
    one = client.post("/predict", json=RECORD).raise_for_status().json()
    several = client.post("/predict", json=[RECORD, other]).raise_for_status().json()
    columns = {name: [RECORD[name], other[name]] for name in RECORD}
    side_by_side = client.post("/predict", json=columns).raise_for_status().json()
    assert one["prediction"]["probability"] == pytest.approx(probability(RECORD))
    assert several["predictions"][1]["probability"] == pytest.approx(probability(other))
    assert several["predictions"] == side_by_side["predictions"] and several["predictions"][0] == one["prediction"]
    assert (one["model"], one["version"], len(one["digest"])) == ("delays", 1, 64)


@pytest.mark.parametrize(
    ("body", "status", "field"),
    [
        ({**RECORD, "distance": "far"}, 422, "distance"),
        ({**RECORD, "day": None}, 422, "day"),
        ({**RECORD, "day": 1.5}, 422, "day"),
        ({**RECORD, "day": 2**70}, 422, "day"),
        ({**RECORD, "carrier": 5}, 422, "carrier"),
        ({**RECORD, "carier": "UA"}, 422, "carier"),
        ({"distance": 1.0, "carrier": "UA"}, 422, "day"),
        ([RECORD, {**RECORD, "day": "x"}], 422, "day"),
        ({"distance": [1.0], "carrier": ["UA", "AA"], "day": [1]}, 422, "carrier"),
        ({"distance": [1.0], "carrier": ["UA"], "day": ["x"]}, 422, "day"),
        ([], 422, None),
        ({}, 422, None),
        (5, 422, None),
        ([RECORD] * 10_001, 413, None),
    ],
)
def test_what_does_not_fit_is_refused_with_the_field_named(
    client: httpx.Client, body: Any, status: int, field: str | None
) -> None:
    found = client.post("/predict", json=body)
    assert found.status_code == status, found.text
    told = strict(found.text)
    assert told["error"] and (field is None or told["field"] == field)


@pytest.mark.parametrize("three", ["3.0", "3e0", "30e-1"])
def test_a_number_without_a_fraction_is_an_integer_however_it_is_written(client: httpx.Client, three: str) -> None:
    infer = "/v2/models/delays/infer"
    bodies = {
        f'{{"distance": 500, "carrier": "UA", "day": {three}}}': "/predict",
        f'[{{"distance": 500, "carrier": "UA", "day": {three}}}]': "/predict",
        f'{{"distance": [500], "carrier": ["UA"], "day": [{three}]}}': "/predict",
        f"""{{"inputs": [{{"name": "distance", "shape": [1.0, 1], "datatype": "FP64", "data": [500]}},
             {{"name": "day", "shape": [1, 1], "datatype": "INT64", "data": [{three}]}},
             {{"name": "carrier", "shape": [1, 1], "datatype": "BYTES", "data": ["UA"]}}]}}""": infer,
    }
    for body, path in bodies.items():
        found = client.post(path, content=body).raise_for_status().json()
        given = found.get("prediction") or found.get("predictions", [None])[0]
        value = given["probability"] if given else found["outputs"][0]["data"][0]
        assert value == pytest.approx(probability(RECORD))
    answered = client.post("/predict", json=[RECORD, RECORD]).json()["id"]
    truth = f'{{"id": "{answered}", "truth": true, "row": 1.0}}'
    assert client.post("/feedback", content=truth).json() == {"taken": 1}


def test_the_schema_says_of_tensors_what_json_schema_can_say(client: httpx.Client) -> None:
    document = client.get("/schema").json()
    content = document["paths"]["/v2/models/delays/infer"]["post"]["requestBody"]["content"]["application/json"]
    inputs = content["schema"]["properties"]["inputs"]
    told = {each["properties"]["name"]["const"]: each["properties"] for each in inputs["prefixItems"]}
    assert list(told) == ["distance", "carrier", "day"] and inputs["minItems"] == inputs["maxItems"] == 3
    assert told["day"]["datatype"] == {"const": "INT64"} and told["day"]["data"]["items"]["type"] == ["integer"]
    assert told["distance"]["shape"]["prefixItems"] == [{"type": "integer", "minimum": 1}, {"const": 1}]
    assert "one length" in document["components"]["schemas"]["Columns"]["description"]


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ({**RECORD, "distance": "far"}, "expected a number or null, got a text"),
        ({**RECORD, "day": 1.5}, "expected an integer, got a number"),
        ([RECORD, 5], "expected an object, got an integer"),
        ({"distance": 1.0, "carrier": "UA"}, '"day" is missing'),
        ({**RECORD, "carier": "UA"}, 'there is no "carier": did you mean "carrier"?'),
        ({"rows": [RECORD]}, 'there is no "rows": expected are distance, day, carrier'),
        ({**RECORD, "x" * 100_000: 1}, "expected are distance, day, carrier"),
    ],
)
def test_a_refusal_says_in_plain_words_what_was_expected_and_what_came(
    client: httpx.Client, body: Any, told: str
) -> None:
    error = client.post("/predict", json=body).json()["error"]
    assert error.endswith(told) and len(error) < 300


def test_feedback_and_wrong_paths_are_refused_in_plain_words_too(client: httpx.Client) -> None:
    found = client.post("/feedback", json={"truth": True}).json()
    assert found == {"error": '"id" is missing', "field": "id"}
    assert client.post("/feedback", json={"id": "ab" * 12, "truth": [1]}).status_code == 422
    assert client.post("/feedback", content=b"{").status_code == 400
    for path in ("/", "/docs", "/predict/", "/v1/models"):
        assert client.get(path).json() == {"error": "no such path: GET /schema tells which there are"}


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"{", 400),
        (b"\xff\xfe", 422),
        (b'{"distance": 1, "carri\xae": "UA", "other": 1, "day": 1}', 400),
        (b'{"distance": NaN, "carrier": "UA", "day": 1}', 400),
        (b'{"distance": 1e999, "carrier": "UA", "day": 1}', 422),
        (b'{"distance": 1, "carrier": "\\ud800", "day": 1}', 400),
        (b"[" * 100_000, 422),
        (b'{"distance":' * 50_000, 400),
        (b'{"distance": ' + b"[" * 50_000 + b"]" * 50_000 + b"}", 422),
        (b'{"distance": 1, "carrier": "' + b"x" * (17 << 20) + b'", "day": 1}', 413),
    ],
)
def test_malformed_deep_huge_and_non_finite_bodies_are_the_clients_fault(
    client: httpx.Client, body: bytes, status: int
) -> None:
    found = client.post("/predict", content=body)
    assert 400 <= found.status_code < 500 and "error" in found.json()
    assert found.status_code == status or found.status_code in (400, 422)
    assert client.post("/predict", json=RECORD).status_code == 200


def test_a_body_that_grows_without_end_is_cut_off(client: httpx.Client) -> None:
    def endless() -> Iterator[bytes]:
        for _ in range(40):
            yield b"[" * (1 << 20)

    try:
        found = client.post("/predict", content=endless())
        assert found.status_code == 413
    except httpx.TransportError:
        pass  # the answer came, and the connection went, before all was sent


def test_a_stock_triton_client_gets_right_answers_in_json_and_in_bytes(client: httpx.Client) -> None:
    token = client.headers["authorization"]
    with triton.InferenceServerClient(f"127.0.0.1:{client.base_url.port}") as stock:
        headers = {"Authorization": token}
        assert stock.is_server_live() and stock.is_server_ready() and stock.is_model_ready("delays", headers=headers)
        metadata = stock.get_model_metadata("delays", headers=headers)
        assert [given["datatype"] for given in metadata["inputs"]] == ["FP64", "BYTES", "INT64"]
        rows = [[500.0, "UA", 3], [float("nan"), "", 1]]
        wanted = [probability(RECORD), probability({"distance": None, "carrier": "", "day": 1})]
        for binary in (True, False):
            inputs = _tensors(rows, binary)
            for outputs in (None, [triton.InferRequestedOutput("probability", binary_data=binary)]):
                found = stock.infer("delays", inputs, outputs=outputs, headers={"Authorization": token})
                np.testing.assert_allclose(found.as_numpy("probability"), wanted, rtol=1e-6)
        found = stock.infer("delays", inputs, "1", request_id="42", headers={"Authorization": token})
        assert found.get_response()["id"] == "42"
        with pytest.raises(InferenceServerException, match='"day": this input is missing'):
            stock.infer("delays", inputs[:2], headers={"Authorization": token})
        with pytest.raises(InferenceServerException, match="no model"):
            stock.get_model_metadata("other", headers=headers)


def test_json_binary_predict_and_the_model_itself_give_the_same_values(client: httpx.Client, shed: Shed) -> None:
    version = read_models.version(shed, "delays", "production")
    signature = Signature.from_json(version.signature)
    chosen = random.Random(5)
    rows = [
        {
            "distance": chosen.choice([None, chosen.uniform(50, 5000)]),
            "carrier": chosen.choice([None, "UA", "AA", "", "Ünïted ✈", 'a"b\\c']),
            "day": chosen.randint(1, 7),
        }
        for _ in range(500)
    ]
    wanted = by_onnxruntime(shed.objects.verify(version.digest), signature, rows)
    np.testing.assert_allclose(wanted, [probability(row) for row in rows], rtol=1e-5)
    token = client.headers["authorization"].removeprefix("Bearer ")
    assert by_predict(client, rows, "probability") == wanted.tolist()
    for binary in (True, False):
        found = by_triton(str(client.base_url), token, "delays", signature, rows, binary=binary)
        np.testing.assert_array_equal(found, wanted)


def _tensors(rows: list[list[Any]], binary: bool) -> list[triton.InferInput]:
    kinds = [("distance", "FP64", np.float64), ("carrier", "BYTES", np.object_), ("day", "INT64", np.int64)]
    tensors = []
    for place, (name, datatype, kind) in enumerate(kinds):
        tensor = triton.InferInput(name, [len(rows), 1], datatype)
        tensor.set_data_from_numpy(np.array([[row[place]] for row in rows], dtype=kind), binary_data=binary)
        tensors.append(tensor)
    return tensors


@pytest.mark.parametrize(
    "spoilt",
    [
        {"datatype": "FP32"},
        {"shape": [2, 1]},
        {"shape": [-1, 1]},
        {"shape": [2**40, 2**40]},
        {"data": ["x"]},
        {"data": [1e308, 2]},
        {"data": [[[[[[[[[[1]]]]]]]]]]},
        {"data": None},
        {"parameters": {"binary_data_size": 8}},
        {"parameters": {"binary_data_size": -1}},
        {"name": "other"},
    ],
)
def test_tensors_that_do_not_fit_are_refused(client: httpx.Client, spoilt: dict[str, Any]) -> None:
    inputs = [
        {"name": "distance", "shape": [1, 1], "datatype": "FP64", "data": [1.0], **spoilt},
        {"name": "carrier", "shape": [1, 1], "datatype": "BYTES", "data": ["UA"]},
        {"name": "day", "shape": [1, 1], "datatype": "INT64", "data": [1]},
    ]
    found = client.post("/v2/models/delays/infer", json={"inputs": inputs})
    assert found.status_code == 400 and found.json()["error"]


@pytest.mark.parametrize("body", [b"NaN", b'{"inputs": [NaN', b'{"inputs": NaN}', b"[" * 100_000 + b"NaN", b"NaN\xff"])
def test_a_nan_in_the_wrong_place_is_refused(client: httpx.Client, body: bytes) -> None:
    found = client.post("/v2/models/delays/infer", content=body)
    assert found.status_code == 400 and "no inference request" in found.json()["error"]


def test_the_documented_example_is_answered(client: httpx.Client) -> None:
    document = client.get("/schema").raise_for_status().json()
    operation = document["paths"]["/predict"]["post"]["requestBody"]["content"]["application/json"]
    for example in operation["examples"].values():
        assert client.post("/predict", json=example["value"]).status_code == 200
    infer = document["paths"]["/v2/models/delays/infer"]["post"]["requestBody"]["content"]["application/json"]
    assert client.post("/v2/models/delays/infer", json=infer["example"]).status_code == 200
    assert "curl" in client.get("/schema", headers={"accept": "text/html"}).text


def test_no_request_that_the_documentation_allows_or_forbids_breaks_it(client: httpx.Client) -> None:
    url = str(client.base_url)
    checks = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"
    done = subprocess.run(
        [
            Path(sys.executable).parent / "st", "run", f"{url}/schema", "--url", url, "--checks", checks,
            "-H", f"Authorization: {client.headers['authorization']}", "--max-examples", "10", "--continue-on-failure",
        ],
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-3000:]
    assert client.post("/predict", json=RECORD).status_code == 200


def test_a_truth_that_names_no_class_of_the_model_is_kept_and_said_not_to_count(client: httpx.Client) -> None:
    found = client.post("/predict", json=[RECORD, RECORD]).json()
    several = [{"id": found["id"], "row": 0, "truth": "late"}, {"id": found["id"], "row": 1, "truth": 0.0}]
    note = "1 kept, but not counted: no class of the model, which are false, true"
    assert client.post("/feedback", json=several).json() == {"taken": 2, "note": note}


def test_the_truth_joins_its_prediction_in_the_log(client: httpx.Client, shed: Shed) -> None:
    found = client.post("/predict", json=[RECORD, {**RECORD, "carrier": "AA"}]).json()
    assert client.post("/feedback", json={"id": found["id"], "row": 1, "truth": True}).json() == {"taken": 1}
    assert client.post("/feedback", json={"id": "x", "truth": 1}).status_code == 422
    assert client.post("/feedback", json={"truth": 1}).status_code == 422
    folder = shed.endpoint_dir("delays") / "log"

    def logged() -> list[dict[str, Any]]:
        rows = [row for row in predictions.newest(folder) if row["id"] == found["id"]]
        return rows if any(row["truth"] for row in rows) else []

    first, second = sorted(until(logged), key=lambda row: row["row"])
    assert (first["truth"], second["truth"]) == (None, "true")
    assert strict(second["inputs"])["carrier"] == "AA" and second["digest"] == found["digest"]
    assert strict(first["output"]) == found["predictions"][0]


def test_only_a_token_opens_anything_but_health(client: httpx.Client, shed: Shed) -> None:
    from runners.serving.door import HEALTH

    stranger = httpx.Client(base_url=client.base_url)
    for path in ("/predict", "/feedback", "/metrics", "/schema", "/v2", "/v2/models/delays", "/nothing"):
        assert stranger.get(path).status_code == 401, path
        assert stranger.get(path, headers={"Authorization": "Bearer ts_wrong"}).status_code == 401
    assert {stranger.get(path).status_code for path in HEALTH} == {200}
    secret = endpoints.create_token(shed, "delays", "app", "predict")
    until(lambda: stranger.post("/predict", json=RECORD, headers=_bearer(secret)).status_code == 200)
    assert stranger.get("/metrics", headers=_bearer(secret)).status_code == 403
    endpoints.revoke_token(shed, "delays", "app")
    until(lambda: stranger.post("/predict", json=RECORD, headers=_bearer(secret)).status_code == 401)
    kept = shed.endpoint_dir("delays") / "tokens.json"
    assert kept.stat().st_mode & 0o777 == 0o600 and secret not in kept.read_text()


def test_other_hosts_and_web_pages_are_turned_away(client: httpx.Client) -> None:
    assert client.post("/predict", json=RECORD, headers={"Host": "evil.example"}).status_code == 421
    assert client.post("/predict", json=RECORD, headers={"Origin": "https://evil.example"}).status_code == 403
    assert client.post("/predict", json=RECORD, headers={"X-Forwarded-For": "10.0.0.1"}).status_code == 200
    assert client.post("/predict", content=b"x", headers={"Content-Encoding": "gzip"}).status_code == 415


def test_requests_of_one_moment_share_a_batch(client: httpx.Client) -> None:
    with ThreadPoolExecutor(16) as pool:
        found = list(pool.map(lambda day: client.post("/predict", json={**RECORD, "day": day}).json(), range(200)))
    for day, answer in enumerate(found):
        assert answer["prediction"]["probability"] == pytest.approx(probability({**RECORD, "day": day}), abs=1e-6)
    text = client.get("/metrics").text
    assert "trainshed_batch_rows_bucket" in text and 'trainshed_requests_total{outcome="failed"} 0.0' in text
    assert "trainshed_model_info{" in text


def test_a_start_of_what_serves_otherwise_says_so_and_changes_nothing(client: httpx.Client, shed: Shed) -> None:
    assert endpoints.start(shed, "delays", port=client.base_url.port).already
    for options, told in (
        ({"port": 1024}, f"serves already, with port {client.base_url.port}"),
        ({"alias": "candidate"}, "with alias production"),
        ({"settings": {"tls_cert": "c.pem", "tls_key": "k.pem"}}, "with tls_cert not set"),
        ({"settings": {"address": "0.0.0.0"}}, "with address 127.0.0.1"),
    ):
        with pytest.raises(UsageError, match=told):
            endpoints.start(shed, "delays", **options)
    assert client.get("/health").status_code == 200


def test_a_port_that_is_taken_is_told_with_its_holder(client: httpx.Client, shed: Shed) -> None:
    with pytest.raises(UsageError, match='taken by endpoint "delays"'):
        endpoints.start(shed, "delays", name="second", port=client.base_url.port)
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        held.listen()
        with pytest.raises(UsageError, match=r"is taken by .*\(pid \d+"):
            endpoints.start(shed, "delays", name="third", port=held.getsockname()[1])


def _bearer(secret: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {secret}"}
