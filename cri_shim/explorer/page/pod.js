// One pod, from RunPodSandbox to RemovePodSandbox: its facts, its timeline, and its requests as a table.

import { addressOf, go, parsed } from "./address.js";
import { getOne, listen } from "./api.js";
import { summed, unknownParts, withoutUnknown } from "./bill.js";
import { h } from "./dom.js";
import { keptFocus } from "./focus.js";
import { brief, counted, dated, span } from "./format.js";
import { podName } from "./names.js";
import { axisOf, burstsOf } from "./pod_axis.js";
import { burstList } from "./pod_bursts.js";
import { lanesOf, originOf, timed } from "./pod_lanes.js";
import { selecting } from "./pod_selection.js";
import { fetchPod } from "./pod_source.js";
import { addressOfRow } from "./pods.js";
import { requestTable } from "./pod_table.js";
import { momentsOf, timeline } from "./pod_timeline.js";
import { refresher } from "./refresh.js";
import { mark, measured, ofPrice } from "./sources.js";
import { failed, noRequestYet } from "./states.js";
import { setTitle } from "./router.js";

const place = document.getElementById("pod");
const MOST_DETAILED = 40; // requests in view whose hops are drawn
const MOST_BURSTS = 24; // bursts that are drawn at once
const SOON = 300; // milliseconds after an event about the pod
const FARTHEST = 1e12; // milliseconds, 30 years: an end of a range beyond it is none
const RUNNING = 1000; // milliseconds after which a request that runs is drawn longer

let shown = ""; // the id in the address
let pod = null;
let records = new Map(); // details of ended requests, by id
let drawing = 0;
let rowWanted = false; // whether the row in the address has the focus when it is drawn: not each time that the pod goes on

/** Show the pod `id`. `query`: `from` and `to` (milliseconds on its time), `open` (requests with a row for each hop), `reads`, `scale`. */
export async function showPod(id, query) {
  const number = (drawing += 1);
  rowWanted ||= query !== null;
  if (shown !== id) {
    shown = id;
    pod = null;
    records = new Map();
    place.replaceChildren(back(), h("p", { class: "hint" }, `Pod ${id.slice(0, 12)} …`));
  }
  try {
    const fetched = !pod || query === null ? await fetchPod(id) : pod;
    if (number !== drawing) return; // another pod may be shown by now
    pod = fetched;
    const view = viewOf(query ?? parsed().query);
    const details = await fetchRecords(view.detailed);
    if (number !== drawing) return;
    for (const record of details) records.set(record.id, record);
    if (selecting()) return again(SOON);
    draw(view);
    if (view.requests.some((one) => one.running)) again(RUNNING);
  } catch (error) {
    if (number !== drawing || (pod && !error.status)) return; // while the daemon is away, what was drawn stays
    pod = null;
    const what = id ? `Pod ${id.slice(0, 12)}` : "A pod without an id";
    place.replaceChildren(back(), h("h2", {}, what), failed(error, what, ...ways(id, error)));
  }
}

// Where to go on from a pod that is not shown. Of several pods whose ids begin alike, the list has those.
function ways(id, { status }) {
  const every = h("a", { href: addressOf("pods") }, "The pods that exist, and those that are remembered");
  return status === 404 || !id ? [every] : [h("a", { href: addressOf("pods", "", { search: id.slice(0, 64) }) }, `Pods whose id begins with ${id.slice(0, 12)}`), every];
}

/** Go `by` rows down in the table of requests. */
export function moveInPod(by) {
  const links = [...place.querySelectorAll(".pod-requests th a")];
  const at = links.indexOf(document.activeElement);
  links[Math.max(0, Math.min(links.length - 1, at < 0 ? 0 : at + by))]?.focus();
}

// The range to draw: the one in the address or, without one, the pod's life up to the burst with which the page is full.
function viewOf(query) {
  const origin = originOf(pod);
  const reads = query.has("reads");
  const requests = timed(pod, origin, { reads });
  const bursts = burstsOf(requests);
  const page = bursts.slice(0, MOST_BURSTS);
  const whole = [Math.min(0, requests[0]?.start ?? 0), Math.max(1, ...requests.map((one) => one.end))];
  const number = (name, otherwise) => (query.has(name) && Math.abs(Number(query.get(name))) <= FARTHEST ? Number(query.get(name)) : otherwise);
  const from = number("from", whole[0]);
  const to = Math.max(from + 0.001, number("to", bursts.length > MOST_BURSTS ? page.at(-1).to : whole[1]));
  const inView = requests.filter((one) => one.end >= from && one.start <= to);
  return { origin, reads, requests, bursts, whole, from, to, inView, query, ranged: query.has("from") || query.has("to"),
    toScale: query.has("scale"), opened: new Set((query.get("open") ?? "").split(",").filter(Boolean).map(Number)),
    detailed: inView.length <= MOST_DETAILED ? inView : [] };
}

