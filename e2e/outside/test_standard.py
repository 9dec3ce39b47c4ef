"""LangChain's standard tests of chat models, unit and integration, as they are published.

Left out: pictures, since the suite fetches them from the internet, and audio and PDF, which the mock model cannot read.
"""

import pytest
from conftest import MODEL, TOKEN, URL
from langchain_openai import ChatOpenAI
from langchain_tests.integration_tests import ChatModelIntegrationTests
from langchain_tests.unit_tests import ChatModelUnitTests

PARAMS = {"model": MODEL, "base_url": URL, "api_key": TOKEN, "max_retries": 0, "stream_usage": True}


class TestUnit(ChatModelUnitTests):
    chat_model_class = ChatOpenAI
    chat_model_params = PARAMS

    @pytest.mark.xfail(reason="compares with a snapshot of LangChain's own repository")
    def test_serdes(self, model, snapshot):
        super().test_serdes(model, snapshot)


class TestChatCompletions(ChatModelIntegrationTests):
    chat_model_class = ChatOpenAI
    chat_model_params = PARAMS
    supports_json_mode = True


class TestResponses(ChatModelIntegrationTests):
    chat_model_class = ChatOpenAI
    chat_model_params = {**PARAMS, "use_responses_api": True}
    supports_json_mode = True
