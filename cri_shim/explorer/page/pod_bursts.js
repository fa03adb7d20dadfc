// The life of a pod as a row of bursts: what happened together, and how long it was quiet in between. Each leads to its range.

import { h } from "./dom.js";
import { span } from "./format.js";
import { seriesOf } from "./pod_axis.js";

const MOST = 60;

/** A list of links. `address(range)` makes an address of `{ from, to, open }`; `shown` is the range in view. */
export function burstList(bursts, whole, address, shown) {
  const series = seriesOf(bursts);
  const drawn = series.slice(0, MOST);
  const items = drawn.flatMap((one, index) => {
    const quiet = index ? one.from - drawn[index - 1].to : 0;
    return [quiet > 0 ? h("li", { class: "quiet-time" }, `${span(quiet)} quiet`) : null, h("li", {}, link(one, address, shown))];
  });
  return h("ol", { class: "bursts", "aria-label": "Bursts of requests" }, ...items,
    series.length > MOST ? h("li", { class: "quiet-time" }, `and ${series.length - MOST} more until ${span(whole[1])}`) : null);
}

function link(one, address, shown) {
  const after = Math.max(0.05, (one.to - one.from) / 50);
  const inView = one.from >= shown.from && one.to <= shown.to;
  const often = one.count > 1 ? `, ${one.count} times, every ${span((one.to - one.from) / (one.count - 1))}` : "";
  return h("a", { href: address({ from: one.from.toFixed(3), to: (one.to + after).toFixed(3), open: "" }), class: inView ? "in-view" : "" },
    h("b", {}, one.from < 1 ? "0" : `+${span(one.from)}`), " ", one.count > 1 ? [...new Set(one.requests.map(({ method }) => method))].join(", ") : countsOf(one.requests), often,
    one.count === 1 ? h("small", {}, ` ${span(one.to - one.from)}`) : null,
    one.requests.some((request) => !request.running && request.code !== "OK") ? h("span", { class: "bad" }, " failed") : null);
}

function countsOf(requests) {
  const counts = new Map();
  for (const { method } of requests) counts.set(method, (counts.get(method) ?? 0) + 1);
  return [...counts].map(([method, count]) => (count > 1 ? `${method} ×${count}` : method)).join(", ");
}
