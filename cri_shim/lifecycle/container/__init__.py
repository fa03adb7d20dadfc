"""Steps of making and ending containers that several RPCs share.

This room may import ``lifecycle``, ``disk``, ``cdi``, ``qos`` and the floors below. It must never import
``lifecycle/sandbox``: a container takes its pod as a value.
"""
