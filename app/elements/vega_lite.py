"""What every chart in Vega-Lite has. Neither Streamlit nor Altair here."""

from typing import Any

SCHEMA = "https://vega.github.io/schema/vega-lite/v6.json"
BARE: dict[str, Any] = {
    "background": "transparent",
    "padding": {"left": 0, "top": 4, "right": 4, "bottom": 0},
}  # the panel around a chart has a colour and margins
