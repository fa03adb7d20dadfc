// The four ways from the kubelet to a container, as data. All pictures have the same rows, so that a missing box leaves a
// gap. docs/evolution.md describes the history with its sources. Figures that this daemon measures belong to its own arrows
// only; documented.js has those of the other architectures.

/** Rows from top to bottom. */
export const ROWS = ["kubelet", "cri", "engine", "containerd", "shim", "runc"];

// A box: row, label, and the part of it that serves the CRI, if it is in one process with the row's.
// An arrow: from row, to row, label, and `figure` for the figures that this daemon has for it (see architecture.js).
export const PICTURES = [
  {
    name: "dockershim",
    years: "Kubernetes 1.5 to 1.23",
    summary: "The CRI server lives inside the kubelet and speaks to Docker, which speaks to containerd.",
    boxes: [
      { row: "kubelet", label: "kubelet", inside: "dockershim" },
      { row: "engine", label: "dockerd" },
      { row: "containerd", label: "containerd" },
      { row: "shim", label: "shim" },
      { row: "runc", label: "runc" },
    ],
    arrows: [
      { from: "kubelet", to: "engine", label: "HTTP" },
      { from: "engine", to: "containerd", label: "gRPC" },
      { from: "containerd", to: "shim", label: "shim API" },
      { from: "shim", to: "runc", label: "exec" },
    ],
    cni: "kubelet",
  },
  {
    name: "containerd 1.0",
    years: "2017: cri-containerd",
    summary: "Docker has gone. A daemon of its own serves the CRI and asks containerd over gRPC.",
    boxes: [
      { row: "kubelet", label: "kubelet" },
      { row: "cri", label: "cri-containerd" },
      { row: "containerd", label: "containerd" },
      { row: "shim", label: "shim" },
      { row: "runc", label: "runc" },
    ],
    arrows: [
      { from: "kubelet", to: "cri", label: "CRI, gRPC" },
      { from: "cri", to: "containerd", label: "gRPC" },
      { from: "containerd", to: "shim", label: "shim API" },
      { from: "shim", to: "runc", label: "exec" },
    ],
    cni: "cri",
  },
  {
    name: "CRI plugin",
    years: "containerd 1.1 until today",
    summary: "The daemon between has gone: the same work is done by function calls inside containerd.",
    boxes: [
      { row: "kubelet", label: "kubelet" },
      { row: "containerd", label: "containerd", inside: "CRI plugin" },
      { row: "shim", label: "shim" },
      { row: "runc", label: "runc" },
    ],
    arrows: [
      { from: "kubelet", to: "containerd", label: "CRI, gRPC" },
      { from: "containerd", to: "shim", label: "shim API" },
      { from: "shim", to: "runc", label: "exec" },
    ],
    cni: "containerd",
  },
  {
    name: "cri-shim",
    years: "here, live",
    live: true,
    summary: "The shape of 1.0 on purpose, in front of today's containerd, so that the hop can be seen and priced.",
    boxes: [
      { row: "kubelet", label: "kubelet" },
      { row: "cri", label: "cri-shim" },
      { row: "containerd", label: "containerd" },
      { row: "shim", label: "shim" },
      { row: "runc", label: "runc" },
    ],
    arrows: [
      { from: "kubelet", to: "cri", label: "CRI, gRPC", figure: "front" },
      { from: "cri", to: "containerd", label: "gRPC", figure: "hop" },
      { from: "containerd", to: "shim", label: "ttrpc" },
      { from: "shim", to: "runc", label: "exec" },
    ],
    cni: "cri",
  },
];
