// The list of pods, newest first: those that exist, and removed ones that the ledger still remembers.

import { addressOf, go } from "./address.js";
import { listen } from "./api.js";
import { briefPrice } from "./bill.js";
import { h } from "./dom.js";
import { keptFocus } from "./focus.js";
import { brief, dated, moment } from "./format.js";
import { podName } from "./names.js";
import { fetchPods, withoutPods } from "./pod_source.js";
import { refresher } from "./refresh.js";
import { podHas, wordsOf } from "./search.js";
import { measured, ofPrice, term } from "./sources.js";
import { failed, filtered, fresh } from "./states.js";

const place = document.getElementById("pods");
const SOON = 500; // milliseconds between two looks at pods that change
const TYPED = 200;

const field = h("input", { type: "search", id: "pod-search", maxlength: "200", autocomplete: "off", spellcheck: "false",
  placeholder: "name, id, image, state", "aria-keyshortcuts": "/" });
const removedToo = h("input", { type: "checkbox", id: "removed", checked: true });
const said = h("p", { class: "hint", role: "status" });
const none = h("div", {});
const rows = h("tbody", {});
const PRICE = ofPrice("mixed", "mixed", 1);
const HEADS = [
  ["pod", null], ["state", null], ["containers", null],
  ["requests", measured("Counted in the ledger: remembered requests about the pod and its containers that change something or run something. In brackets: those that only read.")],
  ["time in requests", measured("The daemon's own clock: the wall time of these requests, added up.")],
  ["price", { ...PRICE, how: `The price of these requests, added up. ${PRICE.how}` }],
  ["created", measured("The daemon's record of the pod; of a removed one, when its RunPodSandbox came in.")],
];
place.append(
  h("h2", {}, "Pods"),
  h("form", { class: "filters", id: "pod-filters", onsubmit: (event) => event.preventDefault() },
    h("label", { class: "search" }, "Search ", field), h("label", {}, removedToo, " Removed ones too")),
  said,
  h("table", { class: "pod-table" },
    h("thead", {}, h("tr", {}, ...HEADS.map(([head, source]) => h("th", { scope: "col" }, source ? term(source, head) : head)))), rows),
  none,
);

let pods = [];
let hint = "";
let error = null;
let answered = false;
let words = [];
let wantedRow = "";
let typed = 0;
let asking = 0;

/** Show the list. `query`: `search`, `removed` (`0` hides removed pods), and `row`, the pod that has the focus. */
export function showPods(query) {
  words = wordsOf(query.get("search") ?? "");
  if (!typed && wordsOf(field.value).join(" ") !== words.join(" ")) field.value = query.get("search") ?? "";
  removedToo.checked = query.get("removed") !== "0";
  wantedRow = query.get("row") ?? "";
  draw();
  load();
}

/** Go `by` rows down. */
export function moveInPods(by) {
  const links = [...rows.querySelectorAll("th a")];
  const at = links.indexOf(document.activeElement);
  links[Math.max(0, Math.min(links.length - 1, at < 0 ? 0 : at + by))]?.focus();
}

/** Give the search the focus, from wherever the reader is. */
export function searchPods() {
  if (place.hidden) go(podsAddress());
  requestAnimationFrame(() => setTimeout(() => field.select()));
}

async function load() {
  const number = (asking += 1);
  try {
    const answer = await fetchPods();
    if (number !== asking) return;
    pods = answer.pods;
    hint = answer.hint;
    error = null;
  } catch (reason) {
    if (number !== asking) return;
    error = reason;
  }
  answered = true;
  if (!place.hidden) draw();
}

/** The way back from pod `id` to its row, with the choices with which the list was left, unless they would hide it. */
export function addressOfRow(id) {
  const pod = pods.find((one) => one.id === id);
  return pod && !matches(pod) ? addressOf("pods", "", { row: id }) : podsAddress({ row: id });
}

