// What breaks when a process dies, for each process of each picture: what keeps running, what cannot be done, what happens
// to the logs, and what comes back by itself. `takesAlong` names boxes of the picture that die with it. This is the one
// place for these facts; docs/evolution.md and docs/explorer.md link to it. The names are those of architectures.js.

const LAB = "exercise 4 of docs/lab, which you can run, and tests/integration/daemon/recovery";
const TRIED_DOCKER = "tried with cri-dockerd 0.4.3 and Docker Engine 20.10.24; docs/evolution.md, chapter 1";
const TRIED_ORIGINAL = "tried with cri-containerd 1.0.0-beta.1 in front of containerd 1.6.20; docs/evolution.md, chapter 2";
const PIPES = "Wait in their pipes. A pipe holds 64 KiB; a container that writes more has to wait until they are read again.";

const kubelet = (logs, returns, source) => ({
  takesAlong: [],
  runsOn: "Every container, and all daemons below.",
  cannot: "Nothing new is started here, nothing is probed or restarted. kubectl logs and exec do not reach this node's pods, and after some time the control plane counts the node as not ready.",
  logs,
  returns,
  source,
});

const runc = (source) => ({
  takesAlong: [],
  runsOn: "Every running container: runc is long gone when a container runs. It lives for one step and ends.",
  cannot: "The one step that it was in the middle of fails: a create, a start, a kill or a removal.",
  logs: "Not touched.",
  returns: "The kubelet repeats the step; for a start, with a new container.",
  source,
});

const cni = (server, source) => ({
  takesAlong: [],
  runsOn: "Every running pod: a plugin runs only while a pod's network is made or taken down.",
  cannot: "The pod start fails in which it died. At a removal the network of that one pod stays for now.",
  logs: "Not touched.",
  returns: `${server} runs the plugins with DEL, which remove what was half made as far as they know of it; the kubelet then tries again with a new sandbox.`,
  source,
});

const shimOfContainer = (source) => ({
  takesAlong: [],
  runsOn: "Every other container: each has a shim of its own.",
  cannot: "Its one container cannot go on. containerd notices that the shim is gone, kills what is left and reports the end.",
  logs: "What the shim had not passed on yet is lost.",
  returns: "The kubelet starts the container anew. If it was the pause container's shim, it makes the whole pod anew.",
  source,
});

const shimOfPod = (source) => ({
  takesAlong: [],
  runsOn: "All other pods: each has a shim of its own.",
  cannot: "The pod cannot go on. containerd notices that the shim is gone, kills the pod's processes and reports their ends.",
  logs: "What the shim had not passed on yet is lost.",
  returns: "The kubelet makes the pod anew, with another address.",
  source,
});

