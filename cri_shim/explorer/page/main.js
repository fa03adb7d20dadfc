// The entry of the page: the view that the address names, the theme, and whether the daemon is there.

import { follow, get, listen } from "./api.js";
import { showArchitecture } from "./architecture.js";
import { h } from "./dom.js";
import { brief, withError } from "./format.js";
import { showMethods } from "./methods.js";
import { closeRequest, openRequest } from "./request.js";
import { showRequests } from "./request_list.js";
import { measured, ofFront, sourceIsOpen, term } from "./sources.js";
import { initTheme } from "./theme.js";

const VIEWS = ["requests", "methods", "architecture"];

// #/requests?method=…, #/request/1024, #/methods, #/architecture, #/architecture/1024 (play that request)
function route() {
  if (location.hash && !location.hash.startsWith("#/")) return;
  const [path, query = ""] = location.hash.slice(2).split("?");
  const [first, second = ""] = path.split("/");
  const view = first === "request" || !VIEWS.includes(first) ? "requests" : first;
  for (const name of VIEWS) document.getElementById(name).hidden = name !== view;
  for (const link of document.querySelectorAll("nav a")) {
    if (link.dataset.view === view) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  const id = first === "request" ? Number(second) : 0;
  document.body.dataset.open = id ? "request" : view;
  if (view === "requests") {
    showRequests(id, new URLSearchParams(query));
    if (id) openRequest(id);
    else closeRequest();
  }
  if (view === "methods") showMethods();
  if (view === "architecture") showArchitecture(Number(second));
  document.title = id ? `Request ${id} · cri-shim` : "cri-shim: the bill of the hop";
}

const live = document.getElementById("live");
listen((name) => {
  if (name !== "open" && name !== "away") return;
  live.textContent = name === "open" ? "live" : "the daemon is away";
  live.dataset.state = name;
  if (name === "open") describeNode();
});

async function describeNode() {
  const node = await get("/api/node").catch(() => null);
  if (!node) return;
  const facts = [
    ["cri-shim", node.version],
    ["containerd", node.containerd_version || "not known"],
    ["front hop", withError(node.front_ms, node.front_error_ms), { ...ofFront(node.front_known),
      how: `The median of the last requests. ${ofFront(node.front_known).how}` }],
    ["null call", withError(node.null_hop_ms, node.null_hop_error_ms), measured("A call to containerd that does nothing (Version), after a second of quiet: the median of the last ones, on this node.")],
    ["loop lag", brief(node.loop_lag_ms), measured("How much later than planned the daemon's event loop last came to a timer of its own.")],
    ["pods", node.pods, measured("The daemon's own list.")],
    ["containers", node.containers, measured("The daemon's own list.")],
  ];
  const list = h("dl", {}, ...facts.map(([name, value, source]) => h("div", {}, h("dt", {}, source ? term(source, name) : name), h("dd", {}, String(value)))));
  document.getElementById("node").replaceChildren(list);
}

document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape" || sourceIsOpen() || !location.hash.startsWith("#/request/")) return;
  location.hash = "#/requests";
});

initTheme(document.getElementById("theme"));
window.addEventListener("hashchange", route);
route();
follow();
setInterval(describeNode, 10_000);
