// The entry of the page: the table of its views, the theme, and whether the daemon is there.

import { go, parsed } from "./address.js";
import { follow, listen } from "./api.js";
import { showArchitecture } from "./architecture.js";
import { showMethods } from "./methods.js";
import { initKeys } from "./keys.js";
import { describeNode } from "./node.js";
import { moveInPod, showPod } from "./pod.js";
import { addressOfRow, moveInPods, searchPods, showPods } from "./pods.js";
import { closeRequest, openRequest, titleOf } from "./request.js";
import { moveInRequests, requestAddress, searchRequests, showRequests } from "./request_list.js";
import { route } from "./router.js";
import { initTheme } from "./theme.js";

let opened = -1; // the id of the shown request; 0: none is open

function showRequest(id, query) {
  showRequests(id, query);
  if (id === opened) return; // only the filters of the list have changed
  opened = id;
  if (id || Number.isNaN(id)) openRequest(id);
  else closeRequest();
}

// The number of a request in an address; NaN for what cannot be one.
function numberOf(argument) {
  return /^[1-9]\d{0,14}$/.test(argument) ? Number(argument) : NaN;
}

// By the first word of the address: the section that is filled, the title of the tab, the function that shows the view, and what
// the keys do in it. The functions get the address: #/request/1024?method=StopContainer → { view, argument: "1024", query }.
const VIEWS = {
  requests: { section: "requests", show: ({ query }) => showRequest(0, query), move: moveInRequests, search: searchRequests },
  request: {
    section: "requests",
    title: ({ argument }) => titleOf(argument),
    show: ({ argument, query }) => showRequest(numberOf(argument), query),
    move: moveInRequests,
    search: searchRequests,
    back: () => go(requestAddress("", { row: parsed().argument })),
  },
  pods: { section: "pods", title: () => "Pods", show: ({ query }) => showPods(query), move: moveInPods, search: searchPods },
  pod: { section: "pod", nav: "pods", title: () => "Pod", show: ({ argument, query }) => showPod(argument, query), move: moveInPod, search: searchPods,
    back: () => go(addressOfRow(parsed().argument)) },
  methods: { section: "methods", title: () => "Methods", show: () => showMethods() },
  // #/architecture/1024 plays that request
  architecture: { section: "architecture", title: () => "Architecture", show: ({ argument }) => showArchitecture(argument && numberOf(argument)) },
};

listen((name) => name === "open" && describeNode());

// Following the link would replace the address, and with it what the reader has chosen.
document.querySelector(".skip").addEventListener("click", (event) => {
  event.preventDefault();
  document.getElementById("main").focus();
});

initTheme(document.getElementById("theme"));
initKeys(route(VIEWS, "requests"), document.getElementById("keys-help"));
follow();
setInterval(describeNode, 10_000);
dispatchEvent(new Event("cri-shim-drawn")); // for reload.js: every part of the page has arrived
