"""LangGraph with LangChain's chat model of OpenAI against a whole system, over both APIs."""

import asyncio

import pydantic
import pytest
from conftest import MODEL, TOKEN, URL, play
from langchain_core.messages import AIMessageChunk, HumanMessage
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI
from langgraph.graph import END, START, MessagesState, StateGraph
from langgraph.prebuilt import ToolNode, tools_condition
from openai import APIError, BadRequestError


@tool
def weather(city: str) -> str:
    """Tells the weather."""
    return f"sun in {city}"


class Weather(pydantic.BaseModel):
    """The weather of a city."""

    city: str
    degrees: int


@pytest.fixture(params=[False, True], ids=["chat", "responses"])
def model(request):
    return ChatOpenAI(
        model=MODEL,
        base_url=URL,
        api_key=TOKEN,
        max_retries=0,
        stream_usage=True,
        use_responses_api=request.param,
    )


def graph_of(model):
    bound = model.bind_tools([weather])
    graph = StateGraph(MessagesState)
    graph.add_node("model", lambda state: {"messages": [bound.invoke(state["messages"])]})
    graph.add_node("tools", ToolNode([weather]))
    graph.add_edge(START, "model")
    graph.add_conditional_edges("model", tools_condition, {"tools": "tools", END: END})
    graph.add_edge("tools", "model")
    return graph.compile()


def test_a_graph_uses_its_tools(model):
    done = graph_of(model).invoke({"messages": [HumanMessage(play("weather"))]})
    assert [message.type for message in done["messages"]] == ["human", "ai", "tool", "tool", "ai"]
    assert done["messages"][-1].text == "It is sun in Bern and sun in Rome."
    assert done["messages"][-1].usage_metadata["total_tokens"] == 18


def test_a_graph_streams_tokens(model):
    state = {"messages": [HumanMessage(play("weather"))]}
    pieces = [
        message.text
        for message, meta in graph_of(model).stream(state, stream_mode="messages")
        if isinstance(message, AIMessageChunk) and meta["langgraph_node"] == "model"
    ]
    assert "".join(pieces) == "It is sun in Bern and sun in Rome."


def test_structured_output(model):
    for method in ["json_schema", "function_calling"]:
        answer = model.with_structured_output(Weather, method=method).invoke(play("structured"))
        assert answer == Weather(city="Bern", degrees=7)


def test_fails_with_the_code_of_the_engine(model):
    for way in [model.invoke, lambda asked: list(model.stream(asked))]:
        with pytest.raises(BadRequestError) as caught:
            way(play("status 400"))
        assert caught.value.code == "c400"


def test_asks_again(model):
    patient = ChatOpenAI(
        **{"model": MODEL, "base_url": URL, "api_key": TOKEN, "max_retries": 2},
        use_responses_api=model.use_responses_api,
    )
    assert patient.invoke(play("broken once")).text == "Mended."


def test_an_error_in_the_middle_of_a_chat():
    chat = ChatOpenAI(model=MODEL, base_url=URL, api_key=TOKEN, max_retries=0)
    text = ""
    with pytest.raises(APIError):
        for piece in chat.stream(play("breaks off")):
            text += piece.text
    assert text


def test_a_response_goes_on_from_the_one_before():
    model = ChatOpenAI(
        model=MODEL, base_url=URL, api_key=TOKEN, use_responses_api=True, use_previous_response_id=True
    )
    first = model.invoke(play("hello"))
    then = [HumanMessage("hello"), first, HumanMessage(play("echo"))]
    assert model.invoke(then).text == "user, assistant, user"


def test_an_image_reaches_the_engine(model):
    url = "data:image/png;base64,iVBORw0KGgo="
    content = [{"type": "text", "text": play("images")}, {"type": "image_url", "image_url": {"url": url}}]
    assert model.invoke([HumanMessage(content)]).text == url


def test_reasoning_is_told_apart_over_responses():
    model = ChatOpenAI(model=MODEL, base_url=URL, api_key=TOKEN, use_responses_api=True)
    answer = model.invoke(play("thought"))
    assert answer.text == "Yes."
    assert "hm" in str(answer.content)


# Over responses LangChain's own task goes on until the answer ends, whoever has left it.
async def test_leaving_a_graph_leaves_the_engine():
    begun = asyncio.Event()
    model = ChatOpenAI(model=MODEL, base_url=URL, api_key=TOKEN, max_retries=0)

    async def ask(state):
        return {"messages": [await model.ainvoke(state["messages"])]}

    async def read():
        state = {"messages": [HumanMessage(play("endless graph"))]}
        async for _ in graph.compile().astream(state, stream_mode="messages"):
            begun.set()

    graph = StateGraph(MessagesState)
    graph.add_node("model", ask)
    graph.add_edge(START, "model")
    reading = asyncio.create_task(read())
    await asyncio.wait_for(begun.wait(), 10)
    # As a web server does with a request whose client has gone.
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(reading, 10)
