// What a request says about its pod: its name as a link, and the pod's previous and next request.

import { addressOf } from "./address.js";
import { h } from "./dom.js";
import { podName } from "./names.js";

/** Links to the pod of `record` and to its neighbours; nothing for a request without a pod, or of an older daemon. */
export function podLinks(record) {
  const { pod, neighbours } = record;
  if (!pod) return null;
  const { previous = null, next = null } = neighbours ?? {};
  const link = (one, rel, label) => one && h("a", { rel, href: addressOf("request", one.id), title: `request ${one.id}` }, label(one.method));
  return h("nav", { class: "of-pod", "aria-label": "Its pod" },
    pod.id ? h("a", { href: addressOf("pod", pod.id), title: pod.id, "data-pod": pod.id }, `Pod ${podName(pod)}`) : h("span", {}, `Pod ${podName(pod)}`),
    link(previous, "prev", (method) => `← ${method}`),
    link(next, "next", (method) => `${method} →`));
}

/** The facts about pod and container as pairs of name and text, with their full ids. */
export function podFacts({ pod, container, subject }) {
  if (!pod) return Object.entries(subject).map(([name, value]) => [name.replace("_", " "), value]);
  const facts = [["pod", podName(pod)], ["pod id", pod.id || "none yet"]];
  if (container) facts.push(["container", container.name], ["container id", container.id || "none yet"], ["image", container.image]);
  else if (subject.image) facts.push(["image", subject.image]);
  return facts.filter(([, value]) => value);
}
