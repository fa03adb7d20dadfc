"""Write the report of a run by pure functions from its record to text: tables and plots, HTML and Markdown.

This room may import the other rooms of ``bench``, but not the command. It must never measure, or change a result.
"""
