// The line at the foot of the page: the daemon and its node.

import { get } from "./api.js";
import { h } from "./dom.js";
import { keptFocus } from "./focus.js";
import { brief, withError } from "./format.js";
import { isAway, notePresence } from "./presence.js";
import { showRecording } from "./recording.js";
import { measured, ofFront, term } from "./sources.js";

/** Ask the daemon about itself, and show the answer. */
export async function describeNode() {
  if (isAway()) return;
  const node = await get("/api/node").catch(() => null);
  if (!node) return;
  notePresence(node);
  if (node.recording) showRecording(node.recording);
  const facts = [
    ["cri-shim", node.version],
    ["containerd", node.containerd_version || "not known"],
    ["front hop", withError(node.front_ms, node.front_error_ms), { ...ofFront(node.front_known),
      how: `The median of the last requests. ${ofFront(node.front_known).how}` }],
    ["null call", withError(node.null_hop_ms, node.null_hop_error_ms), measured("A call to containerd that does nothing (Version), after a second of quiet: the median of the last ones, on this node.")],
    ["loop lag", brief(node.loop_lag_ms), measured("How much later than planned the daemon's event loop last came to a timer of its own.")],
    ["pods", node.pods, measured("The daemon's own list.")],
    ["containers", node.containers, measured("The daemon's own list.")],
  ];
  const list = h("dl", {}, ...facts.map(([name, value, source]) => h("div", {}, h("dt", {}, source ? term(source, name) : name), h("dd", {}, String(value)))));
  const place = document.getElementById("node");
  const refocus = keptFocus(place);
  place.replaceChildren(list);
  refocus();
}
