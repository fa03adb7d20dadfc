"""The command that measures CNI plugins: what its chains differ in, and what it sums up."""

from __future__ import annotations

from lab.measuring.cni_cost import LEGACY, Cost, Plugins, chains, report

CONFIGURED: Plugins = [
    {"type": "bridge", "ipMasq": True, "isGateway": True},
    {"type": "portmap", "capabilities": {"portMappings": True}},
    {"type": "bandwidth"},
]


def test_each_chain_differs_from_the_configured_one_in_what_its_name_says() -> None:
    made = chains(CONFIGURED, 7)
    assert made["as configured"] == made[LEGACY] == CONFIGURED
    assert made["with tuning"][:3] == made["with firewall"][:3] == CONFIGURED
    assert [made[name][-1]["type"] for name in ("with tuning", "with firewall")] == ["tuning", "firewall"]
    assert made["no ipMasq"] == [{"type": "bridge", "isGateway": True}, *CONFIGURED[1:]]
    assert made["bridge only"] == CONFIGURED[:1]
    assert made["bridge only, no ipMasq"] == [{"type": "bridge", "isGateway": True}]


def test_only_portmap_learns_of_the_host_port_and_each_pod_has_another() -> None:
    bridge, portmap, bandwidth = chains(CONFIGURED, 7)["host port"]
    assert [bridge, bandwidth] == [CONFIGURED[0], CONFIGURED[2]]
    (port,) = portmap["runtimeConfig"]["portMappings"]
    (other,) = chains(CONFIGURED, 8)["host port"][1]["runtimeConfig"]["portMappings"]
    assert port["containerPort"] == other["containerPort"] == 80
    assert other["hostPort"] == port["hostPort"] + 1


def test_a_chain_takes_the_cpu_time_of_all_and_the_time_of_each_command() -> None:
    costs = {
        "one": {
            ("ADD", "bridge"): [Cost(20, 25), Cost(22, 35), Cost(24, 26)],
            ("ADD", "portmap"): [Cost(2, 3)],
            ("DEL", "bridge"): [Cost(10, 70)],
        }
    }
    _, first, *programs = report(costs).splitlines()
    assert first.split() == ["one", "34.0", "29.0", "70.0"]
    assert [line.split() for line in programs] == [
        ["ADD", "bridge", "22.0", "26.0"],
        ["ADD", "portmap", "2.0", "3.0"],
        ["DEL", "bridge", "10.0", "70.0"],
    ]
