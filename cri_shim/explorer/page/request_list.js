// The list of requests, newest first, as they come in. Rows are kept as elements, so that focus stays where it is.

import { addressOf, go, parsed } from "./address.js";
import { get, listen, offers } from "./api.js";
import { bar, briefPrice } from "./bill.js";
import { h } from "./dom.js";
import { keptFocus } from "./focus.js";
import { brief, counted, isRead, moment } from "./format.js";
import { idsOf, nameOf } from "./names.js";
import { requestHas, wordsOf } from "./search.js";
import { failed, filtered, noRequestYet } from "./states.js";

const MOST = 250;
const MOST_ASKED = 2000;
const TYPED = 200; // milliseconds of quiet after which what was typed is searched for

const rows = document.getElementById("rows");
const methodFilter = document.getElementById("method");
const readsFilter = document.getElementById("reads");
const slowestFilter = document.getElementById("slowest");
const searchField = document.getElementById("search");
const empty = document.getElementById("empty");

const requests = new Map(); // by id
const elements = new Map(); // by id
let heard = null; // by id: what the live events say while the list is asked for
let chosen = 0;
let words = [];
let focusWanted = 0; // the row that the address names and that has not been drawn yet
let loaded = ""; // the filters that were loaded
let answered = false; // whether the daemon has answered for the list, or could not be asked
let error = null; // why the list could not be had
let ledger = true; // whether the daemon keeps requests
let refocus = null; // gives the focus back to a way out of the empty list once it is known whether it is empty
let waiting = false;
let loading = 0;
let typed = 0; // the timer of a search that is being typed

/** Show the list with request `id` chosen. `query`: `method`, `reads`, `slowest`, `search`, and `row`, which has the focus. */
export function showRequests(id, query) {
  chosen = id;
  const method = query.get("method") ?? "";
  if (method) offer(method);
  methodFilter.value = method;
  slowestFilter.checked = query.has("slowest");
  rows.setAttribute("aria-label", `Requests, ${slowestFilter.checked ? "slowest" : "newest"} first. Arrow keys move, Enter opens.`);
  readsFilter.checked = query.has("reads") || isRead(method);
  const search = query.get("search") ?? "";
  words = wordsOf(search);
  if (!typed && wordsOf(searchField.value).join(" ") !== words.join(" ")) searchField.value = search;
  const row = Number(query.get("row"));
  focusWanted = row && !id && row !== focusedRow() ? row : 0;
  const wished = filters();
  if (loaded !== wished) load(wished);
  draw();
}

/** The address of the list or of a request in it, with the present filters. */
export function requestAddress(id = "", more = {}) {
  const query = { method: methodFilter.value, reads: readsFilter.checked && !isRead(methodFilter.value) ? "1" : "",
    slowest: slowestFilter.checked ? "1" : "", search: searchField.value.trim(), ...more };
  return addressOf(id ? "request" : "requests", id, query);
}

/** Go `by` rows down; while a request is open, open the one in that row. */
export function moveInRequests(by) {
  const links = [...rows.querySelectorAll("a")];
  const at = links.findIndex((link) => link === document.activeElement);
  const from = at >= 0 ? at : links.findIndex((link) => link.ariaCurrent);
  const link = links[Math.max(0, Math.min(links.length - 1, from < 0 ? 0 : from + by))];
  if (!link) return;
  if (link.offsetParent) link.focus(); // on a narrow screen the list is hidden beside an open request
  if (chosen) go(link.getAttribute("href"), { replace: true });
}

/** Give the search the focus. */
export function searchRequests() {
  if (!searchField.offsetParent) go(parsed().view === "request" ? requestAddress() : addressOf("requests"));
  requestAnimationFrame(() => setTimeout(() => searchField.select()));
}

function filters() {
  return JSON.stringify([methodFilter.value, slowestFilter.checked, words.length > 0 && readsFilter.checked, words]);
}

