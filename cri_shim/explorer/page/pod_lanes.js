// Which lane of a pod's timeline a request belongs to: the pod's own, or that of one of its containers.

import { isRead } from "./format.js";

/** Times are milliseconds after `origin` (unix seconds), which is when the pod's first request or record was made. */
export function originOf(pod) {
  const [first] = pod.requests;
  if (first?.method === "RunPodSandbox") return first.started_at;
  const times = [pod.created_at, pod.first_at, ...pod.containers.map((one) => one.created_at)].filter((at) => at !== null && at !== undefined);
  return times.length ? Math.min(...times) : Date.now() / 1000;
}

/** The requests of a pod with `start` and `end` on its time; one that runs ends now. Those that only read are left out unless wanted. */
export function timed(pod, origin, { reads }) {
  return pod.requests.filter((one) => reads || !isRead(one.method)).map((one) => {
    const start = startOf(one, pod, origin);
    return { ...one, start, end: start + one.bill.wall_ms };
  });
}

// The clock of a node may be set back while its pods live, so the distance between two requests is that on the daemon's own clock.
// Daemons of earlier releases, and their recordings, do not have that.
function startOf(one, { requests: [first] }, origin) {
  const since = (one.clock_ms ?? null) === null || (first.clock_ms ?? null) === null ? (one.started_at - first.started_at) * 1000 : one.clock_ms - first.clock_ms;
  return (first.started_at - origin) * 1000 + since;
}

// A moment of the node's clock (unix seconds) on the axis: where the request that came in nearest to it, by the same clock, has it.
function momentOf(at, pod, origin) {
  if (at === null || at === undefined) return null;
  const distance = (one) => Math.abs(one.started_at - at);
  const near = pod.requests.reduce((best, one) => (best === null || distance(one) < distance(best) ? one : best), null);
  return near ? startOf(near, pod, origin) + (at - near.started_at) * 1000 : (at - origin) * 1000;
}

/** The lanes, the pod's own first: `{ name, id, life, ends, requests }`; `life` is when its processes ran, null if not known. */
export function lanesOf(pod, origin, requests) {
  const at = (seconds) => momentOf(seconds, pod, origin);
  const lanes = [{ name: "pod", id: pod.id, container: null, requests: [], life: lifeOf(at(pod.created_at), at(pod.removed_at)) }];
  for (const one of pod.containers) {
    lanes.push({ name: one.name || one.id.slice(0, 12), id: one.id, container: one, requests: [], life: lifeOf(at(one.started_at), at(one.finished_at)) });
  }
  const unmade = new Map(); // containers that could not be created have no id
  for (const request of requests) {
    lane(request, lanes, unmade).requests.push(request);
  }
  for (const one of lanes.slice(1)) {
    one.life ??= fromRequests(one.requests);
    // A removed container has ended, at the latest with its pod.
    if (one.life && one.life.end === null && one.container?.state === "removed") one.life.end = at(pod.removed_at) ?? requests.at(-1)?.end ?? null;
  }
  return lanes;
}

function lane(request, lanes, unmade) {
  const id = request.container?.id || request.subject.container_id;
  if (id) return lanes.find((one) => one.id && one.id.startsWith(id)) ?? lanes[0];
  const name = request.container?.name;
  if (!name) return lanes[0];
  if (!unmade.has(name)) {
    const made = { name, id: "", container: null, requests: [], life: null };
    unmade.set(name, made);
    lanes.push(made);
  }
  return unmade.get(name);
}

function lifeOf(start, end) {
  return start === null ? null : { start, end };
}

// Of a removed container the daemon does not know when it ran; its requests say at least what the kubelet did.
function fromRequests(requests) {
  const done = (method) => requests.find((one) => one.method === method && one.code === "OK");
  const started = done("StartContainer");
  const stopped = done("StopContainer") ?? done("RemoveContainer");
  return started ? { start: started.end, end: stopped ? stopped.end : null } : null;
}
