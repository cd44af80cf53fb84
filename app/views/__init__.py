"""One folder a view: page.py, which Streamlit runs, and the parts that only it uses."""
