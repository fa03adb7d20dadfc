// Names of pods and containers: `namespace/pod` and `namespace/pod/container`. Ids stay in tooltips and facts.

import { h } from "./dom.js";

/** `namespace/pod`; for a pod without a known name the beginning of its id. */
export function podName({ id, namespace, name }) {
  if (!name) return id ? id.slice(0, 12) : "unknown pod";
  return namespace ? `${namespace}/${name}` : name;
}

/** What a request is about: a container, a pod, an image, or the beginning of an id where the daemon knows no name. */
export function nameOf(request) {
  const { subject, pod, container } = request;
  // The image that a pod asks for says more than the pod; an older daemon has no `pod` at all.
  if (subject.image) return subject.image;
  if (pod && (pod.name || pod.id)) return container ? `${podName(pod)}/${container.name || container.id.slice(0, 12)}` : podName(pod);
  const id = subject.container_id || subject.sandbox_id;
  return subject.name || (id ? id.slice(0, 12) : "");
}

/** Every id that belongs to a request, one a line, for a tooltip. */
export function idsOf({ subject, pod, container }) {
  const ids = [["pod", pod?.id || subject.sandbox_id], ["container", container?.id || subject.container_id]];
  return ids.filter(([, id]) => id).map(([what, id]) => `${what} ${id}`).join("\n");
}

/** A name as an element; pointing at it shows the ids. */
export function named(request) {
  return h("span", { title: idsOf(request) || null }, nameOf(request));
}
