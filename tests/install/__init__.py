"""The commands of docs/install.md, as they are written there, on a node that has nothing yet.

- :mod:`tests.install.page` reads the commands, :mod:`tests.install.plan` says where each block of them is run.
- :mod:`tests.install.fresh_debian` makes the files of a node, :mod:`tests.install.fresh_root` gives them mounts,
  processes and a network of their own, :mod:`tests.install.stand_ins` what there is instead of systemd and internet.
- :mod:`tests.install.session` types the commands, answers what they ask, and notes how long each takes.
- :mod:`tests.install.run` does all of it: ``make test-install DEBIAN=trixie``.
"""
