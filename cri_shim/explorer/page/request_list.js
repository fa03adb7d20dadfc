// The list of requests, newest first, as they come in. Rows are kept as elements, so that focus stays where it is.

import { get, listen } from "./api.js";
import { bar } from "./bill.js";
import { h } from "./dom.js";
import { about, brief, clock, isRead } from "./format.js";

const MOST = 250;

const rows = document.getElementById("rows");
const methodFilter = document.getElementById("method");
const readsFilter = document.getElementById("reads");
const slowestFilter = document.getElementById("slowest");

const requests = new Map(); // by id
const elements = new Map(); // by id
let chosen = 0;
let waiting = false;
let loading = 0;

/** Show the list with request `id` chosen; `query` may name a method. */
export function showRequests(id, query) {
  chosen = id;
  const method = query.get("method");
  if (method !== null && method !== methodFilter.value) {
    offer(method);
    methodFilter.value = method;
    if (isRead(method)) readsFilter.checked = true;
    load();
  }
  draw();
}

async function load() {
  const number = (loading += 1);
  const slowest = slowestFilter.checked;
  const answers = await Promise.all([
    get("/api/requests", { method: methodFilter.value, limit: slowest ? 2000 : 200, slowest: slowest ? "1" : "" }),
    // Lists and Status fill the first answer, so requests that change something are fetched separately.
    slowest || methodFilter.value ? { requests: [] } : get("/api/requests", { limit: 200, reads: "0" }),
    get("/api/methods"),
  ]).catch(() => null);
  if (!answers || number !== loading) return;
  requests.clear();
  for (const one of [...answers[0].requests, ...answers[1].requests]) requests.set(one.id, one);
  for (const { method } of answers[2].methods) offer(method);
  draw();
}

function offer(method) {
  if ([...methodFilter.options].some((option) => option.value === method)) return;
  const after = [...methodFilter.options].slice(1).find((option) => option.value > method);
  methodFilter.insertBefore(h("option", { value: method }, method), after ?? null);
}

function wanted(request) {
  if (methodFilter.value) return request.method === methodFilter.value;
  return readsFilter.checked || !isRead(request.method) || request.id === chosen;
}

function ordered() {
  const matching = [...requests.values()].filter(wanted);
  if (slowestFilter.checked) return matching.sort((one, other) => other.bill.wall_ms - one.bill.wall_ms).slice(0, MOST);
  return matching.sort((one, other) => other.id - one.id).slice(0, MOST);
}

function draw() {
  waiting = false;
  const list = ordered();
  const keep = new Set(list.map((request) => request.id));
  const focused = document.activeElement?.closest?.("#rows li");
  for (const [id, element] of elements) {
    if (!keep.has(id) && element !== focused) {
      element.remove();
      elements.delete(id);
    }
  }
  let before = rows.firstChild;
  for (const request of list) {
    const element = rowOf(request);
    if (element === before) before = before.nextSibling;
    else rows.insertBefore(element, before);
  }
  document.getElementById("empty").hidden = list.length > 0;
  roving();
}

function rowOf(request) {
  let element = elements.get(request.id);
  if (!element) {
    element = h("li", { "data-id": request.id }, h("a", { href: `#/request/${request.id}`, tabindex: "-1" }));
    elements.set(request.id, element);
  }
  const link = element.firstChild;
  if (element.drawn !== request) {
    element.drawn = request;
    const outcome = request.running ? "running" : request.code === "OK" ? "ok" : "bad";
    link.className = outcome;
    link.replaceChildren(
      h("span", { class: "method" }, request.method),
      h("span", { class: "wall" }, request.running ? "running" : brief(request.bill.wall_ms)),
      h("span", { class: "about" }, about(request.subject)),
      h("span", { class: "when" }, outcome === "bad" ? request.code : [...costs(request), clock(request.started_at)].join(" · ")),
      request.running ? h("div", { class: "bar going" }) : bar(request.bill),
    );
  }
  if (request.id === chosen) link.setAttribute("aria-current", "true");
  else link.removeAttribute("aria-current");
  return element;
}

// `~` marks a price with an estimate in it, `≥` one with an unknown part. The view of the request says more.
function costs({ running, hop_count: hops, bill }) {
  if (running) return [];
  const more = bill.front_known === "none" || (hops && bill.split === "none");
  return [...(hops ? [`${hops} hops`] : []), `price ${more ? "≥" : "~"}${brief(bill.price_ms)}`];
}

// Only one row is in the tab order: the one with the focus, or the chosen one, or the first.
function roving() {
  const links = [...rows.querySelectorAll("a")];
  const current = links.find((link) => link === document.activeElement) ?? links.find((link) => link.ariaCurrent) ?? links[0];
  for (const link of links) link.tabIndex = link === current ? 0 : -1;
}

rows.addEventListener("focusin", roving);
rows.addEventListener("keydown", (event) => {
  const links = [...rows.querySelectorAll("a")];
  const at = links.indexOf(document.activeElement);
  const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: links.length - 1, PageDown: at + 10, PageUp: at - 10 }[event.key];
  if (at < 0 || to === undefined) return;
  event.preventDefault();
  links[Math.max(0, Math.min(links.length - 1, to))].focus();
});

for (const control of [methodFilter, slowestFilter]) control.addEventListener("change", load);
readsFilter.addEventListener("change", draw);
document.getElementById("filters").addEventListener("submit", (event) => event.preventDefault());

listen((name, data) => {
  if (name === "open" || name === "lost") load();
  if (slowestFilter.checked) return;
  if (name === "start") {
    const bill = { wall_ms: 0 };
    requests.set(data.id, { ...data, running: true, code: "", started_at: Date.now() / 1000, bill, hop_count: 0 });
  } else if (name === "end" || name === "settled") {
    requests.set(data.id, data);
    offer(data.method);
    forget();
  } else return;
  if (waiting) return;
  waiting = true;
  requestAnimationFrame(draw);
});

// Keep as many reads, and as many other requests, as fit into the list.
function forget() {
  if (requests.size < 3 * MOST) return;
  const counts = { true: 0, false: 0 };
  for (const request of [...requests.values()].sort((one, other) => other.id - one.id)) {
    if ((counts[isRead(request.method)] += 1) > MOST) requests.delete(request.id);
  }
}

// After a return from a request, the list has the focus where it was left.
window.addEventListener("hashchange", (event) => {
  const left = /#\/request\/(\d+)$/.exec(event.oldURL);
  if (left && location.hash.startsWith("#/requests")) elements.get(Number(left[1]))?.firstChild.focus();
});
