"""What several RPCs need to make and end containers.

This room may import ``lifecycle``, ``disk``, ``cdi``, ``qos`` and the floors below. It must never import
``lifecycle/sandbox``: a container takes its pod as a value.
"""
