// Four pictures side by side; the last one is this daemon, and lights up while it works.

import { get, listen } from "./api.js";
import { PICTURES, ROWS } from "./architectures.js";
import { h, s } from "./dom.js";
import { exact } from "./format.js";
import { Lights } from "./lights.js";
import { replay } from "./replay.js";

const place = document.getElementById("architecture");
const WIDTH = 320;
const HEIGHT = 66; // of a row
const BOX = 38;
const LEFT = 12;
const BOX_WIDTH = 128;
const MIDDLE = LEFT + BOX_WIDTH / 2;
const CNI_LEFT = 208;

let lights = null;
let following = true;
let stopReplay = () => {};

/** Draw all pictures; with the id of a request, play that one in slow motion. */
export async function showArchitecture(id) {
  const [node, totals] = await Promise.all([get("/api/node"), get("/api/methods")]).catch(() => [null, null]);
  if (!node || place.hidden) return;
  const start = totals.methods.find(({ method }) => method === "RunPodSandbox");
  const caption = h("p", { class: "now", role: "status" }, "Waiting for a request.");
  const chooser = h("p", { class: "controls" }, h("button", { type: "button", id: "replay", onclick: () => again() }, "Replay a pod start, slowly"),
    h("button", { type: "button", id: "stop", class: "quiet", hidden: true, onclick: () => stopReplay() }, "Back to live"));
  place.replaceChildren(
    h("h2", {}, "Which arrows went away"),
    h("p", { class: "hint" }, "From the kubelet to a container, four times. Boxes of one row do the same work; where there is none, nobody has to be asked."),
    h("div", { class: "pictures" }, ...PICTURES.map((picture) => drawn(picture, node, start, picture.live ? [caption, chooser] : []))),
    costs(node, start),
  );
  lights = new Lights(place.querySelector("svg.is-live"), caption);
  if (id) await again(id);
}

async function again(id) {
  stopReplay();
  let number = id;
  if (!number) {
    const answer = await get("/api/requests", { method: "RunPodSandbox", limit: 20 }).catch(() => ({ requests: [] }));
    number = answer.requests.find((one) => one.code === "OK" && !one.running)?.id;
  }
  if (!number) return lights.say("No pod start is remembered yet.");
  const record = await get(`/api/requests/${number}`).catch((error) => lights.say(error.message));
  if (!record) return;
  following = false;
  lights.dark();
  document.getElementById("stop").hidden = false;
  const end = replay(record, lights);
  stopReplay = () => {
    end();
    lights.dark();
    following = true;
    document.getElementById("stop").hidden = true;
    lights.say("Waiting for a request.");
    stopReplay = () => {};
  };
}

function drawn(picture, node, start, below) {
  const height = ROWS.length * HEIGHT - (HEIGHT - BOX) + 4;
  const y = (row) => 2 + ROWS.indexOf(row) * HEIGHT;
  const svg = s("svg", { viewBox: `0 0 ${WIDTH} ${height}`, class: picture.live ? "is-live" : "", role: "img",
    "aria-label": described(picture) });
  for (const arrow of picture.arrows) svg.append(line(arrow, y(arrow.from) + BOX, y(arrow.to), node, start));
  const beside = y(picture.cni);
  svg.append(
    s("g", { class: "arrow", "data-part": "cni-arrow" },
      s("path", { d: `M${LEFT + BOX_WIDTH} ${beside + BOX / 2}H${CNI_LEFT - 7}` }), tip(CNI_LEFT, beside + BOX / 2, "right"),
      s("text", { x: LEFT + BOX_WIDTH + 10, y: beside + BOX / 2 - 6, class: "label" }, "exec")),
    box("cni", CNI_LEFT, beside, WIDTH - CNI_LEFT - 2, "CNI plugins", ""),
  );
  for (const one of picture.boxes) svg.append(box(one.row, LEFT, y(one.row), BOX_WIDTH, one.label, one.inside));
  return h(
    "figure",
    { class: picture.live ? "picture live-picture" : "picture" },
    h("figcaption", {}, h("h3", {}, picture.name), h("p", { class: "years" }, picture.years), h("p", {}, picture.told)),
    svg,
    sum(picture, start),
    ...below,
  );
}