async function fetchRecords(requests) {
  const asked = requests.filter((one) => !records.has(one.id) || records.get(one.id).running);
  const answers = await Promise.all(asked.map((one) => getOne(`/api/requests/${one.id}`, { typical: "0", neighbours: "0" }).catch(() => null))); // null: forgotten meanwhile
  return answers.filter(Boolean);
}

function draw(view) {
  const { origin, requests, bursts, whole, from, to, inView, detailed, opened, toScale } = view;
  const refocus = keptFocus(place);
  const taking = place.querySelector(".take")?.open ?? false; // what the reader has opened stays open
  const details = new Map(detailed.filter((one) => records.has(one.id)).map((one) => [one.id, records.get(one.id)]));
  const lanes = lanesOf(pod, origin, requests);
  const ends = lanes.flatMap(({ life }) => (life ? [life.start, life.end] : [])).filter((at) => at !== null && Number.isFinite(at));
  const axis = axisOf(from, to, [...momentsOf(inView, details), ...ends], inView.map((one) => [one.start, one.end]), { toScale });
  if (!place.hidden) setTitle(podName(pod)); // else the reader has gone to another view
  place.replaceChildren(
    back(),
    h("header", { class: "title" }, h("h2", {}, podName(pod)), h("span", { class: `pod-state ${pod.state.replace(" ", "-")}` }, pod.state)),
    ...(pod.reason ? [h("p", { class: "hint" }, pod.reason)] : []),
    facts(),
    summary(requests),
    requests.length
      ? h("section", { "aria-label": "Timeline" },
        h("h3", {}, "From its first request to its last"),
        controls(view),
        bursts.length > 1 ? burstList(bursts, whole, (range) => address(range), { from, to }) : "",
        timeline({ lanes, axis, records: details, opened, origin, zoom: (start, end) => go(address({ from: start.toFixed(3), to: end.toFixed(3) })) }),
        detailed.length ? h("ul", { class: "legend" }, ...[["hop", "hops"], ["helper", "helpers"]].map(([kind, label]) => h("li", {}, h("i", { class: kind }), label))) : "",
        notes(view, axis),
        requestTable(requests, { origin, opened, lanes, zoomTo: (one) => address({ ...around(one), open: one.id }) }),
        take(taking))
      : pod.ledger === false ? noRequestYet(pod.ledger)
        : h("p", { class: "hint" }, "No request about it is remembered. The daemon knows it from containerd: it was made before the daemon was started, or so long ago that the ledger has forgotten it."),
  );
  const row = view.query.get("row");
  if (!refocus() && row && rowWanted && document.activeElement === document.body) document.getElementById(`pod-request-${row}`)?.focus();
  rowWanted = false;
}

// The row with the focus is in the address, so that reload and Back come to it again.
place.addEventListener("focusin", ({ target }) => {
  const row = target.closest(".pod-requests tr")?.dataset.request;
  if (row) history.replaceState(null, "", address({ row }));
});

// From the beginning of a request to its end, so that no other is in it.
function around({ start, end }) {
  return { from: start.toFixed(3), to: (end + 0.001).toFixed(3) };
}

// The address of this pod with some of the choices changed.
function address(more) {
  return addressOf("pod", shown, { ...Object.fromEntries(parsed().query), ...more });
}

function back() {
  return h("p", { class: "back-to" }, h("a", { href: addressOfRow(shown) }, "← Pods"), " ", h("kbd", {}, "Esc"));
}

function facts() {
  const containers = pod.containers.map((one) => `${one.name || one.id.slice(0, 12)} (${one.state}${one.exit_code === null ? "" : `, exit code ${one.exit_code}`})`);
  const rows = [["id", pod.id], ["uid", pod.uid], ["attempt", pod.attempt || ""], ["created", pod.created_at ? dated(pod.created_at) : ""],
    ["removed", pod.removed_at ? dated(pod.removed_at) : ""], ["runtime handler", pod.handler], ["addresses", pod.ips.join(", ")],
    ["containers", containers.join(", ")], ["images", [...new Set(pod.containers.map((one) => one.image).filter(Boolean))].join(", ")]];
  return h("dl", { class: "facts" }, ...rows.filter(([, value]) => value !== "").map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, String(value)))));
}

// A name goes into a command only if a shell takes it for nothing else; those of a kubelet do.
function take(open) {
  const name = podName(pod);
  if (!/^[a-z0-9.-]+\/[a-z0-9.-]+$/.test(name)) return "";
  const from = document.body.dataset.recording === undefined ? "" : " --recording FILE";
  return h("details", { class: "take", open }, h("summary", {}, "Take it with you"),
    h("ul", {}, h("li", {}, h("code", {}, `cri-shim hops show --pod ${name}${from} --format trace-event > pod.json`)),
      h("li", { class: "hint" }, "a trace of all these requests that Perfetto (ui.perfetto.dev) and chrome://tracing open")));
}

