"""Graphs, tried as their users try them: with ``mlbox.serve.mock``."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from contextlib import nullcontext
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from xml.etree import ElementTree

import pytest

from mlbox.base.errors import Invalid, MlboxError, Unavailable
from mlbox.serve import mock
from mlbox.serve.graph.base import GRAPH_STEPS
from mlbox.serve.graph.running import run
from mlbox.serve.python.errors import CodeFailed

EVERY: dict[str, tuple[dict[str, Any], Any, Any]] = {
    "map": ({"set": {"y": "x * 2", "z": "y + 1"}}, {"x": 2}, {"x": 2, "y": 4, "z": 5}),
    "filter": ({"where": "x > 1"}, {"x": 2}, {"x": 2}),
    "flat_map": ({"field": "items"}, {"a": 1, "items": [{"b": 2}, 3]}, [{"a": 1, "b": 2}, {"a": 1, "items": 3}]),
    "merge": ({"mode": "union"}, {"x": 1}, {"x": 1}),
    "batch": ({"size": 2}, {"x": 1}, [{"x": 1}]),
    "for_each": ({"function": "f"}, {"x": 1}, {"x": 1}),
    "model": ({"model": "m@1", "result": "score"}, {"x": 3}, {"x": 3, "score": 30.0}),
    "router": ({"models": ["m@1", "n@1"], "mode": "mean"}, {"x": 1}, {"x": 1, "prediction": 15.0}),
    "enrich": ({"vector": "v", "impute": {"b": 7}}, {"id": 1}, {"a": 5.0, "b": 7, "id": 1}),
    "search": (
        {"collection": "c", "field": "q", "k": 1, "result": "near"},
        {"q": "cat"},
        {"q": "cat", "near": [{"id": 1, "for": "cat", "k": 1}]},
    ),
    "queue": ({"to": "table:seen"}, {"x": 1}, {"x": 1}),
    "subgraph": ({"steps": [{"kind": "map", "select": {"y": "x + 1"}}]}, {"x": 1}, {"y": 2}),
    "repeat": (
        {"steps": [{"kind": "map", "set": {"x": "x + 1"}}], "while": "x < 5", "most": 10},
        {"x": 1},
        {"x": 5},
    ),
    "respond": ({}, {"x": 1}, {"x": 1}),
    "choice": ({"field": "x", "cases": {"1": "next"}}, {"x": 1}, {"x": 1, "was": "one"}),
    "chat": (
        {"url": "http://127.0.0.1:{port}/v1", "model": "small", "prompt": "Twice {{ x }}?", "usage": "used"},
        {"x": 4},
        {"x": 4, "answer": "TWICE 4?", "used": {"model": "small", "finish_reason": "stop"}},
    ),
    "remote": ({"url": "http://127.0.0.1:{port}/double"}, {"x": 4}, {"x": 8}),
}


class Reader:
    """The smallest online reader."""

    entities = ("id",)

    def read(self, columns: Any, at: Any = None) -> Any:
        return {"a": [5.0], "b": [None]}


def _near(question: Any) -> Any:
    return [{"id": 1, "for": question.query, "k": question.limit}]


def _mocked(graph: Any, **functions: Any) -> Any:
    known = {"f": lambda event: None, **functions}
    models = {"m@1": lambda row: row["x"] * 10, "n@1": lambda row: row["x"] * 20}
    return mock(graph, functions=known, models=models, vectors={"v": Reader()}, collections={"c": _near})


class _Upstream(BaseHTTPRequestHandler):
    seen: list[str] = []  # noqa: RUF012 - of the test

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        _Upstream.seen.append(self.path)
        if self.path.endswith("/chat/completions"):
            self._chat(body)
            return
        failing = self.path == "/flaky" and _Upstream.seen.count("/flaky") < 3 or self.path == "/down"
        if self.path == "/slow":
            threading.Event().wait(2)
        data = json.dumps({"x": body["x"] * 2}).encode()
        self.send_response(503 if failing else 418 if self.path == "/teapot" else 200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def _chat(self, body: Any) -> None:
        text = body["messages"][-1]["content"]
        busy = text == "busy" and sum(path.startswith("/busy") for path in _Upstream.seen) < 2
        whole = {"choices": [{"message": {"role": "assistant", "content": text.upper()}, "finish_reason": "stop"}]}
        if text.startswith("raw "):  # what it is to say
            whole = {**whole, **json.loads(text[4:])}
        data = b"<p>no JSON" if text == "odd" else json.dumps(whole).encode()
        self.send_response(429 if busy or text == "later" else 200)
        if busy or text == "later":
            self.send_header("retry-after", "0.3" if busy else "120")
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *args: Any) -> None: ...


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Upstream)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_port
    server.shutdown()


def test_the_suite_is_over_every_kind() -> None:
    assert set(EVERY) == set(GRAPH_STEPS.names())
    for _, kind in GRAPH_STEPS:
        assert kind.summary.endswith(".") and all(kind.options.values()) and set(kind.needs) <= set(kind.options)


@pytest.mark.parametrize("kind", sorted(EVERY))
def test_every_kind_does_what_it_says_and_refuses_what_it_does_not_know(kind: str, port: int) -> None:
    options, event, expected = EVERY[kind]
    options = {key: v.replace("{port}", str(port)) if isinstance(v, str) else v for key, v in options.items()}
    more = [{"name": "next", "kind": "map", "set": {"was": "'one'"}}] if kind == "choice" else []
    assert _mocked({"steps": [{"name": "it", "kind": kind, **options}, *more]}).test(event) == expected
    with pytest.raises(Invalid, match=f"step 'it': {kind} has no option 'nosuch'"):
        _mocked({"steps": [{"name": "it", "kind": kind, **options, "nosuch": 1}, *more]})
    for needed in GRAPH_STEPS.get(kind).needs:
        short = {key: value for key, value in options.items() if key != needed}
        with pytest.raises(Invalid, match=f"step 'it': {kind} needs {needed}"):
            _mocked({"steps": [{"name": "it", "kind": kind, **short}, *more]})


GRAPH = """
# a comment
concurrency: 4
on_error: failed
steps:
  - {name: clean, kind: map, set: {euros: cents / 100}}
  - {name: big, kind: filter, where: euros > 1}
  - {name: where, kind: choice, field: country, cases: {de: german, fr: french}, default: other}
  - {name: german, kind: map, set: {tax: euros * 0.19}}
  - {name: french, kind: function_step, function: taxes}
  - {name: other, kind: map, set: {tax: 0}}
  - {name: both, kind: merge, mode: union, after: [german, french, other]}
  - {name: answer, kind: respond}
  - {name: keep, kind: queue, to: table:taxed}
  - {name: failed, kind: map, function: explain}
