// The bill of a request: a bar of four parts that add up to the wall time, with the front hop at both ends, and the figures.

import { h, placed } from "./dom.js";
import { brief, exact } from "./format.js";
import { mark, measured, ofFront, ofPrice, ofSplit, term } from "./sources.js";

/** The parts of the wall time; they do not overlap, and they add up to all of it. */
export const PARTS = [
  ["transport", "transport"],
  ["work", "own work"],
  ["queue", "own queue"],
  ["world", "waiting for the world"],
];

/** The bar, `whole` milliseconds long; the front hop is outside of the wall time, half of it at each end. */
export function bar(bill, whole = bill.front_ms + bill.wall_ms) {
  const pieces = PARTS.map(([part, label]) => [part, label, bill[`${part}_ms`]]).filter(([, , ms]) => ms > 0);
  const front = bill.front_ms > 0 ? [`front hop ${brief(bill.front_ms)}`] : [];
  const said = [...pieces.map(([, label, ms]) => `${label} ${brief(ms)}`), ...front].join(", ");
  const share = (ms, of) => (of > 0 ? (ms / of) * 100 : 0);
  const wall = placed(h("div", { class: "wall" }), share(bill.front_ms / 2, whole), share(bill.wall_ms, whole));
  fill(wall, pieces.map(([part, , ms]) => [part, share(ms, bill.wall_ms)]));
  const track = h("div", { class: "bar", role: "img", "aria-label": said, title: said }, wall);
  if (bill.front_ms > 0) {
    const half = share(bill.front_ms / 2, whole);
    track.append(placed(h("i", { class: "front" }), 0, half), placed(h("i", { class: "front" }), half + share(bill.wall_ms, whole), half));
  }
  return track;
}

/** Put the parts of a wall time side by side: `widths` has names and percent. */
export function fill(wall, widths) {
  let left = 0;
  for (const [part, width] of widths) {
    if (width > 0) wall.append(placed(h("i", { class: part }), left, width));
    left += width;
  }
}

const CLOCK = "The daemon's own clock: ";

/** The rows of the table: key, label, what it means, its source, and the key of its error. */
function rowsOf(record) {
  const { bill } = record;
  const split = ofSplit(bill.split, record.hop_count);
  const known = [bill.front_known !== "none" && "front hop", (!record.hop_count || bill.split !== "none") && "transport", "own work"].filter(Boolean).join(" + ");
  return {
    "The wall time adds up": [
      ["wall", "wall", "from the request's bytes to the answer's", measured(`${CLOCK}from having the request's bytes to the answer's bytes being made. A client's own time is longer by the front hop.`)],
      ["transport", "transport", "hops on their way, while the request waited for nothing else", split, "transport_error"],
      ["work", "own work", "the daemon itself", measured(`${CLOCK}what is left of the wall time when hops, helpers and waits are taken away.`)],
      ["work_cpu", "CPU", "", measured("The CPU clock of the daemon's threads, while no hop, helper or wait of this request was under way.")],
      ["work_wait", "waiting to go on", "", measured("Own work less its CPU time: ready, and waiting for the event loop, the interpreter's lock or a core.")],
      ["queue", "own queue", "limits and locks of the daemon; never in the price", measured(`${CLOCK}around each wait for a slot, a lock or a free thread, as far as no hop or helper was under way and nothing of the world was waited for.`)],
      ["world", "waiting for the world", "containerd at work, programs, processes, registries", { ...split,
        how: `${CLOCK}hops, helpers and waits for what is not the daemon's. Where containerd at work ends and transport begins: ${split.how}` }, "transport_error"],
    ],
    "The price": [
      ["front", "front hop", "client, daemon, client: outside of the wall time", ofFront(bill.front_known), "front_error"],
      ["price", "price", `${known}${withoutUnknown(bill, record.hop_count)}`, ofPrice(bill.split, bill.front_known, record.hop_count), "price_error"],
    ],
    "Beside it": [
      ["hops", "hops", `at least one of ${record.hop_count} in flight`, measured(`${CLOCK}the union of all hops.`)],
      ["hops_sum", "hops, one by one", "their sum: they overlap", measured(`${CLOCK}each hop from its call to its answer.`)],
      ["daemon_sum", "containerd", "its share of that sum", split],
      ["transport_sum", "transport, all", "the rest, also what is hidden behind other work", split],
      ["helpers", "helpers", `at least one of ${record.helper_count} ran`, measured(`${CLOCK}the union of all runs of CNI plugins.`)],
      ["own", "own time", "neither a hop nor a helper in flight", measured(`${CLOCK}the wall time less both unions.`)],
    ],
  };
}

