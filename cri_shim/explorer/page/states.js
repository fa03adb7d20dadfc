// What a view says when it has nothing else to show: what is so, why, and what to do. One form for all views.

import { h } from "./dom.js";

/** `kind`: fresh, filtered, away, gone, running or refused. `so` is one sentence; each of `todo` is a list of texts and elements. */
export function state(kind, so, why, ...todo) {
  return h("div", { class: "situation", "data-state": kind },
    h("p", { class: "so" }, so), why && h("p", {}, why),
    todo.length > 0 && h("ul", {}, ...todo.map((one) => h("li", {}, ...[one].flat()))));
}

/** Nothing has happened yet of what a view shows. */
export function fresh(so, why, ...todo) {
  return state("fresh", so, why, ...todo,
    ["Start a pod: ", code("crictl runp pod.json"), ", or let a kubelet do it"],
    ["No node at hand? In a checkout, ", code("make up"), " starts one with a pod"]);
}

/** No request has come in since the daemon started, or (with the `ledger` of its answers) none is kept. */
export function noRequestYet(ledger = true) {
  if (!ledger) {
    return state("refused", "The daemon keeps no requests.", "Its ledger is switched off in the configuration. Pods are listed without what was asked for them.",
      ["To switch it on: ", code("[ledger] enabled = true"), ", and a restart of the daemon"]);
  }
  return fresh("No request yet.", "The daemon remembers requests from its own start on, and none has come in since. The first one appears here by itself.",
    ["Ask the daemon something: ", code("crictl pods")]);
}

/** Something is there, but the reader's filters hide it; `ways` are links that widen them. */
export function filtered(so, ...ways) {
  return state("filtered", so, "More is remembered; what was chosen above hides it.", ...ways);
}

/** The daemon does not answer. The view draws itself as soon as it does. */
export function away() {
  return state("away", "The daemon does not answer.", "This view is drawn as soon as it does.", ...nextSteps());
}

/** What to do when the daemon does not answer: see whether it runs, and what it has said. */
export function nextSteps() {
  return [
    ["Does it run? ", code("systemctl status cri-shim")],
    ["What has it said? ", code("journalctl -u cri-shim -n 50")],
    ["What is wrong with the node? ", code("cri-shim doctor")],
  ];
}

/** The daemon does not remember `what` (such as "Request 12"): it has been forgotten, or does not exist yet. */
export function gone(what, ...ways) {
  return state("gone", `${what} is not remembered.`,
    "The daemon keeps the newest requests and the slowest of each method (docs/limits.md says how many), and starts with none when it is restarted.",
    ...ways);
}

/** What to show instead of a view whose data could not be had: `error` is that of api.js's `get`. */
export function failed(error, what, ...ways) {
  if (error.status === undefined) return away();
  if (error.status === 404) return gone(what, ...ways);
  return state("refused", `The daemon refused to answer for ${what.toLowerCase()}.`, error.message, ...ways);
}

function code(text) {
  return h("code", {}, text);
}