async function load(wished = filters()) {
  if (loaded && loaded !== wished) answered = false; // what was loaded says nothing of these filters
  loaded = wished;
  const number = (loading += 1);
  heard = new Map();
  let failure = null;
  const [totals, matching] = await Promise.all([get("/api/methods"), ask()]).catch((reason) => ((failure = reason), []));
  if (number !== loading) return;
  const meanwhile = [...heard.values()];
  heard = null;
  answered = true;
  error = failure;
  if (error) {
    loaded = ""; // asked again as soon as the daemon is back
    return draw();
  }
  ledger = totals.ledger ?? true;
  requests.clear();
  for (const { method: name } of totals.methods) offer(name);
  for (const one of matching) requests.set(one.id, one);
  // The answers may be older than these; of a request that has only begun they say as much, and the end is still to come.
  for (const one of meanwhile) if (!one.running || !requests.has(one.id)) take(one);
  draw();
}

// The requests that the present filters let through, and more.
async function ask() {
  const slowest = slowestFilter.checked ? "1" : "";
  const [method, search, reads] = [methodFilter.value, words.join(" "), readsFilter.checked ? "" : "0"];
  const requestsOf = async (parameters) => (await get("/api/requests", parameters)).requests;
  if (search) return requestsOf({ method, search, slowest, reads, limit: (await offers("search")) ? MOST : MOST_ASKED });
  const all = requestsOf({ method, slowest, limit: slowest ? MOST_ASKED : 200 });
  if (slowest || method) return all;
  // Lists and Status fill the first answer, so requests that change something are fetched separately.
  return (await Promise.all([all, requestsOf({ limit: 200, reads: "0" })])).flat();
}

function offer(method) {
  if ([...methodFilter.options].some((option) => option.value === method)) return;
  const after = [...methodFilter.options].slice(1).find((option) => option.value > method);
  methodFilter.insertBefore(h("option", { value: method }, method), after ?? null);
}

function wanted(request) {
  return fits(request) && (readsFilter.checked || !isRead(request.method) || request.id === chosen);
}

function fits(request) {
  if (methodFilter.value && request.method !== methodFilter.value) return false;
  return !words.length || requestHas(request, words);
}

function ordered() {
  const matching = [...requests.values()].filter(wanted);
  if (slowestFilter.checked) return matching.sort((one, other) => other.bill.wall_ms - one.bill.wall_ms || other.id - one.id).slice(0, MOST);
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
  drawEmpty(list.length === 0);
  roving();
  if (document.activeElement?.matches("input:not([type=checkbox])")) focusWanted = 0; // a reader who types in a field keeps the focus there
  if (focusWanted && elements.has(focusWanted)) {
    elements.get(focusWanted).firstChild.focus();
    focusWanted = 0;
  }
}

function rowOf(request) {
  let element = elements.get(request.id);
  if (!element) {
    element = h("li", { "data-id": request.id }, h("a", { tabindex: "-1" }));
    elements.set(request.id, element);
  }
  const link = element.firstChild;
  link.setAttribute("href", requestAddress(request.id));
  const today = new Date().toDateString(); // a row of yesterday has its date
  if (element.drawn !== request || element.today !== today) {
    Object.assign(element, { drawn: request, today });
    const outcome = request.running ? "running" : request.code === "OK" ? "ok" : "bad";
    link.className = outcome;
    link.replaceChildren(
      h("span", { class: "method" }, request.method),
      h("span", { class: "wall" }, request.running ? "running" : brief(request.bill.wall_ms)),
      h("span", { class: "about", title: idsOf(request) || null }, nameOf(request)),
      h("span", { class: "when" }, outcome === "bad" ? request.code : [...costs(request), moment(request.started_at)].join(" · ")),
      request.running ? h("div", { class: "bar going" }) : bar(request.bill),
    );
  }
  if (request.id === chosen) link.setAttribute("aria-current", "true");
  else link.removeAttribute("aria-current");
  return element;
}

