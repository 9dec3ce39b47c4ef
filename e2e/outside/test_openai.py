"""OpenAI's client for Python against a whole system: sync and async, both APIs, errors, retries."""

import json
import time

import openai
import pydantic
import pytest
from conftest import MODEL, TOKEN, URL, play


class Weather(pydantic.BaseModel):
    city: str
    degrees: int


WEATHER_TOOL = {"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}


CLIENT = openai.OpenAI(base_url=URL, api_key=TOKEN, max_retries=0)


def client_of(**options) -> openai.OpenAI:
    return CLIENT.with_options(**options)


def async_client() -> openai.AsyncOpenAI:
    return openai.AsyncOpenAI(base_url=URL, api_key=TOKEN, max_retries=0)


def test_lists_the_models():
    assert [model.id for model in client_of().models.list()] == [MODEL]


def test_chat(say):
    completion = client_of().chat.completions.create(model=MODEL, messages=say("hello"))
    assert completion.choices[0].message.content == "Hello, world."
    assert completion.usage.total_tokens == 18


def test_chat_stream(say):
    stream = client_of().chat.completions.create(
        model=MODEL, messages=say("hello"), stream=True, stream_options={"include_usage": True}
    )
    chunks = list(stream)
    assert "".join(c.choices[0].delta.content or "" for c in chunks if c.choices) == "Hello, world."
    assert chunks[-1].usage.total_tokens == 18


def test_chat_stream_helper_and_reasoning(say):
    with client_of().chat.completions.stream(model=MODEL, messages=say("thought")) as stream:
        thought = ""
        for event in stream:
            if event.type == "chunk" and event.chunk.choices:
                thought += getattr(event.chunk.choices[0].delta, "reasoning_content", None) or ""
        assert stream.get_final_completion().choices[0].message.content == "Yes."
    assert thought == "hm"


async def test_async_chat(say):
    async with async_client() as client:
        stream = await client.chat.completions.create(model=MODEL, messages=say("hello"), stream=True)
        text = "".join([c.choices[0].delta.content or "" async for c in stream if c.choices])
        whole = await client.chat.completions.create(model=MODEL, messages=say("hello"))
    assert text == whole.choices[0].message.content == "Hello, world."


def test_responses_and_history():
    first = client_of().responses.create(model=MODEL, input=play("hello"))
    assert first.output_text == "Hello, world."
    with client_of().responses.stream(
        model=MODEL, input=play("echo"), previous_response_id=first.id
    ) as stream:
        deltas = [event.delta for event in stream if event.type == "response.output_text.delta"]
        final = stream.get_final_response()
    assert "".join(deltas) == final.output_text == "user, assistant, user"


async def test_async_responses():
    async with async_client() as client:
        stream = await client.responses.create(model=MODEL, input=play("thought"), stream=True)
        events = [event async for event in stream]
    assert events[-1].type == "response.completed"
    assert [item.type for item in events[-1].response.output] == ["reasoning", "message"]


def test_background_goes_on_and_is_cancelled():
    client = client_of()
    started = client.responses.create(model=MODEL, input=play("hello"), background=True)
    seen = [event.sequence_number for event in client.responses.retrieve(started.id, stream=True)]
    rest = client.responses.retrieve(started.id, stream=True, starting_after=seen[2])
    assert [event.sequence_number for event in rest] == [number for number in seen if number > seen[2]]
    endless = client.responses.create(model=MODEL, input=play("endless"), background=True)
    assert client.responses.cancel(endless.id).status == "cancelled"


def test_tools(say):
    messages = say("weather")
    asked = {"model": MODEL, "tools": [WEATHER_TOOL]}
    calling = client_of().chat.completions.create(messages=messages, **asked).choices[0]
    assert calling.finish_reason == "tool_calls"
    messages.append(calling.message)
    for call in calling.message.tool_calls:
        city = json.loads(call.function.arguments)["city"]
        messages.append({"role": "tool", "tool_call_id": call.id, "content": f"sun in {city}"})
    answer = client_of().chat.completions.create(messages=messages, **asked)
    assert answer.choices[0].message.content == "It is sun in Bern and sun in Rome."


def test_structured_output(say):
    chat = client_of().chat.completions.parse(
        model=MODEL, messages=say("structured"), response_format=Weather
    )
    response = client_of().responses.parse(model=MODEL, input=play("structured"), text_format=Weather)
    assert chat.choices[0].message.parsed == response.output_parsed == Weather(city="Bern", degrees=7)


def test_image():
    url = "data:image/png;base64,iVBORw0KGgo="
    content = [{"type": "text", "text": play("images")}, {"type": "image_url", "image_url": {"url": url}}]
    answer = client_of().chat.completions.create(
        model=MODEL, messages=[{"role": "user", "content": content}]
    )
    assert answer.choices[0].message.content == url


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, openai.BadRequestError),
        (404, openai.NotFoundError),
        (409, openai.ConflictError),
        (422, openai.UnprocessableEntityError),
        (429, openai.RateLimitError),
        (500, openai.InternalServerError),
        (503, openai.InternalServerError),
    ],
)
def test_errors_before_the_first_token(say, status, kind):
    role = f"status {status}"
    ways = [
        lambda: client_of().chat.completions.create(model=MODEL, messages=say(role)),
        lambda: client_of().chat.completions.create(model=MODEL, messages=say(role), stream=True),
        lambda: client_of().responses.create(model=MODEL, input=play(role)),
        lambda: client_of().responses.create(model=MODEL, input=play(role), stream=True),
    ]
    for way in ways:
        with pytest.raises(kind) as caught:
            way()
        error = caught.value
        assert (error.status_code, error.code, error.param) == (status, f"c{status}", "messages")
        assert f"it is {status}" in error.message
        assert error.request_id


def test_an_error_in_the_middle_keeps_the_text_before(say):
    text = ""
    with pytest.raises(openai.APIError, match="the mock was told to fail"):
        for chunk in client_of().chat.completions.create(
            model=MODEL, messages=say("breaks off"), stream=True
        ):
            text += chunk.choices[0].delta.content or ""
    assert text


def test_asks_again(say):
    client = client_of(max_retries=2)
    assert client.chat.completions.create(model=MODEL, messages=say("broken once")).choices
    assert client.responses.create(model=MODEL, input=play("broken once")).output_text == "Mended."


def test_gives_up_in_time(say):
    started = time.monotonic()
    with pytest.raises(openai.APITimeoutError):
        client_of(timeout=0.5).chat.completions.create(model=MODEL, messages=say("slow"))
    assert time.monotonic() - started < 5


def test_leaving_a_stream(say):
    stream = client_of().chat.completions.create(model=MODEL, messages=say("endless"), stream=True)
    assert next(iter(stream))
    stream.close()
