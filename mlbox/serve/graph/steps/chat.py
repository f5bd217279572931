"""chat: a language model is asked, at any server that speaks OpenAI's chat completions."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from mlbox.base.errors import Invalid, MlboxError
from mlbox.base.telemetry import span
from mlbox.serve.graph.asking import AGAIN, ASKING, Upstream, busy
from mlbox.serve.graph.base import GRAPH_STEPS, Built, Event, Kind, Scope, fields_of, one_of
from mlbox.serve.graph.definition import StepSpec
from mlbox.serve.graph.outgoing import Reply
from mlbox.serve.graph.templates import template
from mlbox.serve.python.errors import CodeFailed

PATH = "/chat/completions"
BUSY = AGAIN | {408, 409, 500}
RETRIES = "times that it is asked again when it cannot be reached, is busy (408, 409, 429, 500, 502 to 504) or late: 0"
LIMIT_MS = 60_000.0
_OURS = ("model", "messages", "stream", "n")
_TOKENS = ("prompt_tokens", "completion_tokens", "total_tokens")
_TOO_LONG = re.compile(
    r"context.?(length|window|size)|maximum context|too (long|many tokens)|exceeds? the (maximum|available)", re.I
)


def build(spec: StepSpec, scope: Scope) -> Built:
    """The answer's text, or the JSON in it where that was asked for, becomes a field of the event; tokens another."""
    options = spec.options
    url, model = str(options["url"]).rstrip("/"), str(options["model"])
    parameters = options.get("parameters", {})
    if not isinstance(parameters, Mapping):
        raise spec.wrong("parameters are a mapping", "parameters: {temperature: 0, max_tokens: 200}")
    for name in _OURS:
        if name in parameters:
            raise spec.wrong(f"parameters holds {name!r}, which the step says itself", "leave it out")
    way = one_of(spec, "prompt", "messages")
    if way == "prompt" and not isinstance(options["prompt"], str):
        raise spec.wrong("prompt is a text", "prompt: 'Summarise: {{ text }}'")
    if way == "messages" and not isinstance(options["messages"], str | list):
        raise spec.wrong(
            "messages is a list, or a field that holds one", "messages: [{role: user, content: '{{ q }}'}]"
        )
    asked = template(spec, scope, options[way])
    more = template(spec, scope, dict(parameters))
    judge = _Judge(spec, model)
    upstream = Upstream(spec, scope, url if url.endswith(PATH) else url + PATH, judge, LIMIT_MS)
    result, usage = str(options.get("result", "answer")), str(options.get("usage", "usage"))

    async def ask(event: Event) -> Sequence[Event]:
        fields = fields_of(spec, event)
        messages = asked(fields)
        messages = [{"role": "user", "content": messages}] if way == "prompt" else _checked(spec, messages)
        body = {"model": model, "messages": messages, **more(fields)}
        with span(f"chat {model}", **{"gen_ai.operation.name": "chat", "gen_ai.request.model": model}) as made:
            said = await upstream.ask(body)
            if made is not None:
                made.set_attribute("gen_ai.usage.input_tokens", said["usage"].get("prompt_tokens", 0))
                made.set_attribute("gen_ai.usage.output_tokens", said["usage"].get("completion_tokens", 0))
        called = said["tool_calls"] and not said["text"]  # it says what to call, and nothing else yet
        value = _json_of(spec, said) if _wants_json(body) and not called else said["text"]
        calls = {"tool_calls": said["tool_calls"]} if said["tool_calls"] else {}
        return [{**fields, result: value, usage: said["usage"], **calls}]

    return Built(each=ask)


