"""The report of a run, as pure functions from its record to text: tables and plots, HTML and Markdown."""