export const DEATHS = {
  "dockershim": {
    "kubelet with dockershim": {
      ...kubelet("Go on: dockerd writes them.", "systemd starts the kubelet. dockershim asks Docker for its containers, whose names say to which pod they belong, and reads its checkpoint files.",
        "the sources of Kubernetes 1.23, pkg/kubelet/dockershim; docs/evolution.md, chapter 1"),
      cannot: "The CRI server is gone with it. Nothing new is started here, nothing is probed or restarted, and after some time the control plane counts the node as not ready.",
    },
    "dockerd": {
      takesAlong: ["containerd"],
      runsOn: "The containers: their shims hold them. containerd dies along where dockerd has started it (as it asks the kernel for), and stays where it is a service of its own, as from Docker 18.09 on.",
      cannot: "Everything that the kubelet wants: each of its requests goes to Docker.",
      logs: PIPES,
      returns: "systemd starts dockerd. Without live-restore, which is off by default, it stops every container that still runs, and the kubelet starts them anew. With live-restore it takes them over.",
      source: `${TRIED_DOCKER}; libcontainerd/supervisor in Moby's sources, and Docker's manual on live restore`,
    },
    "containerd": {
      takesAlong: [],
      runsOn: "The containers.",
      cannot: "Docker cannot start, stop or enter a container.",
      logs: "Go on: dockerd reads the pipes itself.",
      returns: "dockerd starts it again where it is its child, else systemd does. dockerd connects again by itself.",
      source: TRIED_DOCKER,
    },
    "shim": shimOfContainer(TRIED_DOCKER),
    "runc": runc("docs/evolution.md, chapter 1"),
    "CNI plugins": cni("dockershim", "the sources of Kubernetes 1.23, pkg/kubelet/dockershim/network/cni"),
  },
  "containerd 1.0": {
    "kubelet": kubelet("Go on: cri-containerd writes them.", "systemd starts the kubelet, which asks cri-containerd for what there is.", "docs/evolution.md, chapter 2"),
    "cri-containerd": {
      takesAlong: [],
      runsOn: "The containers, and containerd.",
      cannot: "The whole CRI: no pod is started, stopped or listed; no exec, attach or port-forward.",
      logs: PIPES,
      returns: "systemd starts it. It reads containerd's records and its own status files, and learns what has ended meanwhile. It does not learn the pods' addresses again: those were only in its memory.",
      source: TRIED_ORIGINAL,
    },
    "containerd": {
      takesAlong: ["cri"],
      runsOn: "The containers.",
      cannot: "Everything: cri-containerd exits when its stream of events breaks.",
      logs: PIPES,
      returns: "systemd starts both again. After that the pods have lost their addresses, as after any restart of cri-containerd.",
      source: TRIED_ORIGINAL,
    },
    "shim": shimOfContainer(TRIED_ORIGINAL),
    "runc": runc("docs/evolution.md, chapter 2"),
    "CNI plugins": cni("cri-containerd", "the sources of cri-containerd 1.0, pkg/server/sandbox_run.go"),
  },
  "CRI plugin": {
    "kubelet": kubelet("Go on: containerd writes them.", "systemd starts the kubelet, which asks containerd for what there is.", "docs/evolution.md, chapter 3"),
    "containerd with the CRI plugin": {
      takesAlong: [],
      runsOn: "The containers: their shims hold them.",
      cannot: "The whole CRI, and everything else that containerd does: the plugin is a part of the process. An update of one is an update of both.",
      logs: PIPES,
      returns: "systemd starts it. The plugin reads its records and status files and opens the pipes again; addresses are in the records.",
      source: "exercises 3 and 4 of docs/lab; docs/evolution.md, chapter 3",
    },
    "shim": shimOfPod("exercise 4 of docs/lab: it is the same containerd and the same shim; docs/evolution.md, chapter 3"),
    "runc": runc("docs/evolution.md, chapter 3"),
    "CNI plugins": cni("The plugin", "the sources of containerd 1.6, pkg/cri/server/sandbox_run.go"),
  },
  "cri-shim": {
    "kubelet": kubelet("Go on: cri-shim writes them.", "systemd starts the kubelet, which asks cri-shim for what there is. What was under way when it died goes on, and the repeated request joins it.", "docs/adr/0003-same-words-same-pod.md"),
    "cri-shim": {
      takesAlong: [],
      runsOn: "The containers, and containerd.",
      cannot: "The whole CRI: no pod is started, stopped or listed; no exec, attach or port-forward.",
      logs: PIPES,
      returns: "systemd starts it. It reads containerd's records and its own directory, learns what has ended meanwhile, and reads the pipes on: no line is lost. The pods keep their addresses.",
      source: LAB,
    },
    "containerd": {
      takesAlong: [],
      runsOn: "The containers, and cri-shim.",
      cannot: "Requests that need containerd are refused at once with UNAVAILABLE and the reason; Status says that the runtime is not ready.",
      logs: "Go on: cri-shim reads the pipes itself.",
      returns: "systemd starts containerd. cri-shim connects again, compares its records with the tasks there are, and goes on.",
      source: `${LAB}/test_containerd_away.py`,
    },
    "shim": shimOfPod("exercise 4 of docs/lab, and tests/integration/daemon/test_shim_calls.py"),
    "runc": runc("docs/evolution.md, chapter 4"),
    "CNI plugins": cni("cri-shim", "docs/adr/0027-removal-from-networks.md, and tests/integration/network"),
  },
  "Docker beside the kubelet": {
    "kubelet": kubelet("Go on: containerd writes those of pods, dockerd its own.", "systemd starts the kubelet. Docker does not notice anything.", "docs/evolution.md, chapter 3"),
    "docker, the command": {
      takesAlong: [],
      runsOn: "Everything: the command only asks dockerd.",
      cannot: "What it was showing ends: an attached terminal, a followed log.",
      logs: "Not touched.",
      returns: "Nothing has to: run it again.",
      source: "exercise 6 of docs/lab",
    },
    "dockerd": {
      takesAlong: [],
      runsOn: "All pods, and the kubelet and containerd with them; and Docker's containers, which their shims hold.",
      cannot: "Every docker command. The kubelet's requests are not affected.",
      logs: `Pods' logs go on. Those of Docker's containers: ${PIPES[0].toLowerCase()}${PIPES.slice(1)}`,
      returns: "systemd starts dockerd. Without live-restore it stops Docker's containers that still run; it does not see the pods.",
      source: "tests/integration/neighbours/test_docker_engine.py, and Docker's manual on live restore",
    },
    "containerd with the CRI plugin": {
      takesAlong: [],
      runsOn: "The containers of both: pods and Docker's.",
      cannot: "Both are without a runtime: the kubelet has no CRI, and Docker cannot start, stop or enter a container. Sharing a containerd is sharing its failures.",
      logs: "Pods' lines wait in their pipes, because the plugin reads those. Docker's go on: dockerd reads its own.",
      returns: "systemd starts it. The plugin recovers its pods from the namespace k8s.io, dockerd connects again and has its containers in moby.",
      source: "exercises 4 and 5 of docs/lab",
    },
    "shim of a pod": shimOfPod("exercises 4 and 5 of docs/lab"),
    "shim of a Docker container": {
      ...shimOfContainer("exercise 5 of docs/lab: the shim's namespace is in its arguments"),
      returns: "dockerd restarts the container if its restart policy says so. No pod is affected.",
    },
    "runc": runc("docs/evolution.md, chapter 3"),
    "CNI plugins": cni("The plugin", "the sources of containerd 1.6, pkg/cri/server/sandbox_run.go"),
  },
};
