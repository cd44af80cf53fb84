"""What is said of runs: numbers for people, sentences in Markdown."""
