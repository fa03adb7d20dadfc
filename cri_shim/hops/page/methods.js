// Totals by method over what the ledger still has.

import { get, listen } from "./api.js";
import { h, placed } from "./dom.js";
import { brief, isRead, percent } from "./format.js";

const place = document.getElementById("methods");
let timer = 0;

export async function showMethods() {
  const answer = await get("/api/methods").catch(() => null);
  if (!answer || place.hidden) return;
  const rows = answer.methods.sort((one, other) => isRead(one.method) - isRead(other.method) || other.p50_ms - one.p50_ms);
  const heads = ["method", "count", "errors", "median", "p95", "p99", "slowest", "hops · helpers · own", "hops each", "price"];
  place.replaceChildren(
    h("h2", {}, "Totals by method"),
    h("p", { class: "hint" }, "Over the requests that are still remembered. Price: the median price of the extra hop, front hop, transport and own work."),
    h(
      "table",
      { class: "totals" },
      h("thead", {}, h("tr", {}, ...heads.map((head) => h("th", { scope: "col" }, head)))),
      h("tbody", {}, ...rows.map((row) => line(row, heads))),
    ),
  );
}

function line(row, heads) {
  const cells = [
    String(row.count), String(row.errors), brief(row.p50_ms), brief(row.p95_ms), brief(row.p99_ms), brief(row.max_ms),
    shares(row), row.hops_per_request.toFixed(1), brief(row.price_p50_ms),
  ];
  return h(
    "tr",
    { "data-method": row.method },
    h("th", { scope: "row" }, h("a", { href: `#/requests?method=${row.method}` }, row.method)),
    ...cells.map((cell, index) => h("td", { "data-head": heads[index + 1], class: index === 1 && row.errors ? "bad" : "" }, cell)),
  );
}

// Three thin bars, not one: hops and helpers overlap, their shares may add up to more than the whole.
function shares(row) {
  const said = `hops ${percent(row.hops_share)}, helpers ${percent(row.helpers_share)}, own ${percent(row.own_share)}`;
  const lines = [["hops", row.hops_share], ["helpers", row.helpers_share], ["own", row.own_share]];
  return h("div", { class: "shares", role: "img", "aria-label": said, title: said },
    ...lines.map(([kind, share]) => h("div", {}, placed(h("i", { class: kind }), 0, Math.min(1, share) * 100))));
}

listen((name) => {
  if (name !== "end" || place.hidden || timer) return;
  timer = setTimeout(() => {
    timer = 0;
    showMethods();
  }, 1000);
});
