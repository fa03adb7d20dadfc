"""The rules of this repository that no other tool knows: ``python -m checks``, which ``make check`` runs.

One file holds one rule. A rule is a function from the repository to its violations, in the order of their places.
The room may import nothing but the standard library; it must never import or run the code that it judges.
"""
