// The bill of a request: a bar whose parts add up to the wall time, and the figures.

import { h, placed } from "./dom.js";
import { brief, exact } from "./format.js";

/**
 * The wall time cut into parts that do not overlap and add up: hops alone, hops and helpers at once, helpers alone, own
 * time, and what of own time was spent waiting for others.
 */
export function parts(bill) {
  const both = Math.max(0, bill.hops_ms + bill.helpers_ms + bill.own_ms - bill.wall_ms);
  return [
    ["hops", "hops", Math.max(0, bill.hops_ms - both)],
    ["both", "hops and helpers at once", both],
    ["helpers", "helpers", Math.max(0, bill.helpers_ms - both)],
    ["own", "own", bill.own_ms],
  ].filter(([, , ms]) => ms > 0);
}

/** The bar, `whole` milliseconds long. */
export function bar(bill, whole = bill.wall_ms) {
  const pieces = parts(bill);
  const said = pieces.map(([, label, ms]) => `${label} ${brief(ms)}`).join(", ");
  const track = h("div", { class: "bar", role: "img", "aria-label": said, title: said });
  let left = 0;
  for (const [kind, , ms] of pieces) {
    const width = whole > 0 ? (ms / whole) * 100 : 0;
    track.append(placed(h("i", { class: kind }), left, width));
    left += width;
  }
  return track;
}

const MARK = { spans: "", estimate: "estimate", mixed: "partly estimate", none: "not known" };

/** The figures of `record` with those of its typical shape beside them. */
export function figures(record) {
  const { bill, typical } = record;
  const mark = record.hop_count ? MARK[bill.split] : "";
  const rows = [
    ["wall", "wall_ms", "from the request's first byte to the answer's last", ""],
    ["hops", "hops_ms", `at least one of ${record.hop_count} in flight; their sum is ${exact(bill.hops_sum_ms)}`, ""],
    ["helpers", "helpers_ms", `at least one of ${record.helper_count} ran; their sum is ${exact(bill.helpers_sum_ms)}`, ""],
    ["own", "own_ms", "neither a hop nor a helper in flight", ""],
    ["transport", "transport_ms", "hops on their way, nothing else going on", mark],
    ["work", "work_ms", "the daemon itself: CPU time, and waiting for its event loop", ""],
    ["queue", "queue_ms", "waiting for limits and locks of the daemon's own", ""],
    ["world", "world_ms", "containerd at work, programs, processes, registries", mark],
    ["front", "front_ms", "the hop between client and daemon, outside of wall", bill.front_known],
    ["price", "price_ms", "front + transport + work: what the extra hop cost", mark],
  ];
  return h(
    "table",
    { class: "figures" },
    h("caption", {}, "The bill, in milliseconds"),
    h(
      "thead",
      {},
      h("tr", {}, h("th", { scope: "col" }, "part"), h("th", { scope: "col" }, "this request"),
        h("th", { scope: "col" }, typical ? `typical of ${typical.count}` : "typical")),
    ),
    h(
      "tbody",
      {},
      ...rows.map(([name, key, meaning, marked]) =>
        h(
          "tr",
          { class: name },
          h("th", { scope: "row" }, h("b", {}, name), marked && h("em", { class: "mark" }, marked), h("small", {}, meaning)),
          h("td", { "data-figure": key }, exact(bill[key])),
          h("td", {}, typical ? exact(typical.bill[key]) : "–"),
        ),
      ),
    ),
  );
}

/** Both bars on one scale. */
export function bars(record) {
  const { bill, typical } = record;
  const whole = Math.max(bill.wall_ms, typical ? typical.bill.wall_ms : 0);
  const line = (label, of) => h("div", { class: "billed" }, h("span", {}, label), bar(of, whole), h("span", {}, brief(of.wall_ms)));
  return h("div", { class: "bars" }, line("this request", bill), typical && line("typical", typical.bill));
}

export function legend() {
  const keys = [["hops", "hop to containerd"], ["both", "hop and helper at once"], ["helpers", "helper (CNI plugin)"],
    ["own", "own time"]];
  return h("ul", { class: "legend" }, ...keys.map(([kind, label]) => h("li", {}, h("i", { class: kind }), label)));
}
