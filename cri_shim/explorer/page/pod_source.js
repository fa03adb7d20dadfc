// Where the page has its pods from: the daemon's own list or, of a daemon that has none yet, its requests.

import { get, getOne, offers } from "./api.js";
import { summed } from "./bill.js";
import { isRead } from "./format.js";

const MOST = 2000;
let grouped = false;

/** Whether the last pods were made from requests, because the daemon has no list of them. */
export function withoutPods() {
  return grouped;
}

/** Return `{ pods, hint }`; the hint says what is missing, and is empty if nothing is. */
export async function fetchPods() {
  grouped = !(await offers("pods"));
  if (!grouped) {
    const { pods, count } = await get("/api/pods", { limit: MOST });
    return { pods, hint: count > pods.length ? `The newest ${pods.length} of ${count} pods.` : "" };
  }
  const pods = await fromRequests();
  return { pods: pods.map(({ requests, ...pod }) => pod),
    hint: "This daemon is of an earlier release and has no list of pods: these are made from the requests that it remembers, without what it knows of pods beside them." };
}

/** Return one pod with `requests`, oldest first. */
export async function fetchPod(id) {
  if (await offers("pods")) return getOne(`/api/pods/${encodeURIComponent(id)}`);
  const pod = (await fromRequests()).find((one) => one.id === id);
  if (!pod) throw Object.assign(new Error("no remembered request is about this pod"), { status: 404 });
  return pod;
}

async function fromRequests() {
  const answers = await Promise.all([get("/api/requests", { limit: MOST, reads: "0" }), get("/api/requests", { limit: MOST })]);
  const requests = new Map(answers.flatMap((answer) => answer.requests).map((one) => [one.id, one]));
  return podsOf([...requests.values()].sort((one, other) => one.id - other.id));
}

/** Group requests (oldest first) by pod, in the shape of the daemon's own list; what requests do not say is not known. */
export function podsOf(requests) {
  const pods = new Map();
  const homes = new Map(); // of containers: the id of their pod
  for (const request of requests) {
    const { subject, pod: known } = request;
    const containerId = request.container?.id || subject.container_id;
    const id = known?.id || subject.sandbox_id || homes.get(containerId);
    if (!id) continue;
    if (containerId) homes.set(containerId, id);
    if (!pods.has(id)) pods.set(id, emptyPod(id));
    const pod = pods.get(id);
    pod.requests.push(request);
    if (known) Object.assign(pod, { namespace: known.namespace, name: known.name });
    else if (request.method === "RunPodSandbox" && subject.name) Object.assign(pod, { namespace: subject.namespace ?? "", name: subject.name });
    if (request.method === "RunPodSandbox") pod.created_at = request.started_at;
    if (request.method === "RemovePodSandbox" && request.code === "OK") {
      Object.assign(pod, { state: "removed", removed_at: request.started_at + request.bill.wall_ms / 1000 });
    }
    if (containerId && !pod.containers.some((one) => one.id === containerId)) pod.containers.push(emptyContainer(containerId));
    const container = pod.containers.find((one) => one.id === containerId);
    const name = request.container?.name || (request.method === "CreateContainer" ? subject.name : "");
    if (container && name) container.name = name;
  }
  for (const pod of pods.values()) total(pod);
  return [...pods.values()].sort((one, other) => other.first_at - one.first_at);
}

function total(pod) {
  const changes = pod.requests.filter((one) => !isRead(one.method));
  const sum = (name) => changes.reduce((all, one) => all + (one.bill[name] ?? 0), 0);
  const running = changes.filter((one) => one.running).length;
  Object.assign(pod, {
    first_at: pod.requests[0].started_at, last_at: pod.requests.at(-1).started_at, last_request: pod.requests.at(-1).id,
    request_count: changes.length, read_count: pod.requests.length - changes.length,
    error_count: changes.filter((one) => !one.running && one.code !== "OK").length,
    running_count: running, ...summed(changes), wall_ms: sum("wall_ms"), price_ms: sum("price_ms"), price_error_ms: sum("price_error_ms"),
  });
}

function emptyPod(id) {
  return { id, namespace: "", name: "", uid: "", attempt: null, state: "not known", reason: "", created_at: null, removed_at: null,
    handler: "", ips: [], containers: [], requests: [] };
}

function emptyContainer(id) {
  return { id, name: "", image: "", state: "not known", created_at: null, started_at: null, finished_at: null, exit_code: null, reason: "" };
}
