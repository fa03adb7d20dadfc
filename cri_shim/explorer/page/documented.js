// The times of other architectures, from a documented run on another machine. docs/evolution.md has the same figures and
// says what was run, and a test checks that the two agree. Nothing of this is measured here.

import { documented } from "./sources.js";

const WHERE = "docs/evolution.md, \"Side by side\": measured in November 2026 on one machine with two cores (Debian 12, Linux 6.18), all of them in one run. Not this machine.";

/** By the name of the picture: what ran, and the milliseconds of a pod's start, its end, and ListPodSandbox with 35 pods. */
export const DOCUMENTED = {
  "dockershim": { ran: "cri-dockerd 0.4.3, what has become of it, with Docker 20.10.24", start: 261, end: 158, list: 2.86 },
  "containerd 1.0": { ran: "cri-containerd 1.0.0-beta.1 with containerd 1.6.20 and its v1 shims", start: 129, end: 215, list: 18.3 },
  "CRI plugin": { ran: "containerd 1.6.20", start: 142, end: 139, list: 0.48 },
};

/** Return the source of the figures of `picture`. */
export function sourceOf(picture) {
  return documented(`${DOCUMENTED[picture].ran}. ${WHERE}`);
}
