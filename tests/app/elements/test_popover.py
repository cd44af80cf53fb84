"""What opens on a click closes once it has acted, and not before."""

import pytest
from streamlit.testing.v1 import AppTest

PAGE = """
import streamlit as st
from sightline.app.elements.popover import close_popover, draw_popover

place = draw_popover("Open", "opened")
if place.open:
    with place:
        st.text("inside")
        st.button("Look", key="look")
        st.button("Save", key="save", on_click=close_popover, args=("opened",))
        if st.button("Start", key="start"):
            close_popover("opened")
            st.rerun()
"""


@pytest.fixture
def page():
    app = AppTest.from_string(PAGE)
    app.session_state["opened"] = True
    return app.run()


@pytest.mark.parametrize("button", ["save", "start"])
def test_a_popover_closes_after_it_acted(page, button):
    page.button(key=button).click().run()
    assert not page.exception and not page.text
    page.session_state["opened"] = True
    assert page.run().text[0].value == "inside"


def test_a_popover_stays_open_while_people_look(page):
    assert page.button(key="look").click().run().text