class _Judge:
    """What a server's answer holds."""

    def __init__(self, spec: StepSpec, model: str) -> None:
        self._model = model
        secret = spec.options.get("secret")
        self._key = f"SET SECRET {secret} = '..'" if secret else "secret: the name of a secret that holds its key"

    def __call__(self, reply: Reply, where: str) -> dict[str, Any]:
        """Its text, tool calls and tokens."""
        if reply.status >= 400:
            raise self._failure(reply, where)
        body = reply.value
        try:
            choice = body["choices"][0]
            message = choice["message"]
            text, calls = _text_of(message.get("content")), message.get("tool_calls")
            finish = choice.get("finish_reason")
        except (TypeError, KeyError, IndexError, AttributeError):
            raise CodeFailed(
                f"{where} gave no chat completion: {reply.text[:200]!r}",
                hint=f"url is the address before {PATH}, such as https://host/v1",
            ) from None
        counts = body.get("usage")
        usage = {name: counts[name] for name in _TOKENS if name in counts} if isinstance(counts, Mapping) else {}
        usage |= {"model": body.get("model") or self._model, "finish_reason": finish}
        return {"text": text, "tool_calls": calls, "usage": usage, "where": where}

    def _failure(self, reply: Reply, where: str) -> MlboxError:
        status, told, code = reply.status, *_told(reply)
        if code == "insufficient_quota":
            return CodeFailed(f"{where} has no quota left for this key ({status})", hint="it is not asked again")
        if status in BUSY:
            return busy(where, reply)
        if status in (401, 403):  # what it says may hold a part of the key
            return CodeFailed(f"{where} refuses the key ({status})", hint=self._key)
        if status in (400, 413, 422) and (code == "context_length_exceeded" or _TOO_LONG.search(told)):
            return Invalid(f"{where}: the text is too long for model {self._model!r}: {told}", hint="send less of it")
        hint = "on_error sends such events to another step"
        if status == 404:
            hint = f"is there a model {self._model!r}? url is the address before {PATH}"
        return CodeFailed(f"{where} answers {status}: {told}", hint=hint)


def _text_of(content: Any) -> str:
    """Of a message: a text, or parts of which some are; none where it only calls tools. ``TypeError`` for all else."""
    if content is None or isinstance(content, str):
        return content or ""
    if not isinstance(content, list):
        raise TypeError(content)
    texts = [part if isinstance(part, str) else part.get("text") for part in content]
    return "".join(text for text in texts if isinstance(text, str))


def _told(reply: Reply) -> tuple[str, str]:
    """Message and code of an error: ``{"error": {"message": .., "code": ..}}``, or what else it is."""
    body = reply.value
    error = body.get("error", body) if isinstance(body, Mapping) else None
    if isinstance(error, Mapping):
        return str(error.get("message") or error)[:300], str(error.get("code") or error.get("type") or "")
    return (str(error) if error else reply.text)[:300], ""


def _checked(spec: StepSpec, messages: Any) -> list[Any]:
    if (
        not isinstance(messages, list)
        or not messages
        or not all(isinstance(m, Mapping) and "role" in m for m in messages)
    ):
        raise Invalid(
            f"step {spec.name!r}: messages are no list of messages",
            hint='for example [{"role": "user", "content": "Hello"}]',
        )
    return messages


def _wants_json(body: Mapping[str, Any]) -> bool:
    wanted = body.get("response_format")
    return isinstance(wanted, Mapping) and wanted.get("type") in ("json_object", "json_schema")


def _json_of(spec: StepSpec, said: Mapping[str, Any]) -> Any:
    try:
        return msgspec.json.decode(said["text"])  # NaN and 1e999 are no JSON
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        short = said["usage"]["finish_reason"] == "length"
        hint = "it was cut at max_tokens" if short else "ask for JSON in the prompt too, or leave response_format out"
        raise CodeFailed(f"{said['where']} was asked for JSON and said {said['text'][:200]!r}", hint=hint) from None


GRAPH_STEPS.add(
    "chat",
    Kind(
        "A language model is asked, at any server of OpenAI's chat completions: OpenAI, vLLM, Ollama, llama.cpp.",
        {
            "url": f"its address, to which {PATH} is added: https://api.openai.com/v1",
            "model": "the model's name there",
            "prompt": "what the user says: 'Summarise: {{ text }}'; {{ .. }} is a field, or an SQL expression",
            "messages": "instead, a list of {role, content}, or '{{ messages }}', a field that holds such a list",
            "parameters": "more of the request, such as {temperature: 0, max_tokens: 200, response_format: ..}",
            "headers": "headers of the request",
            **ASKING,
            "retries": RETRIES,
            "result": "the field that takes the text, or the value where response_format asks for JSON: answer",
            "usage": "the field that takes prompt_tokens, completion_tokens, model, finish_reason: usage",
        },
        build,
        needs=("url", "model"),
    ),
)
