"""The Streamlit app: reads run directories, never trains."""
