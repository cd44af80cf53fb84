"""The page around every view: navigation, run picker, and what to do when there is no run."""

import streamlit as st

from sightline.app.address.url import read_selection
from sightline.app.address.views import VIEWS, pages
from sightline.app.elements.header import draw_header
from sightline.app.elements.introduction import draw_introduction
from sightline.app.elements.shell import draw_no_runs, draw_notices
from sightline.app.elements.tour import draw_tour
from sightline.app.runs import run_list
from sightline.app.runs.folder import runs_root
from sightline.app.warm_up import warm_up

# Streamlit fetches an icon given by name from the internet.
ICON = (
    "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'%3E"
    "%3Ccircle cx='8' cy='8' r='5' fill='none' stroke='%230b7fab' stroke-width='4'/%3E%3C/svg%3E"
)
st.set_page_config(page_title="Sightline", page_icon=ICON, layout="wide")

views = pages()
page = st.navigation(list(views.values()), position="hidden")
selection, ignored = read_selection(page.title)

draw_header(views, page.title, selection)
draw_notices(ignored)
if page.title == VIEWS[0] or not run_list.listing().runs:
    draw_introduction()
if run_list.listing().runs:
    draw_tour()
    page.run()
else:
    draw_no_runs(runs_root())
warm_up()
