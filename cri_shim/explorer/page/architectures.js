// Five ways from the kubelet to a container, as data. All pictures have the same rows, so that a missing box leaves a gap.
// docs/evolution.md describes the history with its sources. Figures that this daemon measures belong to its own arrows
// only; documented.js has those of the other architectures, and deaths.js what breaks when one of the boxes dies.

/** Rows from top to bottom. */
export const ROWS = ["kubelet", "cri", "engine", "containerd", "shim", "runc"];

// A box: row, label, the part of it that serves the CRI, if it is in one process with the row's, and what deaths.js calls
// its process. `part` names the box where two share a row, `column` says which of the two it is.
// An arrow: from, to, label, and `figure` for the figures that this daemon has for it (see live_figures.js).
// `cni` is the box that runs the CNI plugins, `leavesOut` what a reader must not conclude from the picture.
export const PICTURES = [
  {
    name: "dockershim",
    years: "Kubernetes 1.5 to 1.23",
    summary: "The CRI server lives inside the kubelet and speaks to Docker, which speaks to containerd.",
    boxes: [
      { row: "kubelet", label: "kubelet", inside: "dockershim", process: "kubelet with dockershim" },
      { row: "engine", label: "dockerd", process: "dockerd" },
      { row: "containerd", label: "containerd", process: "containerd" },
      { row: "shim", label: "shim", process: "shim" },
      { row: "runc", label: "runc", process: "runc" },
    ],
    arrows: [
      { from: "kubelet", to: "engine", label: "HTTP" },
      { from: "engine", to: "containerd", label: "gRPC" },
      { from: "containerd", to: "shim", label: "shim API" },
      { from: "shim", to: "runc", label: "exec" },
    ],
    cni: "kubelet",
    leavesOut: [
      "Inside of the kubelet the CRI was spoken as well, over a socket or by function calls: no arrow of two processes.",
      "Until Docker 18.09 dockerd started containerd as its child, and where none runs it still does.",
      "One shim for each container, the pause container of a pod included.",
      "CNI plugins ran only where the kubelet was set to them; else the network was Docker's own bridge, or kubenet.",
      "Logs: each shim hands them to dockerd, which writes files of JSON; the kubelet only links to them.",
      "Images: dockerd pulls and unpacks them itself. exec, attach and port-forward: streams through the kubelet.",
    ],
  },
  {
    name: "containerd 1.0",
    years: "2017: cri-containerd",
    summary: "Docker has gone. A daemon of its own serves the CRI and asks containerd over gRPC.",
    boxes: [
      { row: "kubelet", label: "kubelet", process: "kubelet" },
      { row: "cri", label: "cri-containerd", process: "cri-containerd" },
      { row: "containerd", label: "containerd", process: "containerd" },
      { row: "shim", label: "shim", process: "shim" },
      { row: "runc", label: "runc", process: "runc" },
    ],
    arrows: [
      { from: "kubelet", to: "cri", label: "CRI, gRPC" },
      { from: "cri", to: "containerd", label: "gRPC" },
      { from: "containerd", to: "shim", label: "shim API" },
      { from: "shim", to: "runc", label: "exec" },
    ],
    cni: "cri",
    leavesOut: [
      "One shim for each container, so two for a pod of one container.",
      "Logs: the shims write into named pipes, cri-containerd reads them and writes the files.",
      "Images: cri-containerd itself talks to registries and writes the blobs through containerd.",
      "exec, attach and port-forward: a second connection of the client, to cri-containerd's own streaming server.",
      "Programs that it ran besides: nsenter and ip to learn a pod's address, socat to forward ports.",
    ],
  },
  {
    name: "CRI plugin",
    years: "containerd 1.1 until today",
    summary: "The daemon between has gone: the same work is done by function calls inside containerd.",
    boxes: [
      { row: "kubelet", label: "kubelet", process: "kubelet" },
      { row: "containerd", label: "containerd", inside: "CRI plugin", process: "containerd with the CRI plugin" },
      { row: "shim", label: "shim", process: "shim" },
      { row: "runc", label: "runc", process: "runc" },
    ],
    arrows: [
      { from: "kubelet", to: "containerd", label: "CRI, gRPC" },
      { from: "containerd", to: "shim", label: "shim API" },
      { from: "shim", to: "runc", label: "exec" },
    ],
    cni: "containerd",
    leavesOut: [
      "One shim for each container at first; with the runc shim of version 2 one for each pod.",
      "In containerd 2 the plugin has become three, and sandboxes have a store and controllers of their own.",
      "Logs: the shim writes into named pipes, containerd reads them and writes the files.",
      "Images: containerd talks to registries. Streams: its own streaming server.",
      "NRI: other programs that may change a container before it is created.",
    ],
  },
  {
    name: "cri-shim",
    years: "here, live",
    live: true,
    summary: "The shape of 1.0 on purpose, in front of today's containerd, so that the hop can be seen and priced.",
    boxes: [
      { row: "kubelet", label: "kubelet", process: "kubelet" },
      { row: "cri", label: "cri-shim", process: "cri-shim" },
      { row: "containerd", label: "containerd", process: "containerd" },
      { row: "shim", label: "shim", process: "shim" },
      { row: "runc", label: "runc", process: "runc" },
    ],
    arrows: [
      { from: "kubelet", to: "cri", label: "CRI, gRPC", figure: "front" },
      { from: "cri", to: "containerd", label: "gRPC", figure: "hop" },
      { from: "containerd", to: "shim", label: "ttrpc" },
      { from: "shim", to: "runc", label: "exec" },
    ],
    cni: "cri",
    leavesOut: [
      "One shim for each pod, and one runc for each step of a container's life, which ends when that is done.",
      "containerd runs a small script of cri-shim's in the shim's place, which answers where no shim is needed (ADR 40).",
      "The lights below containerd follow from the hop that goes there: the daemon does not see the shim and runc itself.",
      "Logs: the shim writes into named pipes, cri-shim reads them and writes the files.",
      "Images: cri-shim talks to registries and writes the blobs through containerd. Streams: its own streaming server.",
      "Events of containerd come back by one stream that is always open.",
    ],
  },
  {
    name: "Docker beside the kubelet",
    years: "containerd 1.1 and Docker 18.09 until today",
    summary: "One containerd serves both, in two namespaces of its own: k8s.io and moby. Neither sees what the other has.",
    boxes: [
      { row: "kubelet", part: "kubelet", column: 0, label: "kubelet", process: "kubelet" },
      { row: "kubelet", part: "client", column: 1, label: "docker", process: "docker, the command" },
      { row: "engine", part: "engine", column: 1, label: "dockerd", process: "dockerd" },
      { row: "containerd", label: "containerd", wide: true, inside: "CRI plugin", process: "containerd with the CRI plugin" },
      { row: "shim", part: "shim", column: 0, label: "shim", below: "k8s.io", process: "shim of a pod" },
      { row: "shim", part: "moby-shim", column: 1, label: "shim", below: "moby", process: "shim of a Docker container" },
      { row: "runc", part: "runc", column: 0, label: "runc", process: "runc" },
      { row: "runc", part: "moby-runc", column: 1, label: "runc", process: "runc" },
    ],
    arrows: [
      { from: "kubelet", to: "containerd", label: "CRI, gRPC" },
      { from: "client", to: "engine", label: "HTTP" },
      { from: "engine", to: "containerd", label: "gRPC" },
      { from: "containerd", to: "shim", label: "ttrpc" },
      { from: "containerd", to: "moby-shim", label: "ttrpc" },
      { from: "shim", to: "runc", label: "exec" },
      { from: "moby-shim", to: "moby-runc", label: "exec" },
    ],
    cni: "containerd",
    leavesOut: [
      "Instead of the plugin, a daemon such as cri-shim can serve the CRI on the same containerd; Docker does not notice.",
      "containerd's namespaces keep names apart. They are not those of the kernel, and no wall: both sides are root on one node.",
      "Docker's network (its bridge, its rules of iptables) is made by dockerd and not by CNI plugins.",
      "Docker keeps its images in a store of its own; with its containerd image store they lie in the namespace moby.",
      "Logs: containerd's plugin reads the pipes of pods, dockerd those of its containers.",
    ],
  },
];
