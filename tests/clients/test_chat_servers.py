"""Steps of kind chat ask somebody else's server of OpenAI's protocol, which needs no model: fakellm."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from foreign_clients import python_of, why_not
from free_port import free_port
from real_server import Server, wait_until

import mlbox.serve
from mlbox.base.errors import MlboxError

pytestmark = pytest.mark.timeout(900)
KEY = "sk-of-the-test-4711"
RULES = f"""
version: 1
rules:
  - name: paid
    when: {{model_matches: "paid*", header.authorization: "Bearer {KEY}"}}
    respond: {{content: "for a key"}}
  - {{name: unpaid, when: {{model_matches: "paid*"}}, respond: {{status: 401, error: "wrong key {KEY}"}}}}
  - {{name: busy, when: {{messages_contain: "rush"}}, respond: {{status: 429, error: "Rate limit reached"}}}}
  - {{name: down, when: {{messages_contain: "outage"}}, respond: {{status: 503, error: "overloaded"}}}}
  - name: long
    when: {{messages_contain: "very long"}}
    respond: {{status: 400, error: "This model's maximum context length is 8192 tokens"}}
  - {{name: gone, when: {{model_matches: "old*"}}, respond: {{status: 404, error: "no model old"}}}}
  - {{name: json, when: {{messages_contain: "as JSON"}}, respond: {{content: '{{"mood": "good"}}'}}}}
  - name: tool
    when: {{messages_contain: "weather"}}
    respond: {{tool_calls: [{{name: weather, arguments: {{city: Bern}}}}]}}
  - {{name: system, when: {{previous_message_contains: "a poet"}}, respond: {{content: "roses are red"}}}}
  - {{name: hello, when: {{messages_contain: "hello"}}, respond: {{content: "good day"}}}}
"""


@pytest.fixture(scope="module")
def provider(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a running one."""
    reason = why_not("fakellm")
    if reason:
        pytest.skip(reason)
    rules = tmp_path_factory.mktemp("fakellm") / "fakellm.yaml"
    rules.write_text(RULES)
    port = free_port()
    command = [python_of("fakellm"), "-m", "uvicorn", "fakellm.server:app", "--port", str(port)]
    running = subprocess.Popen(command, env={**os.environ, "FAKELLM_CONFIG": str(rules)}, stderr=subprocess.DEVNULL)

    def answers() -> bool:
        try:
            return httpx.get(f"http://127.0.0.1:{port}/_fakellm/stats").status_code == 200
        except httpx.TransportError:
            return False

    try:
        wait_until(answers)
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        running.terminate()
        running.wait(20)


def _asked(provider: str, event: dict[str, Any], **more: Any) -> dict[str, Any]:
    step = {"name": "ask", "kind": "chat", "url": provider, "model": "small", "prompt": "{{ text }}", "backoff_ms": 1}
    step = {key: value for key, value in {**step, **more}.items() if value is not None}
    found: dict[str, Any] = mlbox.serve.mock({"steps": [step]}, secrets={"llm_key": KEY}).test(event)
    return found


def test_an_answer_becomes_a_field_and_its_tokens_another(provider: str) -> None:
    told = _asked(provider, {"text": "hello"})
    assert told["text"] == "hello" and told["answer"] == "good day"
    usage = told["usage"]
    assert usage["model"] == "small" and usage["finish_reason"] == "stop"
    assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"] > 0
    wanted = {"response_format": {"type": "json_object"}, "temperature": 0}
    assert _asked(provider, {"text": "as JSON"}, parameters=wanted, result="said")["said"] == {"mood": "good"}
    calls = _asked(provider, {"text": "the weather"})["tool_calls"]
    assert json.loads(calls[0]["function"]["arguments"]) == {"city": "Bern"}
    messages = [{"role": "system", "content": "You are {{ who }}"}, {"role": "user", "content": "{{ text }}"}]
    poem = _asked(provider, {"text": "write", "who": "a poet"}, prompt=None, messages=messages)
    assert poem["answer"] == "roses are red"
    field = _asked(provider, {"m": [{"role": "user", "content": "hello"}]}, prompt=None, messages="{{ m }}")
    assert field["answer"] == "good day"
    with pytest.raises(MlboxError, match="no list of messages"):
        _asked(provider, {"m": "hello"}, prompt=None, messages="{{ m }}")


@pytest.mark.parametrize(
    ("text", "more", "code", "message", "hint"),
    [
        ("hello", {"model": "paid-1"}, "code_failed", "refuses the key (401)", "secret:"),
        ("rush", {"retries": 2}, "unavailable", "answers 429", "retries"),
        ("outage", {"retries": 1}, "unavailable", "answers 503", "retries"),
        ("very long", {}, "invalid", "the text is too long for model 'small'", "less"),
        ("hello", {"model": "old-1"}, "code_failed", "no model old", "is there a model 'old-1'?"),
    ],
)
def test_what_a_provider_refuses_is_told(
    provider: str, text: str, more: dict[str, Any], code: str, message: str, hint: str
) -> None:
    def requests() -> int:
        return int(httpx.get(provider.replace("/v1", "/_fakellm/stats")).json()["total_requests"])

    before = requests()
    with pytest.raises(MlboxError) as caught:
        _asked(provider, {"text": text}, **more)
    assert caught.value.code == code and f"step 'ask': {provider}" in caught.value.message
    assert message in caught.value.message and hint in str(caught.value.hint) and KEY not in str(caught.value)
    assert requests() - before == more.get("retries", 0) + 1
    assert _asked(provider, {"text": "hello"}, model="paid-1", secret="llm_key")["answer"] == "for a key"


@pytest.fixture(scope="module")
def served(provider: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with a graph that asks with a key of a secret."""
    folder: Path = tmp_path_factory.mktemp("chats")
    running = Server(folder / "home")
    step = {"kind": "chat", "url": provider, "model": "paid-1", "secret": "llm_key", "prompt": "{{ text }}"}
    (folder / "chat.json").write_text(json.dumps({"steps": [step]}))
    running.sql(f"SET SECRET llm_key = 'another'; CREATE ENDPOINT chat USING GRAPH '{folder / 'chat.json'}'")
    yield running
    running.stop()


def test_the_key_is_a_secret_which_may_be_set_anew(served: Server) -> None:
    served.sql("SET SECRET llm_key = 'another'")
    refused = httpx.post(f"{served.url}/v2/models/chat/event", json={"text": "hi"}, timeout=60)
    assert refused.status_code == 500 and "refuses the key (401)" in refused.json()["error"]
    assert "SET SECRET llm_key" in refused.json()["hint"] and KEY not in refused.text
    served.sql(f"SET SECRET llm_key = '{KEY}'")
    told = httpx.post(f"{served.url}/v2/models/chat/generate", json={"text": "hi"}, timeout=60).json()
    assert told["answer"] == "for a key" and told["usage"]["completion_tokens"] > 0


def test_a_table_is_asked(served: Server) -> None:
    served.sql(f"SET SECRET llm_key = '{KEY}'")
    rows = served.sql(
        "SELECT t.n, ml.ask('chat', t)->>'$.answer' AS said FROM (SELECT n, 'hi ' || n AS text FROM range(20) r(n)) t"
    )
    assert "for a key" in str(rows) and str(rows).count("for a key") == 20
