// One request as elements: its facts, its waterfall and its bill. It needs nothing but the record, so a file can hold it, too.

import { bars, figures, legend, priced } from "./bill.js";
import { copyButtons } from "./copy.js";
import { criticalPath } from "./critical_path.js";
import { h } from "./dom.js";
import { bytes, moment } from "./format.js";
import { named } from "./names.js";
import { podFacts } from "./request_pod.js";
import { measured, term } from "./sources.js";
import { waterfall } from "./waterfall.js";

const COUNTED = new Set(["out", "in", "repeats"]);
const WIDE = matchMedia("(min-width: 60.01rem)");

/** The view of `record`. `head` comes first, `links` below the title; `alone` leaves out what needs the daemon. */
export function requestView(record, { head = null, links = [], alone = false } = {}) {
  const outcome = record.running ? "running" : record.code;
  const json = ["Copy JSON", () => JSON.stringify(record, null, 2)];
  return [
    head,
    h("header", { class: "title" },
      h("h2", {}, record.method, " ", h("span", { class: "of" }, named(record))), h("span", { class: "number" }, `request ${record.id}`),
      h("span", { class: `outcome ${record.running ? "running" : record.code === "OK" ? "ok" : "bad"}` }, outcome),
      alone ? copyButtons(json) : copyButtons(["Copy link", () => location.href], json)),
    links.some(Boolean) && h("div", { class: "links" }, ...links),
    record.error && h("p", { class: "error" }, record.error),
    priced(record),
    facts(record),
    h("div", { class: "sides" },
      h("section", { "aria-label": "Waterfall" }, h("h3", { class: "heading" }, "When it did what"), waterfall(record), criticalPath(record)),
      h("section", { "aria-label": "Bill" }, h("h3", { class: "heading" }, "What it was made of"), bars(record), legend(),
        record.running ? figures(record) : folded("The bill, figure by figure", figures(record)))),
    !alone && take(record),
  ].filter(Boolean);
}

function facts(record) {
  const counted = measured("Counted by the client of containerd: serialised messages of this request's hops, and attempts beyond the first. What unfinished hops carry is not known, and not in it.");
  const unfinished = record.unfinished_hop_count ? ` (${record.unfinished_hop_count} unfinished not counted)` : "";
  const all = [["started", moment(record.started_at)], ["CRI", record.api], ["out", `${bytes(record.bytes_out)}${unfinished}`], ["in", `${bytes(record.bytes_in)}${unfinished}`],
    ["repeats", record.retries], ...(record.trace_id ? [["trace", record.trace_id]] : []), ...podFacts(record)];
  return h("dl", { class: "facts" }, ...all.map(([name, value]) => h("div", {}, h("dt", {}, COUNTED.has(name) ? term(counted, name) : name), h("dd", {}, String(value)))));
}

// Open where there is room for it, and closed on a phone, until the reader decides.
function folded(title, content) {
  const details = h("details", { class: "folded" }, h("summary", { onclick: () => (details.dataset.chosen = "") }, title), content);
  details.open = WIDE.matches;
  return details;
}

// One listener for all: one for each would keep every view that was ever shown.
WIDE.addEventListener("change", () => {
  for (const details of document.querySelectorAll(".folded:not([data-chosen])")) details.open = WIDE.matches;
});

function take(record) {
  const from = document.body.dataset.recording === undefined ? "" : " --recording FILE";
  const command = (form, file) => h("li", {}, h("code", {}, `cri-shim hops show ${record.id}${from} --format ${form} > ${file}`));
  return h("details", { class: "take" }, h("summary", {}, "Take it with you"),
    h("ul", {},
      command("html", `request-${record.id}.html`), h("li", { class: "hint" }, "this view as one file, which any browser opens without a daemon"),
      command("trace-event", `request-${record.id}.json`), h("li", { class: "hint" }, "a trace that Perfetto (ui.perfetto.dev) and chrome://tracing open"),
      ...(from ? [] : [h("li", {}, h("code", {}, "cri-shim hops record FILE")), h("li", { class: "hint" }, "everything that the daemon remembers; cri-shim hops open FILE shows it on this page, on any machine")])));
}
