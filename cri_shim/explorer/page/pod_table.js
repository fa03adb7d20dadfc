// The requests of a pod as a table: what the timeline draws, readable without a mouse and on paper.

import { addressOf } from "./address.js";
import { briefPrice } from "./bill.js";
import { h } from "./dom.js";
import { brief, moment, span } from "./format.js";

/** The table of `requests`. `zoomTo(request)` returns the address that shows it alone, with a row for each hop. */
export function requestTable(requests, { origin, opened, lanes, zoomTo }) {
  const laneOf = new Map(lanes.flatMap((lane) => lane.requests.map((one) => [one.id, lane.name])));
  const heads = ["request", "of", "after", "at", "took", "hops", "price", "outcome", "its hops"];
  return h("table", { class: "pod-requests" },
    h("caption", {}, "Its requests"),
    h("thead", {}, h("tr", {}, ...heads.map((head) => h("th", { scope: "col" }, head)))),
    h("tbody", {}, ...requests.map((one) => {
      const cells = [
        laneOf.get(one.id) ?? "pod",
        one.start < 1 ? "0" : `+${span(one.start)}`,
        moment(one.started_at),
        one.running ? "running" : brief(one.bill.wall_ms),
        String(one.hop_count),
        one.running ? "–" : briefPrice(one.bill, one.hop_count),
        one.running ? "" : h("span", { class: one.code === "OK" ? "" : "bad", title: one.error || null }, one.code),
        h("a", { href: zoomTo(one), "aria-label": `Unfold ${one.method}, request ${one.id}`, "aria-current": opened.has(one.id) ? "true" : null }, "unfold"),
      ];
      return h("tr", { "data-request": one.id },
        h("th", { scope: "row" }, h("a", { href: addressOf("request", one.id), id: `pod-request-${one.id}` }, one.method)),
        ...cells.map((cell, index) => h("td", { "data-head": heads[index + 1] }, cell)));
    })));
}