function matches(pod) {
  return (removedToo.checked || pod.state !== "removed") && podHas(pod, words);
}

// The address of the list with the present choices, also while a pod is shown instead of it.
function podsAddress(more = {}) {
  return addressOf("pods", "", { search: field.value.trim(), removed: removedToo.checked ? "" : "0", ...more });
}

function draw() {
  const focused = document.activeElement?.closest?.("#pods tr")?.dataset.pod ?? "";
  const shown = pods.filter(matches);
  rows.replaceChildren(...shown.map(row));
  const count = [hint, shown.length ? `${shown.length} of ${pods.length} pods` : ""].filter(Boolean).join(" ");
  if (said.textContent !== count) said.textContent = count; // it is read aloud when it is written, whether it has changed or not
  const refocus = keptFocus(none);
  none.replaceChildren(shown.length || !answered ? "" : nothing());
  refocus();
  rows.parentElement.hidden = !shown.length;
  const again = document.activeElement?.matches("input") ? "" : wantedRow || focused; // a reader who types in a field keeps the focus there
  if (again) rows.querySelector(`tr[data-pod="${CSS.escape(again)}"] a`)?.focus({ preventScroll: again === focused });
  if (shown.length) wantedRow = "";
}

function nothing() {
  if (!pods.length) return error ? failed(error, "The list of pods") : fresh("No pod exists, and none is remembered.", "The first one appears here by itself.");
  const ways = [words.length && h("a", { href: podsAddress({ search: "" }) }, "Clear the search"),
    !removedToo.checked && h("a", { href: podsAddress({ removed: "" }) }, "Removed pods, too")].filter(Boolean);
  return filtered(`None of ${pods.length} pods matches.`, ...ways);
}

function row(pod) {
  const running = pod.running_count ?? 0; // an earlier release does not say, nor how the price is known
  const to = pod.id ? addressOf("pod", pod.id) : addressOf("request", pod.last_request);
  const cells = [
    h("span", { class: `pod-state ${pod.state.replace(" ", "-")}`, title: pod.reason || null }, pod.state),
    pod.containers.length ? h("ul", { class: "names" }, ...pod.containers.map((one) => h("li", { title: one.id }, one.name || one.id.slice(0, 12), " ", h("small", {}, one.state)))) : "–",
    [String(pod.request_count), running ? `, ${running} running` : "", pod.error_count ? h("span", { class: "bad" }, `, ${pod.error_count} failed`) : "", pod.read_count ? ` (${pod.read_count})` : ""],
    pod.request_count > running ? brief(pod.wall_ms) : "–",
    pod.request_count > running ? briefPrice(pod, pod.hop_count) : "–",
    pod.created_at || pod.first_at ? h("time", { title: dated(pod.created_at ?? pod.first_at) }, moment(pod.created_at ?? pod.first_at)) : "not known",
  ];
  return h("tr", { "data-pod": pod.id || podName(pod), class: pod.state === "removed" ? "gone" : "" },
    h("th", { scope: "row" }, h("a", { href: to, title: pod.id || null }, podName(pod))),
    ...cells.map((cell, index) => h("td", { "data-head": HEADS[index + 1][0] }, ...[cell].flat())));
}

removedToo.addEventListener("change", () => go(podsAddress()));
field.addEventListener("input", () => {
  clearTimeout(typed);
  typed = setTimeout(() => {
    typed = 0;
    if (!place.hidden) go(podsAddress(), { replace: location.hash.includes("search=") });
  }, TYPED);
});
rows.addEventListener("focusin", (event) => history.replaceState(null, "", podsAddress({ row: event.target.closest("tr").dataset.pod })));

const soon = refresher(() => !place.hidden && load());
listen((name, data) => {
  const changes = name === "open" || name === "lost" || (["start", "end", "settled"].includes(name) && (data.pod || withoutPods()));
  if (changes && !place.hidden) soon(SOON);
});
