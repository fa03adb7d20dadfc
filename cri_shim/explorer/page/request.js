// One request: its facts, its bill and its waterfall.

import { addressOf, parsed } from "./address.js";
import { get, listen } from "./api.js";
import { bars, figures, legend } from "./bill.js";
import { h } from "./dom.js";
import { bytes, clock } from "./format.js";
import { nameOf, named } from "./names.js";
import { podFacts, podLinks } from "./request_pod.js";
import { setTitle } from "./router.js";
import { measured, term } from "./sources.js";
import { waterfall } from "./waterfall.js";

const place = document.getElementById("request");
const COUNTED = new Set(["out", "in", "repeats"]);
let shown = 0;
let drawing = 0;

/** Show request `id`. */
export async function openRequest(id) {
  const first = shown !== id;
  shown = id;
  const number = (drawing += 1);
  if (first) place.replaceChildren(h("p", { class: "hint" }, `Request ${id} …`));
  try {
    const record = await get(`/api/requests/${id}`);
    if (number !== drawing) return;
    setTitle(`${record.method} ${nameOf(record)}`.trim());
    place.replaceChildren(...drawn(record));
  } catch (error) {
    if (number !== drawing) return;
    place.replaceChildren(back(), h("h2", { tabindex: "-1" }, `Request ${id}`), h("p", { class: "error" }, error.message));
  }
  if (first && matchMedia("(max-width: 60rem)").matches) place.focus();
}

/** Show the meaning of the words instead of a request. */
export function closeRequest() {
  shown = 0;
  drawing += 1;
  place.replaceChildren(...words());
}

function drawn(record) {
  const subject = podFacts(record).map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, value)));
  const counted = measured("Counted by the client of containerd: serialised messages of this request's hops, and attempts beyond the first.");
  const facts = [["started", clock(record.started_at)], ["CRI", record.api], ["out", bytes(record.bytes_out)], ["in", bytes(record.bytes_in)],
    ["repeats", record.retries], ...(record.trace_id ? [["trace", record.trace_id]] : [])];
  const outcome = record.running ? "running" : record.code;
  return [
    back(),
    h("header", { class: "title" },
      h("h2", {}, record.method, " ", h("span", { class: "of" }, named(record))), h("span", { class: "number" }, `request ${record.id}`),
      h("span", { class: `outcome ${record.running ? "running" : record.code === "OK" ? "ok" : "bad"}` }, outcome)),
    podLinks(record),
    record.error && h("p", { class: "error" }, record.error),
    h("dl", { class: "facts" }, ...facts.map(([name, value]) => h("div", {}, h("dt", {}, COUNTED.has(name) ? term(counted, name) : name), h("dd", {}, String(value)))), ...subject),
    h("section", { "aria-label": "Bill" }, bars(record), legend(), figures(record)),
    h("section", { "aria-label": "Waterfall" }, h("h3", { class: "heading" }, "When it did what"), waterfall(record)),
    ["RunPodSandbox", "CreateContainer", "StartContainer"].includes(record.method) && !record.running &&
      h("p", {}, h("a", { href: `#/architecture/${record.id}` }, "Watch it in the architecture, in slow motion")),
  ].filter(Boolean);
}

function back() {
  return h("p", { class: "back" }, h("a", { href: addressOf("requests", "", parsed().query) }, "← Requests"), h("kbd", {}, "Esc"));
}

function words() {
  const meanings = [
    ["request", "one CRI call as it came in from the kubelet"],
    ["hop", "one gRPC call from this daemon to containerd"],
    ["helper", "one program that this daemon ran: a CNI plugin"],
    ["transport", "the part of a hop that is not containerd at work: serialising, socket, scheduling"],
    ["own work", "the daemon itself: its CPU time, and waiting for its event loop or a core"],
    ["own queue", "waiting for limits and locks of the daemon: the plugin has contention in its place, so it is never in the price"],
    ["the world", "what any daemon would wait for: containerd at work, programs, processes, registries"],
    ["front hop", "client, daemon and back: outside of the wall time, and for reads nearly all of the price"],
    ["price", "front hop + transport + own work: what the extra process costs"],
  ];
  return [
    h("h2", {}, "Choose a request"),
    h("p", { class: "hint" }, "Each request from the kubelet is here as it happens, with what it cost and where the time went."),
    h("dl", { class: "words" }, ...meanings.map(([word, text]) => h("div", {}, h("dt", {}, word), h("dd", {}, text)))),
    legend(),
  ];
}

// A request that is shown while it runs is redrawn as it goes on.
let soon = 0;
listen((name, data) => {
  if (!shown || data?.id !== shown || soon) return;
  soon = setTimeout(() => {
    soon = 0;
    if (shown === data.id) openRequest(shown);
  }, 250);
});
