// The request that the address names, or the meaning of the words while none is chosen.

import { addressOf, parsed } from "./address.js";
import { getOne, listen } from "./api.js";
import { legend } from "./bill.js";
import { h } from "./dom.js";
import { keptFocus } from "./focus.js";
import { nameOf } from "./names.js";
import { podLinks } from "./request_pod.js";
import { refresher } from "./refresh.js";
import { requestView } from "./request_view.js";
import { setTitle } from "./router.js";
import { failed, gone } from "./states.js";

const place = document.getElementById("request");
const SOON = 250; // milliseconds after an event about the request
const PLAYED = ["RunPodSandbox", "CreateContainer", "StartContainer"];
let shown = 0;
let drawn = 0; // the request whose view is in its place
let arriving = false; // the reader has come to the shown request, and nothing of it has been drawn
let drawing = 0;
let unanswered = false; // the daemon was away when the shown request was asked for
let running = false; // the shown request had not been answered
let title = ""; // of the shown request, once it is known

/** Show request `id`. */
export async function openRequest(id) {
  if (shown !== id) {
    [shown, drawn, title, arriving] = [id, 0, "", true];
    place.replaceChildren(h("p", { class: "hint" }, `Request ${id} …`));
  }
  const number = (drawing += 1);
  if (Number.isNaN(id)) return place.replaceChildren(back(), gone("A request with such a number", remembered()));
  try {
    const record = await getOne(`/api/requests/${id}`);
    if (number !== drawing) return;
    unanswered = false;
    running = record.running;
    title = `${record.method} ${nameOf(record)}`.trim();
    if (!place.parentElement.hidden) setTitle(title); // else the reader has gone to another view
    const [keep, refocus] = [openParts(), keptFocus(place)];
    place.replaceChildren(...requestView(record, { head: back(), links: [podLinks(record), played(record)] }));
    drawn = id;
    keep();
    refocus();
  } catch (error) {
    if (number !== drawing) return;
    unanswered = error.status === undefined;
    if (unanswered && drawn === id) return; // while the daemon is away, what was drawn stays
    [drawn, running] = [0, false];
    place.replaceChildren(back(), h("h2", { tabindex: "-1" }, `Request ${id}`), failed(error, `Request ${id}`, remembered()));
  }
  if (arriving && matchMedia("(max-width: 60rem)").matches) place.focus();
  arriving = false;
}

/** The title of the request that an address names. */
export function titleOf(argument) {
  return (argument === String(shown) && title) || `Request ${argument}`;
}

function remembered() {
  return h("a", { href: "#/requests" }, "The requests that are remembered");
}

/** Show the meaning of the words instead of a request. */
export function closeRequest() {
  [shown, drawn] = [0, 0];
  drawing += 1;
  place.replaceChildren(...words());
}

// A request that runs is drawn again and again; what the reader has opened stays open. Returns a function that opens it again.
function openParts() {
  const open = new Map([...place.querySelectorAll("details")].map((one) => [one.className, one.open]));
  const unfolded = place.querySelector(".waterfall.unfolded") !== null;
  return () => {
    for (const one of place.querySelectorAll("details")) one.open = open.get(one.className) ?? one.open;
    if (unfolded) place.querySelector(".fold")?.click();
  };
}

function played(record) {
  if (record.running || !PLAYED.includes(record.method)) return null;
  return h("p", {}, h("a", { href: `#/architecture/${record.id}` }, "Watch it in the architecture, in slow motion"));
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
const soon = refresher(() => shown && openRequest(shown));
listen((name, data) => {
  if (!shown) return;
  // The end of one that runs may have been among the events that are missing.
  if ((name === "open" || name === "lost") && (unanswered || running)) openRequest(shown);
  if (data?.id === shown) soon(SOON);
});
