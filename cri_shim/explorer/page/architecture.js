// Five pictures side by side, one of which shows this daemon and lights up while it works; below them the player.

import { addressOf } from "./address.js";
import { get, getOne, listen } from "./api.js";
import { PICTURES } from "./architectures.js";
import { deathPanel } from "./death_panel.js";
import { DOCUMENTED, sourceOf } from "./documented.js";
import { h } from "./dom.js";
import { Lights } from "./lights.js";
import { fill } from "./live_figures.js";
import { draw } from "./picture.js";
import { refresher } from "./refresh.js";
import { replay } from "./replay.js";
import { sideBySide, stopPlaying } from "./side_by_side.js";
import { mark } from "./sources.js";
import { failed, gone } from "./states.js";

const WAITING = "Waiting for a request.";
const AWAY = "The daemon is away: nothing here is live.";
const QUIET = 500; // milliseconds between two refreshments of the figures

const place = document.getElementById("architecture");
const table = h("table", { class: "costs" });
const caption = h("p", { class: "now", role: "status" }, WAITING);

const notPlayed = h("div", {}); // why the request in the address is not played

let lights = null;
let away = false;
let following = true;
let stopReplay = () => {};
let visits = 0; // how often the view was shown: only the last address is followed
let asked = 0; // the number of replays that were asked for: only the last one is played

/** Show all pictures; with the number of a request, play that one in slow motion. */
export async function showArchitecture(id) {
  const mine = (visits += 1);
  if (!lights) build();
  await refresh();
  if (mine !== visits || place.hidden) return; // the reader has gone on meanwhile
  notPlayed.replaceChildren();
  if (Number.isNaN(id)) notPlayed.replaceChildren(gone("A request with such a number", remembered()));
  else if (id) await again(id);
}

function build() {
  place.replaceChildren(
    h("h2", {}, "Which arrows went away"),
    h("p", { class: "hint" }, "From the kubelet to a container, five times. Boxes of one row do the same work; where a row is empty, nothing has to be asked. ",
      "Figures at arrows are this daemon's, on this machine; those of the others were measured elsewhere. Each box is a process: choose it to see what breaks when it dies."),
    h("div", { class: "pictures" }, ...PICTURES.map(figure)),
    table,
    h("p", { class: "hint" }, "What the plugin takes for the same request on this machine, this daemon cannot see: cri-shim compare runs both."),
    sideBySide(),
  );
  lights = new Lights(place.querySelector("svg.is-live"), caption);
}

function figure(picture) {
  const { panel, choose } = deathPanel(picture);
  return h("figure", { class: picture.live ? "picture live-picture" : "picture", "data-picture": picture.name },
    h("figcaption", {}, h("h3", {}, picture.name), h("p", { class: "years" }, picture.years), h("p", {}, picture.summary)),
    draw(picture, choose),
    h("div", { class: "below" },
      panel,
      picture.live ? h("p", { class: "sum measured" }) : DOCUMENTED[picture.name] ? elsewhere(picture) : null,
      ...(picture.live ? [caption, notPlayed, replayButtons()] : []),
      h("details", { class: "left-out" }, h("summary", {}, "What this picture leaves out"), h("ul", {}, ...picture.leavesOut.map((text) => h("li", {}, text))))));
}

// The times of another architecture, measured elsewhere.
function elsewhere(picture) {
  const { start, end, exec } = DOCUMENTED[picture.name];
  const facts = [["pod start", start], ["pod end", end], ["exec", exec]];
  return h("div", { class: "sum" }, h("dl", { class: "documented" }, ...facts.map(([name, ms]) =>
    h("div", {}, h("dt", {}, name), h("dd", {}, `${ms} ms`)))), mark(sourceOf(picture.name), "from the docs, 2026"));
}

function replayButtons() {
  return h("p", { class: "controls" }, h("button", { type: "button", id: "replay", onclick: () => again() }, "Replay a pod start, slowly"),
    h("button", { type: "button", id: "stop", class: "quiet", hidden: true, onclick: () => stopReplay() }, "Back to live"));
}

function remembered() {
  return h("a", { href: addressOf("requests", "", { method: "RunPodSandbox" }) }, "The pod starts that are remembered");
}

// The figures of now. When the daemon does not answer, none of them is.
async function refresh() {
  const [node, totals] = await Promise.all([get("/api/node"), get("/api/methods")]).catch(() => [null, null]);
  if (!lights) return;
  away = node === null;
  fill(place.querySelector(".live-picture"), table, node, totals?.methods.find(({ method }) => method === "RunPodSandbox"));
  if (following) lights.say(away ? AWAY : WAITING);
}

async function again(id) {
  const mine = (asked += 1);
  stopReplay();
  notPlayed.replaceChildren();
  let number = id;
  if (!number) {
    const answer = await get("/api/requests", { method: "RunPodSandbox", limit: 20 }).catch(() => null);
    if (mine !== asked) return;
    if (!answer) return lights.say(AWAY);
    number = answer.requests.find((one) => one.code === "OK" && !one.running)?.id;
  }
  if (!number) return lights.say("No pod start is remembered yet. Start a pod, and it can be replayed here.");
  const record = await getOne(`/api/requests/${number}`).catch((error) => error);
  if (mine !== asked || place.hidden) return;
  if (record instanceof Error) return notPlayed.replaceChildren(failed(record, `Request ${number}`, remembered()));
  following = false;
  lights.dark();
  document.getElementById("stop").hidden = false;
  const end = replay(record, lights);
  stopReplay = () => {
    end();
    lights.dark();
    following = true;
    document.getElementById("stop").hidden = true;
    lights.say(away ? AWAY : WAITING);
    stopReplay = () => {};
  };
}

listen((name, data) => {
  if (!lights) return;
  if (name === "away" || name === "lost") lights.dark();
  if (following) lights.follow(name, data); // while another view is shown, too: what ends meanwhile would stay lit
  if (place.hidden) return;
  if (name === "open") refresh();
  if (name === "away" && !away) {
    away = true;
    fill(place.querySelector(".live-picture"), table, null, undefined);
    if (following) lights.say(AWAY);
  }
  if ((name === "end" || name === "settled") && data.method === "RunPodSandbox") {
    figuresSoon(QUIET);
  }
});

const figuresSoon = refresher(refreshFigures);
async function refreshFigures() {
  const [node, totals] = await Promise.all([get("/api/node"), get("/api/methods")]).catch(() => [null, null]);
  if (node) fill(place.querySelector(".live-picture"), table, node, totals.methods.find(({ method }) => method === "RunPodSandbox"));
}

addEventListener("hashchange", () => {
  if (!location.hash.startsWith("#/architecture")) stopPlaying();
});
