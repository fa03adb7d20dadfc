// The four ways from the kubelet to a container, as data. Rows are the same in all pictures, so that a box that went away
// leaves a gap. docs/evolution.md tells the story with its sources.

/** Rows from top to bottom. */
export const ROWS = ["kubelet", "cri", "engine", "containerd", "shim", "runc"];

// A box: row, label, note, the part of it that serves the CRI (if it is one process with the row's), and its cost.
// An arrow: from row, to row, label, `kind` for the figures beside it (see architecture.js).
export const PICTURES = [
  {
    name: "dockershim",
    years: "Kubernetes 1.5 to 1.23",
    told: "The CRI server lives inside the kubelet and speaks to Docker, which speaks to containerd.",
    boxes: [
      { row: "kubelet", label: "kubelet", inside: "dockershim" },
      { row: "engine", label: "dockerd" },
      { row: "containerd", label: "containerd" },
      { row: "shim", label: "shim" },
      { row: "runc", label: "runc" },
    ],
    arrows: [
      { from: "kubelet", to: "engine", label: "HTTP", cost: "absent" },
      { from: "engine", to: "containerd", label: "gRPC", cost: "absent" },
      { from: "containerd", to: "shim", label: "shim API", cost: "" },
      { from: "shim", to: "runc", label: "exec", cost: "" },
    ],
    cni: "kubelet",
    sum: "not measurable here: there is no dockershim any more",
  },
  {
    name: "containerd 1.0",
    years: "2017: cri-containerd",
    told: "Docker has gone. A daemon of its own serves the CRI and asks containerd over gRPC.",
    boxes: [
      { row: "kubelet", label: "kubelet" },
      { row: "cri", label: "cri-containerd" },
      { row: "containerd", label: "containerd" },
      { row: "shim", label: "shim" },
      { row: "runc", label: "runc" },
    ],
    arrows: [
      { from: "kubelet", to: "cri", label: "CRI, gRPC", cost: "" },
      { from: "cri", to: "containerd", label: "gRPC", cost: "alike" },
      { from: "containerd", to: "shim", label: "shim API", cost: "" },
      { from: "shim", to: "runc", label: "exec", cost: "" },
    ],
    cni: "cri",
    sum: "alike",
  },
  {
    name: "CRI plugin",
    years: "containerd 1.1 until today",
    told: "The daemon between has gone: the same work is done by function calls inside containerd.",
    boxes: [
      { row: "kubelet", label: "kubelet" },
      { row: "containerd", label: "containerd", inside: "CRI plugin" },
      { row: "shim", label: "shim" },
      { row: "runc", label: "runc" },
    ],
    arrows: [
      { from: "kubelet", to: "containerd", label: "CRI, gRPC", cost: "" },
      { from: "containerd", to: "shim", label: "shim API", cost: "" },
      { from: "shim", to: "runc", label: "exec", cost: "" },
    ],
    cni: "containerd",
    sum: "saved",
  },
  {
    name: "cri-shim",
    years: "here, live",
    live: true,
    told: "The shape of 1.0 on purpose, in front of today's containerd, so that the hop can be seen and priced.",
    boxes: [
      { row: "kubelet", label: "kubelet" },
      { row: "cri", label: "cri-shim" },
      { row: "containerd", label: "containerd" },
      { row: "shim", label: "shim" },
      { row: "runc", label: "runc" },
    ],
    arrows: [
      { from: "kubelet", to: "cri", label: "CRI, gRPC", cost: "" },
      { from: "cri", to: "containerd", label: "gRPC", cost: "hop" },
      { from: "containerd", to: "shim", label: "ttrpc", cost: "" },
      { from: "shim", to: "runc", label: "exec", cost: "" },
    ],
    cni: "cri",
    sum: "measured",
  },
];
