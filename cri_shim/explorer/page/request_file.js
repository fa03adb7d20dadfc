// The entry of a file that holds requests and needs no daemon; `cri-shim hops show --format html` writes it.

import { h } from "./dom.js";
import { dated } from "./format.js";
import { requestView } from "./request_view.js";
import { initTheme } from "./theme.js";

const { records, about } = JSON.parse(document.getElementById("data").textContent);
const main = document.getElementById("main");

document.getElementById("about").textContent =
  `Saved on ${dated(about.saved_at)} by cri-shim ${about.version}${about.containerd_version ? `, in front of containerd ${about.containerd_version}` : ""}. Nothing here is live.`;
if (records.length > 1) {
  main.append(h("nav", { "aria-label": "Requests", class: "contents" }, h("ol", {},
    ...records.map((record) => h("li", {}, h("a", { href: `#request-${record.id}` }, `${record.method} ${record.id}`))))));
}
for (const record of records) {
  main.append(h("article", { class: "request", id: `request-${record.id}` }, ...requestView(record, { alone: true })));
}
initTheme(document.getElementById("theme"));
