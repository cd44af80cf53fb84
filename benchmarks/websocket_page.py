"""A page of the dashboard that is opened, and clicked in, through Streamlit's websocket, as a browser does.

Unlike a browser it keeps no message between two answers, so the server sends all of each, and it fetches no thumbnails.
"""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from streamlit.proto.BackMsg_pb2 import BackMsg
    from streamlit.proto.WidgetStates_pb2 import WidgetState
    from websockets.asyncio.client import ClientConnection

PATIENCE = 60  # seconds


class Page:
    """What the last answer drew: `elements` that have a key, in Streamlit's own messages, and `texts` in Markdown.

    `fragments` says of which fragment an element is, where it is of one.

    The methods return milliseconds from sending the click to the server's word that the script has finished, which
    comes after everything there is to draw. They raise RuntimeError where the script, or something on the page, failed.
    """

    def __init__(self, connection: "ClientConnection") -> None:
        self.connection, self.page, self.query = connection, "", ""
        self.elements: dict[str, Any] = {}
        self.fragments: dict[str, str] = {}
        self.texts: list[str] = []

    async def open(self, name: str, query: str) -> float:
        from streamlit.proto.BackMsg_pb2 import BackMsg

        first = BackMsg()
        first.rerun_script.page_name = name
        self.query = query
        return await self._answer(first)

    async def rerun(self) -> float:
        """Run the whole page again."""
        from streamlit.proto.BackMsg_pb2 import BackMsg

        message = BackMsg()
        message.rerun_script.page_script_hash = self.page
        return await self._answer(message)

    async def choose(self, key: str, name: str) -> float:
        """Choose one of a group of buttons, by the first word of its label."""
        labels = [option.content for option in self.elements[key].options]
        (label,) = (label for label in labels if label.split()[0] == name)
        return await self._click(key, lambda state: state.string_array_value.data.append(label))

    async def toggle(self, key: str, name: str, *, on: Sequence[str]) -> float:
        """Choose another of a group of buttons of which several may be chosen; on: the labels of those that are."""
        chosen = [label for label in on if label != name] if name in on else [*on, name]
        return await self._click(key, lambda state: state.string_array_value.data.extend(chosen))

    async def press(self, key: str, awaited: bytes = b"") -> float:
        """Press a button; with `awaited`, the clock stops at the first message that holds it."""
        if self.elements[key].disabled:
            raise RuntimeError(f"The button {key} is disabled.")
        return await self._click(key, lambda state: setattr(state, "trigger_value", True), awaited)

    async def trigger(self, key: str, event: str, value: Any, awaited: bytes = b"") -> float:
        """Let a component (v2) send a trigger's value; awaited: as of `press`."""
        from streamlit.components.v2.bidi_component.constants import EVENT_DELIM
        from streamlit.runtime.state.session_state import STREAMLIT_INTERNAL_KEY_PREFIX

        events = f"{STREAMLIT_INTERNAL_KEY_PREFIX}_{self.elements[key].id}{EVENT_DELIM}events"
        sent = json.dumps([{"event": event, "value": value}])
        return await self._click(key, lambda state: setattr(state, "json_trigger_value", sent), awaited, events)

    def data(self, key: str) -> dict[str, Any]:
        """Return what a component (v2) was given."""
        component = self.elements[key]
        found: dict[str, Any] = json.loads(component.json or component.mixed.json)
        return found

    async def _click(
        self, key: str, change: Callable[["WidgetState"], None], awaited: bytes = b"", widget: str = ""
    ) -> float:
        from streamlit.proto.BackMsg_pb2 import BackMsg

        click = BackMsg()
        click.rerun_script.page_script_hash = self.page
        click.rerun_script.fragment_id = self.fragments.get(key, "")
        change(click.rerun_script.widget_states.widgets.add(id=widget or self.elements[key].id))
        return await self._answer(click, awaited)

    async def _answer(self, message: "BackMsg", awaited: bytes = b"") -> float:
        message.rerun_script.query_string = self.query
        self.elements, self.fragments, self.texts = {}, {}, []
        start = time.perf_counter()
        arrived: float | None = None
        async with asyncio.timeout(PATIENCE):
            await self.connection.send(message.SerializeToString())
            while True:
                content = await self.connection.recv(decode=False)
                now = 1000 * (time.perf_counter() - start)
                if arrived is None and awaited and awaited in content:
                    arrived = now
                if self._take(content):
                    break
        if awaited and arrived is None:
            raise RuntimeError(f"The answer does not hold {awaited!r}.")
        return now if arrived is None else arrived

    def _take(self, content: bytes) -> bool:
        """Note what a message of the server draws; whether it is the last of the answer."""
        from streamlit.proto.ForwardMsg_pb2 import ForwardMsg

        message = ForwardMsg.FromString(content)
        kind = message.WhichOneof("type")
        if kind == "navigation":
            self.page = message.navigation.page_script_hash
        elif kind == "page_info_changed":
            self.query = message.page_info_changed.query_string
        elif kind == "delta" and (drawn := message.delta.new_element.WhichOneof("type")):
            element = getattr(message.delta.new_element, drawn)
            if drawn == "exception":
                raise RuntimeError(f"The page shows an exception: {element.type} {element.message}")
            if drawn == "markdown":
                self.texts.append(element.body)
            _, _, key = getattr(element, "id", "").partition("-")[2].partition("-")  # of $$ID-<hash>-<key>
            self.elements[key] = element
            if message.delta.fragment_id:
                self.fragments[key] = message.delta.fragment_id
        if kind != "script_finished" or message.script_finished == ForwardMsg.FINISHED_EARLY_FOR_RERUN:
            return False
        if message.script_finished not in (
            ForwardMsg.FINISHED_SUCCESSFULLY, ForwardMsg.FINISHED_FRAGMENT_RUN_SUCCESSFULLY,
        ):  # fmt: skip
            raise RuntimeError(f"The script ended with status {message.script_finished}.")
        return True


@asynccontextmanager
async def open_page(address: str, name: str, query: str) -> AsyncIterator[Page]:
    """address: of the server, with http."""
    from websockets.asyncio.client import connect
    from websockets.typing import Subprotocol

    stream = address.replace("http", "ws") + "/_stcore/stream"
    # Browsers send no pings of their own: a server that is late with a pong is not one that has gone.
    async with connect(
        stream, subprotocols=[Subprotocol("streamlit")], max_size=None, ping_interval=None
    ) as connection:
        page = Page(connection)
        await page.open(name, query)
        yield page


async def measure(click: Callable[[], Awaitable[float]], number: int, rest: float) -> list[float]:
    """Milliseconds of so many clicks, each after `rest` seconds; three more before them fill caches."""
    milliseconds = []
    for _ in range(number + 3):
        await asyncio.sleep(rest)
        milliseconds.append(await click())
    return milliseconds[3:]