""".replace("kind: function_step, function: taxes", "kind: map, function: taxes")


def _taxes(event: Any) -> Any:
    if event["cents"] == 666:
        raise ValueError("no such tax")
    return {**event, "tax": 1.0}


def test_branches_choices_errors_and_work_behind_the_answer() -> None:
    graph = _mocked(GRAPH, taxes=_taxes, explain=lambda event: {"failed": event["error"]["step"], **event["event"]})
    assert graph.test({"cents": 1000, "country": "de"}) == {
        "cents": 1000, "country": "de", "euros": 10.0, "tax": pytest.approx(1.9),
    }  # fmt: skip
    assert graph.test({"cents": 200, "country": "fr"})["tax"] == 1.0
    assert graph.test({"cents": 200, "country": "it"})["tax"] == 0
    assert len(graph.written["table:taxed"]) == 3
    assert graph.test({"cents": 50, "country": "de"}) is None  # filtered away
    failed = graph.test({"cents": 666, "country": "fr"})
    assert failed["failed"] == "french" and failed["cents"] == 666
    root = ElementTree.fromstring(graph.draw())
    texts = {element.text for element in root.iter("{http://www.w3.org/2000/svg}text")}
    assert {"clean", "big", "where", "failed", "filter"} <= texts
    boxes = root.iter("{http://www.w3.org/2000/svg}g")
    places = {box[0].text.partition(":")[0]: (int(box[1].get("x")), int(box[1].get("y"))) for box in boxes}
    assert len(set(places.values())) == len(places)  # no step lies on another
    assert places["failed"][1] > max(y for name, (_, y) in places.items() if name != "failed")
    assert places["clean"][0] < places["big"][0] < places["where"][0]


def test_a_graph_whose_handlers_fail_is_drawn() -> None:
    steps = [
        {"name": "a", "kind": "map", "set": {"y": "x"}, "on_error": "b"},
        {"name": "b", "kind": "map", "set": {"y": "1"}},
        {"name": "c", "kind": "map", "set": {"y": "2"}, "after": ["b"]},
        {"name": "z", "kind": "map", "set": {"y": "3"}},
    ]
    for graph in (
        {"steps": steps, "on_error": "z"},
        {"steps": [{**steps[0], "after": []}, *steps[1:]], "on_error": "z"},
    ):
        root = ElementTree.fromstring(mock(graph).draw())
        texts = {element.text for element in root.iter("{http://www.w3.org/2000/svg}text")}
        assert {"a", "b", "c", "z"} <= texts


def test_an_event_that_is_split_comes_together_again_by_itself() -> None:
    graph = _mocked(
        {
            "steps": [
                {"name": "split", "kind": "flat_map", "field": "rows"},
                {"name": "a", "kind": "map", "after": "split", "set": {"a": "x + 1"}},
                {"name": "b", "kind": "model", "after": "split", "model": "m@1", "result": "b"},
                {"name": "join", "kind": "merge", "after": ["a", "b"]},
                {"name": "pairs", "kind": "batch", "size": 2},
            ]
        }
    )
    answer = graph.test({"rows": [{"x": 1}, {"x": 2}, {"x": 3}]})
    assert answer == [
        [{"x": 1, "a": 2, "b": 10.0}, {"x": 2, "a": 3, "b": 20.0}],
        [{"x": 3, "a": 4, "b": 30.0}],
    ]


def test_events_go_side_by_side_but_not_too_many() -> None:
    under_way, most = 0, 0

    async def slow(event: Any) -> Any:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        await asyncio.sleep(0.01)
        under_way -= 1
        return event

    steps = [{"kind": "flat_map", "field": "rows"}, {"kind": "map", "function": "slow"}]
    _mocked({"concurrency": 5, "steps": steps}, slow=slow).test({"rows": list(range(40))})
    assert most == 5


@pytest.mark.parametrize(("answered", "most"), [(False, 12), (True, 40)])
def test_events_beside_one_that_fails_go_on_behind_an_answer_only(answered: bool, most: int) -> None:
    asked: list[int] = []

    async def some(event: Any) -> Any:
        asked.append(event["rows"])
        await asyncio.sleep(0)
        if event["rows"] == 0:
            raise Invalid("not this one")

    steps = [{"kind": "flat_map", "field": "rows"}, {"name": "some", "kind": "for_each", "function": "some"}]
    plan = _mocked({"concurrency": 5, "steps": [*([{"kind": "respond"}] * answered), *steps]}, some=some)._plan

    async def ask() -> None:
        with nullcontext() if answered else pytest.raises(Invalid, match="not this one"):
            await run(plan, {"rows": list(range(40))})
        while left := asyncio.all_tasks() - {asyncio.current_task()}:
            await asyncio.gather(*left, return_exceptions=True)

    asyncio.run(ask())
    assert 5 <= len(asked) <= most and (len(asked) == 40) is answered


def test_a_time_out_of_what_a_step_asks_is_that_steps_failure() -> None:
    class Slow:
        entities = ("id",)

        def read(self, columns: Any, at: Any = None) -> Any:
            raise TimeoutError("the store does not answer")

    graph = mock({"steps": [{"name": "ask", "kind": "enrich", "vector": "v"}]}, vectors={"v": Slow()})
    with pytest.raises(CodeFailed, match="step 'ask' failed: TimeoutError: the store does not answer"):
        graph.test({"id": 1})


def test_the_answer_comes_before_what_follows_it() -> None:
    order: list[str] = []

    async def later(event: Any) -> Any:
        await asyncio.sleep(0.05)
        order.append("later")
        raise ValueError("nobody waits for this")

    graph = _mocked({"steps": [{"kind": "respond"}, {"kind": "for_each", "function": "later"}]}, later=later)
    assert graph.test({"x": 1}) == {"x": 1} and order == ["later"]


def test_a_loop_ends() -> None:
    steps = [{"kind": "map", "set": {"x": "x + 1"}}]
    loop = {"kind": "repeat", "steps": steps, "while": "true", "most": 7}
    assert _mocked({"steps": [loop]}).test({"x": 0}) == {"x": 7}
    with pytest.raises(Invalid, match="still holds after 7 rounds"):
        _mocked({"steps": [{**loop, "at_most": "fail"}]}).test({"x": 0})


def test_other_services_are_asked_again_limited_and_told_of(port: int) -> None:
    def asking(path: str, **more: Any) -> Any:
        url = f"http://127.0.0.1:{port}/{path}"
        return _mocked({"steps": [{"name": "ask", "kind": "remote", "url": url, "backoff_ms": 1, **more}]})

    assert asking("flaky", retries=3).test({"x": 1}) == {"x": 2}
    assert asking("double", result="got").test({"x": 1}) == {"x": 1, "got": {"x": 2}}
    _Upstream.seen.clear()
    with pytest.raises(Unavailable, match="step 'ask': .*/down answers 503"):
        asking("down", retries=2).test({"x": 1})
    assert _Upstream.seen == ["/down"] * 3
    with pytest.raises(MlboxError, match="answers 418") as caught:
        asking("teapot", retries=2).test({"x": 1})
    assert caught.value.code == "code_failed" and len(_Upstream.seen) == 4
    with pytest.raises(MlboxError, match="within 200 ms") as late:
        asking("slow", timeout_ms=200).test({"x": 1})
    assert late.value.code == "deadline_exceeded"
    with pytest.raises(Unavailable, match="down answers 503"):  # and not that the time is over
        asking("down", retries=2, backoff_ms=60_000, timeout_ms=5_000).test({"x": 1})
    assert _Upstream.seen.count("/down") == 4
    closed = {"kind": "remote", "url": "http://127.0.0.1:9/"}
    with pytest.raises(Unavailable, match="cannot be reached"):
        _mocked({"steps": [closed]}).test({"x": 1})


def test_templates_are_filled_in_from_the_event(port: int) -> None:
    def asked(prompt: str, event: Any) -> Any:
        step = {"kind": "chat", "url": f"http://127.0.0.1:{port}/v1", "model": "small", "prompt": prompt}
        return _mocked({"steps": [step]}).test(event)["answer"]

    assert asked("{{ a }} and {{b.c}}", {"a": "x", "b": {"C": None}}) == "X AND "
    assert asked("of {{ rows }}", {"rows": [{"n": 1}]}) == 'OF [{"N":1}]'
    assert asked("{{ lower(a) || '-' || n * 2 }}!", {"a": "X", "n": 2}) == "X-4!"
    with pytest.raises(Invalid, match="the event has no 'nam'") as wrong:
        asked("{{ nam }}", {"name": 1})
    assert "name" in str(wrong.value.hint)
    for prompt, told in (("{{ a", "without its"), ("{{ }}", "is empty"), ("{{ sum(a) }}", "sum is not computed")):
        with pytest.raises(Invalid, match=told):
            asked(prompt, {"a": 1})


def test_a_provider_that_says_when_to_come_again_is_heard(port: int) -> None:
    def asked(text: str, path: str = "v1", **more: Any) -> Any:
        url = f"http://127.0.0.1:{port}/{path}"
        step = {"name": "ask", "kind": "chat", "url": url, "model": "small", "prompt": "{{ t }}", "backoff_ms": 1}
        return _mocked({"steps": [{**step, **more}]}).test({"t": text})

    _Upstream.seen.clear()
    assert asked("busy", "busy", retries=1)["answer"] == "BUSY" and len(_Upstream.seen) == 2
    _Upstream.seen.clear()
    with pytest.raises(Unavailable, match="answers 429, and is to be asked again in 120 s") as later:
        asked("later", retries=3)  # it is not waited for longer than the step has
    assert later.value.details == {"retry_after": 120} and len(_Upstream.seen) == 1
    with pytest.raises(MlboxError, match="gave no chat completion: '<p>no JSON'") as odd:
        asked("odd", retries=3)
    assert odd.value.code == "code_failed" and "before /chat/completions" in str(odd.value.hint)
    with pytest.raises(MlboxError, match="was asked for JSON and said 'NO'"):
        asked("no", parameters={"response_format": {"type": "json_object"}})


def test_a_provider_may_say_it_in_parts_call_tools_and_err(port: int) -> None:
    def asked(message: Any, wanted: str = "json_object", **more: Any) -> Any:
        whole = json.dumps({"choices": [{"message": message, "finish_reason": "stop"}], **more})
        step = {"name": "ask", "kind": "chat", "url": f"http://127.0.0.1:{port}/v1", "model": "small"}
        step |= {"prompt": "raw {{ t }}", "parameters": {"response_format": {"type": wanted}}}
        return _mocked({"steps": [step]}).test({"t": whole})

    calls = [{"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}}]
    for content in (None, "", []):
        told = asked({"content": content, "tool_calls": calls})
        assert (told["answer"], told["tool_calls"]) == ("", calls)
    assert asked({"content": '{"a": 1}', "tool_calls": calls})["answer"] == {"a": 1}
    parts = [{"type": "text", "text": '{"a":'}, {"type": "image", "image": 1}, {"type": "text", "text": " 2}"}]
    assert asked({"content": parts})["answer"] == {"a": 2}
    assert asked({"content": parts}, "text")["answer"] == '{"a": 2}'
    assert asked({"content": "{}"}, usage=5)["usage"] == {"model": "small", "finish_reason": "stop"}
    for content in ('{"a": NaN}', '{"a": -Infinity}', '{"a": 1e999}', "[" * 9_999, '"\ud800"'):
        with pytest.raises(MlboxError, match="was asked for JSON and said") as wrong:
            asked({"content": content})
        assert wrong.value.code == "code_failed"
    for message in ({"content": 5}, {"content": [5]}, []):
        with pytest.raises(MlboxError, match="gave no chat completion"):
            asked(message)


@pytest.mark.parametrize(
    ("graph", "says", "line"),
    [
        ("steps:\n - {kind: chat, url: x, model: m}", "needs one of prompt, messages", 2),
        ("steps:\n - {kind: chat, url: x, model: m, prompt: a}", "'x/chat/completions' is no http address", 2),
        ("steps:\n - {kind: chat, url: 'http://x', model: m, prompt: [a]}", "prompt is a text", 2),
        (
            "steps:\n - {kind: chat, url: 'http://x', model: m, prompt: a, parameters: {n: 2}}",
            "parameters holds 'n'",
            2,
        ),
        ("steps:\n - {kind: chat, url: 'http://x', model: m, prompt: a, secret: k}", "no secret 'k' was given", 2),
        ("steps: [", "not valid YAML", 2),
        ("step: []", "a graph has a list of steps", None),
        ("steps:\n - {kind: map, set: {a: x}}\nstpes: 1", "a graph has no 'stpes'", None),
        ("steps:\n - {name: a, kind: mpa}", "there is no kind of step 'mpa'", 2),
        ("steps:\n - {name: a, kind: map}", "needs one of set, select, function", 2),
        ("steps:\n - {name: a, kind: respond}\n - {name: a, kind: respond}", "two steps of this name", 3),
        ("steps:\n - {kind: map, set: {a: x}, after: b}", "comes after 'b', which is no step", 2),
        ("steps:\n - {kind: map, set: {a: sum(x)}}", "sum is not computed", 2),
        ("steps:\n - {kind: map, set: {a: x +}}", "this is no expression", 2),
        (
            "steps:\n - {name: a, kind: map, set: {a: x}, after: b}\n - {name: b, kind: map, set: {a: x}}",
            "after itself",
            2,
        ),
        ("steps:\n - {kind: choice, field: x, cases: {a: b}}", "goes to 'b', which is no step", 2),
        ("steps:\n - {name: a, kind: respond}\n - {name: b, kind: respond}", "responds twice", None),
        ("steps:\n - {kind: map, function: nosuch}", "no function 'nosuch' was given", 2),
        ("steps:\n - {kind: batch, size: 0}", "size 0 is no whole number", 2),
        ("steps:\n - {kind: map, set: {a: x}, timeout_ms: -1}", "-1 is no positive number", 2),
        ("steps:\n - {kind: map, set: {a: x}, on_error: b}", "sends its failures to 'b'", 2),
    ],
)
def test_what_is_wrong_with_a_graph_is_told_at_its_place(graph: str, says: str, line: int | None) -> None:
    with pytest.raises(Invalid, match=says) as caught:
        _mocked(graph + "\n")
    assert (caught.value.where.line if caught.value.where else None) == line
    assert "Traceback" not in caught.value.message


def test_events_that_do_not_fit_are_told() -> None:
    steps = {"steps": [{"name": "m", "kind": "map", "set": {"y": "x + 1"}}]}
    for event, says in (
        ([1], "map takes an object, and the event is a list"),
        ({}, "'x', which an expression needs"),
        ({"x": "a"}, "a number is needed"),
        ({"x": {"y": 1}}, "is no plain value"),
        ({"x": 2**70}, "does not fit"),
    ):
        with pytest.raises(Invalid, match=says):
            _mocked(steps).test(event)


def test_expressions_reach_into_objects() -> None:
    graph = _mocked(
        {
            "on_error": "sorry",
            "steps": [
                {
                    "name": "old",
                    "kind": "filter",
                    "where": "customer.age > 17 AND Customer.Home.Country IN ('de', 'fr')",
                },
                {"name": "flat", "kind": "map", "set": {"age": "customer.age + 1", "town": "customer.home.town"}},
                {
                    "name": "way",
                    "kind": "choice",
                    "field": "customer.home.country",
                    "cases": {"de": "german"},
                    "default": "other",
                },
                {"name": "german", "kind": "map", "set": {"tax": "19"}},
                {"name": "other", "kind": "map", "set": {"tax": "0"}},
                {"name": "both", "kind": "merge", "mode": "union", "after": ["german", "other"]},
                {"name": "sorry", "kind": "map", "set": {"sorry": "error.message", "of": "event.number"}},
            ],
        }
    )
    customer = {"age": 30, "home": {"country": "de", "town": None}}
    told = graph.test({"customer": customer, "number": 1})
    assert {name: told[name] for name in ("age", "town", "tax")} == {"age": 31, "town": None, "tax": 19}
    assert graph.test({"customer": {**customer, "age": 3}, "number": 1}) is None
    for event, words in (
        ({"customer": {"home": {}}, "number": 7}, "no input 'customer.age'"),
        ({"customer": 5, "number": 7}, "no input"),
        ({"customer": {"age": {"years": 3}, "home": {"country": "de"}}, "number": 7}, "no plain value"),
    ):
        failed = graph.test(event)
        assert words in failed["sorry"] and failed["of"] == 7
    assert graph.test({"customer": None, "number": 7}) is None  # what is not known is not above 17


def test_rows_stand_in_for_a_feature_vector_in_a_mock() -> None:
    graph = {"steps": [{"name": "look", "kind": "enrich", "vector": "v", "impute": {"age": 40}}]}
    known = {"customer": {7: {"age": 31, "spent": 2.5}, 8: {"age": None}}}
    tried = mock(graph, vectors={"v": known})
    assert tried.test({"customer": 7}) == {"customer": 7, "age": 31, "spent": 2.5}
    assert tried.test({"customer": 8}) == tried.test({"customer": 9}) | {"customer": 8}
    assert tried.test({"customer": 9}) == {"customer": 9, "age": 40, "spent": None}
    pairs = mock(graph, vectors={"v": {("a", "b"): {(1, 2): {"age": 3}}}})
    assert pairs.test({"a": 1, "b": 2}) == {"a": 1, "b": 2, "age": 3}
    for wrong in ({7: {"age": 3}, 8: {}}, {"customer": {7: 3}}, object(), lambda keys: {}):
        with pytest.raises(MlboxError) as caught:
            mock(graph, vectors={"v": wrong})
        assert "'customer': {7: {'age': 40}}" in str(caught.value.hint)
