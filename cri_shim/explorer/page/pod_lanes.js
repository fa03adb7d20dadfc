// Which lane of a pod's timeline a request belongs to: the pod's own, or that of one of its containers.

import { isRead } from "./format.js";

/** Times are milliseconds after `origin` (unix seconds), which is when the pod's first request or record was made. */
export function originOf(pod) {
  const times = [pod.created_at, pod.first_at, ...pod.containers.map((one) => one.created_at)].filter((at) => at !== null && at !== undefined);
  return times.length ? Math.min(...times) : Date.now() / 1000;
}

/** The requests of a pod with `start` and `end` on its time; one that runs ends now. Those that only read are left out unless wanted. */
export function timed(pod, origin, { reads }) {
  const now = (Date.now() / 1000 - origin) * 1000;
  return pod.requests.filter((one) => reads || !isRead(one.method)).map((one) => {
    const start = (one.started_at - origin) * 1000;
    return { ...one, start, end: one.running ? Math.max(start, now) : start + one.bill.wall_ms };
  });
}

/** The lanes, the pod's own first: `{ name, id, life, ends, requests }`; `life` is when its processes ran, null if not known. */
export function lanesOf(pod, origin, requests) {
  const at = (seconds) => (seconds === null || seconds === undefined ? null : (seconds - origin) * 1000);
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