function costs({ running, hop_count: hops, bill }) {
  if (running) return [];
  return [...(hops ? [counted(hops, "hop")] : []), `price ${briefPrice(bill, hops)}`];
}

// An empty list says why it is empty, and how to see more.
function drawEmpty(isEmpty) {
  empty.hidden = !isEmpty;
  if (!isEmpty) refocus = null;
  if (!isEmpty) return;
  refocus ??= keptFocus(empty);
  const way = (label, change) => h("a", { href: requestAddress("", change) }, label);
  const ways = [
    words.length && way("Clear the search", { search: "" }),
    methodFilter.value && way("Requests of all methods", { method: "" }),
    slowestFilter.checked && way("The newest instead of the slowest", { slowest: "" }),
    !readsFilter.checked && way("Requests that only read, too", { reads: "1" }),
  ].filter(Boolean);
  const narrowed = words.length > 0 || methodFilter.value !== "" || slowestFilter.checked;
  empty.replaceChildren(
    !answered ? "" : error ? failed(error, "The list of requests", ...ways) : ledger && narrowed ? filtered("No remembered request matches.", ...ways)
      : requests.size ? filtered("No request that changes something yet.", ...ways) : noRequestYet(ledger));
  if (!answered) return;
  refocus();
  refocus = null;
}

// Only one row is in the tab order: the one with the focus, or the chosen one, or the first.
function roving() {
  const links = [...rows.querySelectorAll("a")];
  const current = links.find((link) => link === document.activeElement) ?? links.find((link) => link.ariaCurrent) ?? links[0];
  for (const link of links) link.tabIndex = link === current ? 0 : -1;
}

function focusedRow() {
  return Number(document.activeElement?.closest?.("#rows li")?.dataset.id ?? 0);
}

rows.addEventListener("focusin", () => {
  roving();
  // The row with the focus is in the address, so that reload and Back come to it again.
  if (parsed().view !== "request") history.replaceState(null, "", requestAddress("", { row: focusedRow() }));
});
rows.addEventListener("keydown", (event) => {
  const links = [...rows.querySelectorAll("a")];
  const at = links.indexOf(document.activeElement);
  const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: links.length - 1, PageDown: at + 10, PageUp: at - 10 }[event.key];
  if (at < 0 || to === undefined) return;
  event.preventDefault();
  links[Math.max(0, Math.min(links.length - 1, to))].focus();
});

// What the reader chooses goes into the address, and from there into the list.
for (const control of [methodFilter, slowestFilter, readsFilter]) control.addEventListener("change", () => go(requestAddress(chosen || "")));
document.getElementById("filters").addEventListener("submit", (event) => event.preventDefault());

// The first character of a search makes an entry for Back, the others replace it.
searchField.addEventListener("input", () => {
  clearTimeout(typed);
  typed = setTimeout(() => {
    typed = 0;
    if (!rows.closest("section").hidden) go(requestAddress(chosen || ""), { replace: parsed().query.has("search") });
  }, TYPED);
});

listen((name, data) => {
  if (name === "open" || name === "lost") load();
  if (slowestFilter.checked) return;
  if (name === "start") {
    const bill = { wall_ms: 0 };
    take({ started_at: Date.now() / 1000, ...data, running: true, code: "", bill, hop_count: 0 });
  } else if (name === "end" || name === "settled") {
    take(data);
    offer(data.method);
    forget();
  } else return;
  if (waiting) return;
  waiting = true;
  requestAnimationFrame(draw);
});

// What the filters leave out would push out what they let through, which the daemon still remembers.
function take(request) {
  heard?.set(request.id, request);
  if (fits(request)) requests.set(request.id, request);
  else requests.delete(request.id);
}

// Keep as many reads, and as many other requests, as fit into the list.
function forget() {
  if (requests.size < 3 * MOST) return;
  const counts = { true: 0, false: 0 };
  for (const request of [...requests.values()].sort((one, other) => other.id - one.id)) {
    if ((counts[isRead(request.method)] += 1) > MOST) requests.delete(request.id);
  }
}
