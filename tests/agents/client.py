"""A program of the official client: asks the questions of docs/agents.md, and prints what it was answered as JSON.

Its virtual environment is its own (local/requirements/agents.txt). Arguments: the server's address, the revision's
mode, and the questions as JSON; the token comes by TOKEN.
"""

import asyncio
import json
import os
import sys

import httpx2
from mcp.client import Client
from mcp.client.streamable_http import streamable_http_client


async def main(url: str, mode: str, questions: list[tuple[str, dict[str, object]]]) -> None:
    headers = {"Authorization": f"Bearer {os.environ['TOKEN']}"}
    async with httpx2.AsyncClient(headers=headers) as http:
        transport = streamable_http_client(url, http_client=http)
        async with Client(transport, mode=mode) as client:
            tools = await client.list_tools()
            answers = [await client.call_tool(tool, arguments) for tool, arguments in questions]
            said = {
                "revision": client.protocol_version,
                "tools": [tool.name for tool in tools.tools],
                "answers": [{"is_error": each.is_error, "content": each.structured_content} for each in answers],
            }
            sys.stdout.write(json.dumps(said))


asyncio.run(main(sys.argv[1], sys.argv[2], json.loads(sys.argv[3])))
