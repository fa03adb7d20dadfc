// The entry of the page: the table of its views, the theme, and whether the daemon is there.

import { addressOf, go, parsed } from "./address.js";
import { follow, listen } from "./api.js";
import { showArchitecture } from "./architecture.js";
import { showMethods } from "./methods.js";
import { describeNode } from "./node.js";
import { closeRequest, openRequest } from "./request.js";
import { showRequests } from "./request_list.js";
import { route } from "./router.js";
import { sourceIsOpen } from "./sources.js";
import { initTheme } from "./theme.js";

// By the first word of the address: the section that is filled, the title of the tab, and the function that shows the view.
// It gets the address: #/request/1024?method=StopContainer → { view: "request", argument: "1024", query }.
const VIEWS = {
  requests: {
    section: "requests",
    show: ({ query }) => {
      showRequests(0, query);
      closeRequest();
    },
  },
  request: {
    section: "requests",
    title: ({ argument }) => `Request ${argument}`,
    show: ({ argument, query }) => {
      showRequests(Number(argument), query);
      openRequest(Number(argument));
    },
  },
  methods: { section: "methods", title: () => "Methods", show: () => showMethods() },
  // #/architecture/1024 plays that request
  architecture: { section: "architecture", title: () => "Architecture", show: ({ argument }) => showArchitecture(Number(argument)) },
};

const live = document.getElementById("live");
listen((name) => {
  if (name !== "open" && name !== "away") return;
  live.textContent = name === "open" ? "live" : "the daemon is away";
  live.dataset.state = name;
  if (name === "open") describeNode();
});

document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape" || sourceIsOpen()) return;
  const { view, query } = parsed();
  if (view === "request") go(addressOf("requests", "", query));
});

initTheme(document.getElementById("theme"));
route(VIEWS, "requests");
follow();
setInterval(describeNode, 10_000);
