"""Build the package for Debian: ``make deb`` runs ``python -m lab.packaging``.

``deploy/debian`` has the files that debhelper reads. What they do not say is here: ``source_tree`` lays out a directory
to build in, ``environment`` makes the virtual environment of the package, and ``manual`` and ``config_page`` write the
manual from the argument parser and from the declarations of the settings.
"""
