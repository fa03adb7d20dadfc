// Recorded pod starts, one file for each architecture. `python -m lab.pod_starts` writes them from real runs; nothing in
// them comes from this daemon or this machine, unless it was recorded here.

import { get } from "./api.js";

const NAMES = ["docker", "cri-containerd", "plugin-1.6", "plugin-2.1", "cri-shim"];

let loaded = null;

/** Return all recorded runs, in the order of history; reject when they cannot be loaded, and try anew at the next call. */
export async function recordedRuns() {
  loaded ??= Promise.all(NAMES.map((name) => get(`/page/run-${name}.json`)));
  try {
    return await loaded;
  } catch (error) {
    loaded = null;
    throw error;
  }
}

/** The parts of a run in the order of a lane's boxes; parts that play no role in it are not in the list. */
export function partsOf(run) {
  const seen = new Set(run.steps.flatMap(({ from, to }) => [from, to]));
  return COLUMNS.flatMap((parts, column) => parts.filter((part) => seen.has(part)).map((part) => ({ part, column })));
}

/** Boxes of one column do the same work. */
export const COLUMNS = [["kubelet"], ["cri-dockerd", "cri-containerd", "cri-shim"], ["dockerd"], ["containerd"], ["shim"], ["runc"],
  ["container"], ["CNI"], ["program"]];

/** The steps of a run that are under way at a moment, in order of their start. An instant is shown for a moment longer. */
export function underWay(run, at, instant = 1.5) {
  return run.steps.filter((step) => step.start_ms <= at && at < step.start_ms + Math.max(step.duration_ms, instant));
}
