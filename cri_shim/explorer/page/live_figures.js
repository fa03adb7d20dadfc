// The figures of this daemon's own picture: at its arrows, below it, and in a table. All of them are of now and of this
// machine; what the daemon does not say, or cannot say yet, is shown as that.

import { unknownParts } from "./bill.js";
import { h, s } from "./dom.js";
import { brief, exact, withError } from "./format.js";
import { explainingInPicture, mark, measured, ofFront, ofPrice } from "./sources.js";

const NULL_CALL = "the median of the last ones that were made while nothing else happened.";

/** Fill in the figures below `picture` and in `table`; `node` is null while the daemon is away. */
export function fill(picture, table, node, start) {
  for (const group of picture.querySelectorAll("[data-figure]")) {
    const figure = node ? atArrow(group.dataset.figure, node, start) : null;
    group.replaceChildren(...(figure ? [texts(group, figure)] : [s("text", { x: group.dataset.x, y: group.dataset.y, class: "cost" }, "–")]));
  }
  picture.querySelector(".sum").replaceChildren(...sum(node, start));
  table.replaceChildren(...(node ? costs(node, start) : [h("caption", {}, "What the arrows of cri-shim cost on this machine"),
    h("tbody", {}, h("tr", {}, h("td", {}, "The daemon is away: no figure is of now.")))]));
}

// Kept short for lack of room; a click shows how they are known.
function atArrow(name, node, start) {
  if (name === "front") {
    const source = ofFront(node.front_known);
    return { source: { ...source, how: `The front hop, median of the last requests. ${source.how}` }, lines: [withError(node.front_ms, node.front_error_ms)] };
  }
  const often = start ? [`${start.hops_per_request.toFixed(1)} × a pod start`] : ["no pod start yet"];
  return { source: measured(`A call that does nothing (Version), after a second of quiet: ${NULL_CALL} The hops of a pod start are counted.`),
    lines: [withError(node.null_hop_ms, node.null_hop_error_ms), ...often] };
}

function texts(group, { source, lines }) {
  const { x, y } = group.dataset;
  return explainingInPicture(s("g", { class: "sourced", role: "button", tabindex: "0",
    "aria-label": `${lines.join(" ")}, ${source.kind}: where this figure comes from` },
    ...lines.flatMap((text, index) => [s("text", { x, y: Number(y) + index * 13, class: "cost" }, text), " "])), source);
}

function sum(node, start) {
  if (!node) return [h("b", {}, "–"), " the daemon is away: its figures come when it is back"];
  if (!start) return [h("b", {}, "–"), " no pod has been started since this daemon began; the next one is priced here"];
  const off = start.price_error_p50_ms ? ` ±${brief(start.price_error_p50_ms)}` : "";
  return [h("b", {}, `${unknownParts(start, start.hops_per_request) ? "≥" : ""}${brief(start.price_p50_ms)}${off}`), " the price of a RunPodSandbox here, median ",
    mark(ofPrice(start.split, start.front_known, start.hops_per_request))];
}

function costs(node, start) {
  const none = "no pod start yet";
  const clock = measured("The daemon's own clock, over the requests that are still remembered.");
  const front = ofFront(node.front_known);
  const price = start ? ofPrice(start.split, start.front_known, start.hops_per_request) : clock;
  const rows = [
    ["front hop", withError(node.front_ms, node.front_error_ms), front, "client, daemon and back, at the rhythm of the last requests: median"],
    ["null call", withError(node.null_hop_ms, node.null_hop_error_ms), measured(`A call that does nothing (Version): ${NULL_CALL}`),
      "a call to containerd that does nothing, after a second of quiet: median"],
    ["hops of a RunPodSandbox", start ? start.hops_per_request.toFixed(1) : none, clock, "mean of those that are remembered"],
    ["RunPodSandbox", start ? `${exact(start.p50_ms)} ms` : none, clock, "median wall time"],
    ["price of a RunPodSandbox", start ? withError(start.price_p50_ms, start.price_error_p50_ms) : none, price, "median of front hop, transport and own work"],
    ["own queue of a RunPodSandbox", start ? `${exact(start.queue_p50_ms)} ms` : none, clock, "median wait for limits and locks of the daemon; not in the price"],
  ];
  return [
    h("caption", {}, "What the arrows of cri-shim cost on this machine"),
    h("tbody", {}, ...rows.map(([name, value, source, meaning]) => h("tr", {}, h("th", { scope: "row" }, name),
      h("td", { class: "value" }, value), h("td", {}, value === none ? "" : mark(source)), h("td", { class: "meaning" }, meaning)))),
  ];
}
