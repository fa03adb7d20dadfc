"""What a kubelet does to a runtime on cgroup v2: its cgroups, its rhythm of calls, and a real one if it is given."""
