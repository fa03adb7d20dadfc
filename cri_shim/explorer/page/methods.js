// Totals by method, over the requests that the ledger still has.

import { addressOf } from "./address.js";
import { get, listen } from "./api.js";
import { PARTS, fill, unknownParts } from "./bill.js";
import { h, placed } from "./dom.js";
import { keptFocus } from "./focus.js";
import { brief, isRead, percent } from "./format.js";
import { refresher } from "./refresh.js";
import { mark, measured, ofFront, ofPrice, ofSplit, term } from "./sources.js";
import { failed, noRequestYet } from "./states.js";

const SOON = 1000; // milliseconds until totals that have changed are asked for
const CHANGES = ["open", "lost", "end", "settled"]; // the events after which they may be different
const place = document.getElementById("methods");
let asking = 0;

const CLOCK = measured("The daemon's own clock, over the requests that are still remembered.");
const COUNTED = measured("Counted in the ledger, over the requests that are still remembered.");
const HEADS = [
  ["count", COUNTED], ["errors", COUNTED], ["median", CLOCK], ["p95", CLOCK], ["p99", CLOCK], ["slowest", CLOCK],
  ["wall time, in parts", measured("Sums over the remembered requests. Work and queue are measured; the price of each row says how transport is known apart from the world.")],
  ["hops each", COUNTED], ["own queue", CLOCK], ["price"],
];

export async function showMethods() {
  const number = (asking += 1);
  const answer = await get("/api/methods").catch((error) => ({ error }));
  if (place.hidden || number !== asking) return;
  if (answer.error) {
    if (!place.querySelector("table")) place.replaceChildren(h("h2", {}, "Totals by method"), failed(answer.error, "The totals"));
    return; // what was drawn stays
  }
  if (!answer.methods.length) return place.replaceChildren(h("h2", {}, "Totals by method"), noRequestYet(answer.ledger));
  const refocus = keptFocus(place);
  const rows = answer.methods.sort((one, other) => isRead(one.method) - isRead(other.method) || other.p50_ms - one.p50_ms || (one.method < other.method ? -1 : 1));
  place.replaceChildren(
    h("h2", {}, "Totals by method"),
    h("p", { class: "hint" }, "Over the requests that are still remembered. Price and own queue are medians: the price is front hop, transport and own work, and the queue is not in it."),
    h(
      "table",
      { class: "totals" },
      h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "method"),
        ...HEADS.map(([head, source]) => h("th", { scope: "col" }, source ? term(source, head) : head)))),
      h("tbody", {}, ...rows.map(line)),
    ),
    h("ul", { class: "legend" }, ...PARTS.map(([part, label]) => h("li", {}, h("i", { class: part }), label))),
  );
  refocus();
}

function line(row) {
  const cells = [
    String(row.count), String(row.errors), brief(row.p50_ms), brief(row.p95_ms), brief(row.p99_ms), brief(row.max_ms),
    shares(row), row.hops_per_request.toFixed(1), brief(row.queue_p50_ms), price(row),
  ];
  return h(
    "tr",
    { "data-method": row.method },
    h("th", { scope: "row" }, h("a", { href: addressOf("requests", "", { method: row.method }) }, row.method)),
    ...cells.map((cell, index) => h("td", { "data-head": HEADS[index][0], class: index === 1 && row.errors ? "bad" : "" }, cell)),
  );
}

function price(row) {
  const off = row.price_error_p50_ms ? ` ±${brief(row.price_error_p50_ms)}` : "";
  const parts = [["front hop", row.front_p50_ms, ofFront(row.front_known)], ["transport", row.transport_p50_ms, ofSplit(row.split, row.hops_per_request)],
    ["own work", row.work_p50_ms, CLOCK]];
  const source = ofPrice(row.split, row.front_known, row.hops_per_request);
  const said = parts.map(([name, ms, known]) => (known.kind === "not known" ? `${name} not known` : `${name} ${brief(ms)}`)).join(", ");
  const unknown = unknownParts(row, row.hops_per_request);
  const without = unknown && h("small", {}, `without ${unknown}`);
  return h("span", { class: "price" }, without, `${brief(row.price_p50_ms)}${off} `, mark({ ...source, how: `Medians: ${said}. ${source.how}` }));
}

function shares(row) {
  const said = PARTS.map(([part, label]) => `${label} ${percent(row[`${part}_share`])}`).join(", ");
  const wall = placed(h("div", { class: "wall" }), 0, 100);
  fill(wall, PARTS.map(([part]) => [part, row[`${part}_share`] * 100]));
  return h("div", { class: "bar shares", role: "img", "aria-label": said, title: said }, wall);
}

const again = refresher(() => !place.hidden && showMethods());
listen((name) => {
  if (CHANGES.includes(name) && !place.hidden) again(SOON);
});
