"""The report of a run, as pure functions from its record to text: tables and plots, HTML and Markdown.

This room may import the other rooms of ``bench`` but for the command. It must never measure, or change a result.
"""