/** The figures of `record` with those of its typical shape beside them. */
export function figures(record) {
  const { bill, typical } = record;
  if (record.running) return h("p", { class: "hint" }, "It still runs; the bill is complete when it has been answered.");
  const many = typical ? `typical of ${typical.count}` : "typical";
  const usual = measured("Medians of the last requests of this method that went well, without this one, each figure by itself: they need not add up.");
  const heads = ["milliseconds", "this request", "±", typical ? term(usual, many) : many];
  const parts = Object.entries(rowsOf(record)).map(([title, rows]) =>
    h("tbody", { "data-group": title },
      h("tr", { class: "group" }, h("th", { scope: "rowgroup", colspan: "4" }, title)),
      ...rows.map((row) => line(bill, typical, ...row))));
  return h("table", { class: "figures" }, h("caption", {}, "The bill"),
    h("thead", {}, h("tr", {}, ...heads.map((head) => h("th", { scope: "col" }, head)))), ...parts);
}

function line(bill, typical, name, label, meaning, source, error = "") {
  const key = `${name}_ms`;
  const known = source.kind !== "not known";
  const off = error && known ? bill[`${error}_ms`] : 0;
  return h(
    "tr",
    { class: name },
    h("th", { scope: "row" }, h("div", {}, h("b", {}, h("i", { class: `key ${name}` }), label), mark(source), h("small", {}, meaning))),
    h("td", { "data-figure": key }, known ? exact(bill[key]) : "–"),
    h("td", { "data-error": key }, off ? `±${exact(off)}` : ""),
    h("td", {}, typical && (name !== "front" || typical.bill.front_known !== "none") ? exact(typical.bill[key]) : "–"),
  );
}

/** The bar of the request, and that of a typical one, on one scale. */
export function bars(record) {
  const { bill, typical } = record;
  if (record.running) return null;
  const whole = Math.max(...[bill, typical?.bill].filter(Boolean).map((of) => of.front_ms + of.wall_ms));
  const line = (label, of) => h("div", { class: "billed" }, h("span", {}, label), bar(of, whole), h("span", {}, brief(of.wall_ms)));
  return h("div", { class: "bars" }, line("this request", bill), typical && line("typical", typical.bill));
}

/** A price at a glance: `~` marks one with an estimate in it, `≥` one with an unknown part. */
export function briefPrice(bill, hops) {
  return `${unknownParts(bill, hops) ? "≥" : "~"}${brief(bill.price_ms)}`;
}

/** How the sum of the prices of `requests` is known, in the words of one bill, with `hop_count`. What is unknown of one is unknown of the sum. */
export function summed(requests) {
  // A request that runs has no price yet, and how transport is known says nothing of one without a hop.
  const ended = requests.filter((one) => !one.running);
  const word = (words) => (words.includes("none") || !words.length ? "none" : new Set(words).size > 1 ? "mixed" : words[0]);
  return {
    front_known: word(ended.map((one) => one.bill.front_known)),
    split: word(ended.filter((one) => one.hop_count).map((one) => one.bill.split)),
    hop_count: ended.reduce((all, one) => all + one.hop_count, 0),
  };
}

/** What the hop cost, in one line; nothing while the request runs. */
export function priced(record) {
  const { bill } = record;
  if (record.running) return null;
  const off = bill.price_error_ms ? ` ±${brief(bill.price_error_ms)}` : "";
  const waited = bill.queue_ms >= 0.001 && `Besides, ${brief(bill.queue_ms)} in the daemon's own queue, which is not part of the price.`;
  return h("p", { class: "priced" }, "The hop cost ", h("b", {}, brief(bill.price_ms)), off, withoutUnknown(bill, record.hop_count), " ",
    mark(ofPrice(bill.split, bill.front_known, record.hop_count)), waited && h("small", {}, waited));
}

/** What is not in a price because it is not known; `known` is a bill or totals, made of so many hops. */
export function unknownParts(known, hops) {
  return [known.front_known === "none" && "the front hop", hops > 0 && known.split === "none" && "transport"].filter(Boolean).join(" and ");
}

/** What to add to a price that has an unknown part. */
export function withoutUnknown(known, hops) {
  const unknown = unknownParts(known, hops);
  return unknown && `, without ${unknown}`;
}

export function legend() {
  const keys = [["front", "front hop, at both ends"], ...PARTS];
  return h("ul", { class: "legend" }, ...keys.map(([kind, label]) => h("li", {}, h("i", { class: kind }), label)));
}