function summary(requests) {
  if (!requests.length) return "";
  const sum = (name) => requests.reduce((all, one) => all + (one.bill[name] ?? 0), 0);
  const known = summed(requests);
  const source = ofPrice(known.split, known.front_known, known.hop_count);
  const off = sum("price_error_ms") ? ` ±${brief(sum("price_error_ms"))}` : "";
  const ended = requests.filter((one) => !one.running);
  const lacking = ended.filter((one) => unknownParts(one.bill, one.hop_count)).length;
  const without = lacking === ended.length ? withoutUnknown(known, known.hop_count) : lacking ? `, without parts that are not known of ${lacking} of them` : "";
  return h("p", { class: "priced" }, `${counted(requests.length, "request")} took `, brief(sum("wall_ms")), ` in all, with ${counted(hopsOf(requests), "hop")}. The hop cost `,
    h("b", {}, brief(sum("price_ms"))), off, without, " ", mark({ ...source, how: `The prices of these requests, added up. ${source.how}` }));
}

function hopsOf(requests) {
  return requests.reduce((all, one) => all + one.hop_count, 0);
}

function controls({ reads, toScale, ranged, bursts, from, to, whole }) {
  const page = (id, some, label) => some.length > 0 &&
    h("a", { id, class: "toggle", href: address({ from: some[0].from.toFixed(3), to: (some.at(-1).to + 0.05).toFixed(3), open: "" }) }, label);
  const toggle = (name, on, label) => h("a", { id: `pod-${name}`, class: "toggle", role: "button", "aria-pressed": String(on),
    href: address({ [name]: on ? "" : "1" }), onkeydown: pressedBySpace }, label);
  const outside = to < whole[1] || from > whole[0];
  return h("p", { class: "controls" },
    outside || ranged ? h("a", { id: "pod-all", class: "toggle", href: address({ from: ranged && bursts.length <= MOST_BURSTS ? "" : whole[0], to: ranged && bursts.length <= MOST_BURSTS ? "" : whole[1], open: "" }) }, "All of it") : "",
    page("pod-earlier", bursts.filter((one) => one.to < from).slice(-MOST_BURSTS), "← Earlier"),
    page("pod-later", bursts.filter((one) => one.from > to).slice(0, MOST_BURSTS), "Later →"),
    toggle("reads", reads, "Reads"), toggle("scale", toScale, "To scale, nothing left out"));
}

// A link is followed by Enter alone, and a button is pressed by either key.
function pressedBySpace(event) {
  if (event.key !== " ") return;
  event.preventDefault();
  event.currentTarget.click();
}

function notes({ inView, detailed, requests, from, to }, axis) {
  const cuts = axis.segments.filter(({ cut }) => cut);
  const left = cuts.reduce((sum, one) => sum + one.to - one.from, 0);
  const said = [
    cuts.length
      ? `The axis leaves out ${cuts.length === 1 ? "one stretch" : `${cuts.length} stretches`} in which nothing begins or ends, ${span(left)} in all: the hatched columns, with their length above. Everything else is on one scale, ${span(axis.drawn)} of ${span(to - from)}.`
      : `Nothing is left out: ${span(to - from)} on one scale.`,
    requests.length > inView.length ? `${inView.length} of ${requests.length} requests are in view.` : "",
    detailed.length ? "" : `Hops are drawn when at most ${MOST_DETAILED} requests are in view: choose a burst, or draw over the timeline with the mouse.`,
  ];
  return h("p", { class: "hint" }, mark(measured("The daemon's clock: when each request came in, and how long it took. A hop's place is its start after the request's.")), " ", said.filter(Boolean).join(" "));
}

listen((name, data) => {
  if (!shown) return;
  if (place.hidden) {
    // What happens meanwhile is asked for when the reader comes back, and an answer that is under way is of before.
    [pod, records] = [null, new Map()];
    drawing += 1;
    return;
  }
  const id = pod?.id ?? shown; // an address may have only the beginning of it
  const ours = data?.pod ? data.pod.id === id : data && (data.subject?.sandbox_id === id || pod?.containers.some((one) => one.id === data.subject?.container_id));
  if (name === "open") records = new Map(); // another daemon may have given these numbers to other requests
  if (name !== "open" && name !== "lost" && !(ours && ["start", "end", "settled"].includes(name))) return;
  again(SOON);
});

const again = refresher(async () => {
  if (selecting()) again(SOON);
  else if (!place.hidden && shown) await showPod(shown, null);
});