function box(part, x, y, width, label, inside) {
  const group = s("g", { class: "box", "data-part": part }, s("rect", { x, y, width, height: BOX, rx: 6 }));
  if (inside) {
    // In one process with what serves the CRI: a box in the box.
    group.append(
      s("text", { x: x + 8, y: y + 13, class: "small" }, label),
      s("rect", { x: x + 8, y: y + 17, width: width - 16, height: BOX - 20, rx: 4, class: "inside" }),
      s("text", { x: x + width / 2, y: y + 30, class: "small", "text-anchor": "middle" }, inside),
    );
  } else group.append(s("text", { x: x + width / 2, y: y + BOX / 2 + 5, "text-anchor": "middle" }, label));
  return group;
}

function line(arrow, from, to, node, start) {
  const group = s("g", { class: `arrow ${arrow.cost}`, "data-part": `${arrow.from}-${arrow.to}` },
    s("path", { d: `M${MIDDLE} ${from}V${to - 7}` }), tip(MIDDLE, to, "down"));
  const lines = [arrow.label, ...priced(arrow.cost, node, start)];
  const middle = (from + to) / 2;
  lines.forEach((text, index) => group.append(
    s("text", { x: MIDDLE + 10, y: middle + 4 + (index - (lines.length - 1) / 2) * 13, class: index ? "cost" : "label" }, text)));
  return group;
}

function tip(x, y, way) {
  return s("polygon", { points: way === "down" ? `${x - 5},${y - 8} ${x + 5},${y - 8} ${x},${y - 1}` : `${x - 8},${y - 5} ${x - 8},${y + 5} ${x - 1},${y}` });
}

// Short, for there is little room; what is meant and how it is known stands in the table below.
function priced(cost, node, start) {
  const null_hop = node.null_hop_ms === null ? "not measured yet" : `${exact(node.null_hop_ms)} ms, idle`;
  if (cost === "hop" || cost === "alike") {
    const often = start ? `${start.hops_per_request.toFixed(1)} × a pod start` : "";
    return [cost === "alike" ? `as here: ${null_hop}` : null_hop, often && cost === "hop" ? often : ""].filter(Boolean);
  }
  return cost === "absent" ? ["not measurable here"] : [];
}

function sum(picture, start) {
  const extra = start ? `${exact(start.price_p50_ms)} ms` : "";
  const told = {
    measured: [extra || "no pod start yet", "price of each RunPodSandbox here, its transport an estimate unless containerd tells"],
    saved: ["0 hops", "no transport is paid; part of what cri-shim counts as own time is work here, too"],
    alike: ["the same arrows", "its own cost is not measurable here; cri-shim stands in for it"],
  }[picture.sum] ?? ["–", picture.sum];
  return h("p", { class: `sum ${picture.sum}` }, h("b", {}, told[0]), " ", told[1]);
}

function described(picture) {
  const names = Object.fromEntries(picture.boxes.map((one) => [one.row, one.inside ? `${one.label} with ${one.inside} inside` : one.label]));
  const arrows = picture.arrows.map((arrow) => `${names[arrow.from]} to ${names[arrow.to]} by ${arrow.label}`);
  return `${picture.name}: ${arrows.join(", ")}; ${names[picture.cni]} runs CNI plugins`;
}

function costs(node, start) {
  const none = "no pod start yet";
  const rows = [
    ["null hop", node.null_hop_ms === null ? "not measured yet" : `${exact(node.null_hop_ms)} ms`, "measured",
      "a call to containerd that does nothing, while nothing else happens: median"],
    ["hops of a RunPodSandbox", start ? start.hops_per_request.toFixed(1) : none, "measured", "mean of those that are remembered"],
    ["RunPodSandbox", start ? `${exact(start.p50_ms)} ms` : none, "measured", "median wall time"],
    ["price of a RunPodSandbox", start ? `${exact(start.price_p50_ms)} ms` : none, "partly estimate",
      "median of transport and own time; transport is an estimate from the null hop unless containerd exports spans"],
    ["HTTP to dockerd, dockerd to containerd", "–", "not measurable here", "two arrows that nobody draws any more"],
    ["the same request in the plugin", "–", "not measurable here", "this daemon cannot see it: cri-shim compare runs both on one machine"],
  ];
  return h(
    "table",
    { class: "costs" },
    h("caption", {}, "What the arrows cost on this machine"),
    h("tbody", {}, ...rows.map(([name, value, how, meaning]) => h("tr", {}, h("th", { scope: "row" }, name),
      h("td", { class: "value" }, value), h("td", {}, h("span", { class: `how ${how.split(" ")[0]}` }, how)), h("td", { class: "meaning" }, meaning)))),
  );
}

listen((name, data) => {
  if (!lights || place.hidden || !following) return;
  if (name === "away" || name === "lost") lights.dark();
  lights.follow(name, data);
});
