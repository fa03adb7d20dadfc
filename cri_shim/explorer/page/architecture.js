// Four pictures side by side; the last one shows this daemon, and lights up while it works.

import { get, listen } from "./api.js";
import { PICTURES, ROWS } from "./architectures.js";
import { DOCUMENTED, sourceOf } from "./documented.js";
import { h, s } from "./dom.js";
import { brief, exact, withError } from "./format.js";
import { Lights } from "./lights.js";
import { replay } from "./replay.js";
import { explainingInPicture, mark, measured, ofFront, ofPrice } from "./sources.js";

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
    h("p", { class: "hint" }, "From the kubelet to a container, four times. Boxes of one row do the same work; where a row is empty, nothing has to be asked. Figures at arrows are this daemon's, on this machine; those of the others were measured elsewhere."),
    h("div", { class: "pictures" }, ...PICTURES.map((picture) => drawn(picture, node, start, picture.live ? [caption, chooser] : []))),
    costs(node, start),
    h("p", { class: "hint" }, "What the plugin takes for the same request on this machine, this daemon cannot see: cri-shim compare runs both."),
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
  for (const arrow of picture.arrows) svg.append(line(arrow, y(arrow.from) + BOX, y(arrow.to), figureOf(arrow.figure, node, start)));
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
    h("figcaption", {}, h("h3", {}, picture.name), h("p", { class: "years" }, picture.years), h("p", {}, picture.summary)),
    svg,
    picture.live ? sum(start) : elsewhere(picture),
    ...below,
  );
}

function box(part, x, y, width, label, inside) {
  const group = s("g", { class: "box", "data-part": part }, s("rect", { x, y, width, height: BOX, rx: 6 }));
  if (inside) {
    // The part that serves the CRI is in the same process, so it is a box inside the box.
    group.append(
      s("text", { x: x + 8, y: y + 13, class: "small" }, label),
      s("rect", { x: x + 8, y: y + 17, width: width - 16, height: BOX - 20, rx: 4, class: "inside" }),
      s("text", { x: x + width / 2, y: y + 30, class: "small", "text-anchor": "middle" }, inside),
    );
  } else group.append(s("text", { x: x + width / 2, y: y + BOX / 2 + 5, "text-anchor": "middle" }, label));
  return group;
}

function line(arrow, from, to, figure) {
  const group = s("g", { class: figure ? "arrow hop" : "arrow", "data-part": `${arrow.from}-${arrow.to}` },
    s("path", { d: `M${MIDDLE} ${from}V${to - 7}` }), tip(MIDDLE, to, "down"));
  const lines = [arrow.label, ...(figure?.lines ?? [])];
  const middle = (from + to) / 2;
  const texts = lines.map((text, index) =>
    s("text", { x: MIDDLE + 10, y: middle + 4 + (index - (lines.length - 1) / 2) * 13, class: index ? "cost" : "label" }, text));
  if (!figure) group.append(...texts);
  else {
    group.append(texts[0], explainingInPicture(s("g", { class: "sourced", role: "button", tabindex: "0",
      "aria-label": `${lines.slice(1).join(", ")}, ${figure.source.kind}: where this figure comes from` }, ...texts.slice(1)), figure.source));
  }
  return group;
}

function tip(x, y, way) {
  return s("polygon", { points: way === "down" ? `${x - 5},${y - 8} ${x + 5},${y - 8} ${x},${y - 1}` : `${x - 8},${y - 5} ${x - 8},${y + 5} ${x - 1},${y}` });
}

// The figures of one of this daemon's own arrows, kept short for lack of room; a click shows how they are known.
function figureOf(name, node, start) {
  if (name === "front") {
    const source = ofFront(node.front_known);
    return { source: { ...source, how: `The front hop, median of the last requests. ${source.how}` }, lines: [withError(node.front_ms, node.front_error_ms)] };
  }
  if (name === "hop") {
    const often = start ? [`${start.hops_per_request.toFixed(1)} × a pod start`] : [];
    return { source: measured(`A call that does nothing (Version), after a second of quiet: ${NULL_CALL} The hops of a pod start are counted.`),
      lines: [withError(node.null_hop_ms, node.null_hop_error_ms), ...often] };
  }
  return null;
}

const NULL_CALL = "the median of the last ones that were made while nothing else happened.";

function sum(start) {
  if (!start) return h("p", { class: "sum measured" }, h("b", {}, "–"), " no pod has been started yet");
  const off = start.price_error_p50_ms ? ` ±${brief(start.price_error_p50_ms)}` : "";
  return h("p", { class: "sum measured" }, h("b", {}, `${brief(start.price_p50_ms)}${off}`), " the price of a RunPodSandbox here, median ",
    mark(ofPrice(start.split, start.front_known, start.hops_per_request)));
}

// The times of another architecture, measured elsewhere.
function elsewhere(picture) {
  const { start, end, list } = DOCUMENTED[picture.name];
  const facts = [["pod start", start], ["pod end", end], ["ListPodSandbox, 35 pods", list]];
  return h("div", { class: "sum" }, h("dl", { class: "documented" }, ...facts.map(([name, ms]) =>
    h("div", {}, h("dt", {}, name), h("dd", {}, `${ms} ms`)))), mark(sourceOf(picture.name), "from the docs, 2026"));
}

function described(picture) {
  const names = Object.fromEntries(picture.boxes.map((one) => [one.row, one.inside ? `${one.label} with ${one.inside} inside` : one.label]));
  const arrows = picture.arrows.map((arrow) => `${names[arrow.from]} to ${names[arrow.to]} by ${arrow.label}`);
  return `${picture.name}: ${arrows.join(", ")}; ${names[picture.cni]} runs CNI plugins`;
}

function costs(node, start) {
  const none = "no pod start yet";
  const clock = measured("The daemon's own clock, over the requests that are still remembered.");
  const front = ofFront(node.front_known);
  const price = start ? ofPrice(start.split, start.front_known, start.hops_per_request) : clock;
  const rows = [
    ["front hop", withError(node.front_ms, node.front_error_ms), front, "client, daemon and back, at the rhythm of the last requests: median"],
    ["null call", withError(node.null_hop_ms, node.null_hop_error_ms), measured(`A call that does nothing (Version): ${NULL_CALL}`),
      "a call to containerd that does nothing, after a second of quiet: median"],
    ["hops of a RunPodSandbox", start ? start.hops_per_request.toFixed(1) : none, clock, "mean of those that are remembered"],
    ["RunPodSandbox", start ? `${exact(start.p50_ms)} ms` : none, clock, "median wall time"],
    ["price of a RunPodSandbox", start ? withError(start.price_p50_ms, start.price_error_p50_ms) : none, price, "median of front hop, transport and own work"],
    ["own queue of a RunPodSandbox", start ? `${exact(start.queue_p50_ms)} ms` : none, clock, "median wait for limits and locks of the daemon; not in the price"],
  ];
  return h(
    "table",
    { class: "costs" },
    h("caption", {}, "What the arrows of cri-shim cost on this machine"),
    h("tbody", {}, ...rows.map(([name, value, source, meaning]) => h("tr", {}, h("th", { scope: "row" }, name),
      h("td", { class: "value" }, value), h("td", {}, mark(source)), h("td", { class: "meaning" }, meaning)))),
  );
}

listen((name, data) => {
  if (!lights || place.hidden || !following) return;
  if (name === "away" || name === "lost") lights.dark();
  lights.follow(name, data);
});
