// The times of other architectures, from a documented run on another machine. docs/evolution.md shows the same run, and
// says what was run; `python -m lab.measuring.figures` renews both from the result in docs/data. Nothing of this is
// measured here.

import { documented } from "./sources.js";

const WHERE = "docs/evolution.md, \"Side by side\": measured in November 2026 on one machine with two cores (Debian 12, Linux 6.18), all of them in one run. Not this machine.";

/** By the name of the picture: what ran, and the milliseconds of a pod's start, its end, and an exec. */
export const DOCUMENTED = {
  "dockershim": {
    ran: "cri-dockerd 0.4.3, what has become of it, with Docker 20.10.24",
    start: 251, // figure architectures; life; pod start; cri-dockerd
    end: 149, // figure architectures; life; pod end; cri-dockerd
    exec: 37.4, // figure architectures; exec; ExecSync; cri-dockerd
  },
  "containerd 1.0": {
    ran: "cri-containerd 1.0.0-beta.1 with containerd 1.6.20 and its v1 shims",
    start: 146, // figure architectures; life; pod start; original
    end: 217, // figure architectures; life; pod end; original
    exec: 40.2, // figure architectures; exec; ExecSync; original
  },
  "CRI plugin": {
    ran: "containerd 1.6.20",
    start: 145, // figure architectures; life; pod start; plugin
    end: 142, // figure architectures; life; pod end; plugin
    exec: 31.8, // figure architectures; exec; ExecSync; plugin
  },
};

/** Return the source of the figures of `picture`. */
export function sourceOf(picture) {
  return documented(`${DOCUMENTED[picture].ran}. ${WHERE}`);
}
