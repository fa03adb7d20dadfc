// The player: one pod start through all architectures at once, from recorded runs, with one clock.

import { h } from "./dom.js";
import { brief } from "./format.js";
import { Lane, name, short } from "./lane.js";
import { sentence } from "./narration.js";
import { Playback } from "./playback.js";
import { isAway } from "./presence.js";
import { recordedRuns } from "./runs.js";
import { state } from "./states.js";

const SPEEDS = [[1, "as it was"], [10, "10 times slower"], [50, "50 times slower"], [200, "200 times slower"], [1000, "1000 times slower"]];

const RETRY = 1000; // milliseconds

let playback = null;
let retry = 0;
const place = h("section", { class: "side-by-side", "aria-labelledby": "side-by-side" });

/** Return the player; its runs are loaded the first time, and again until the daemon answers. */
export function sideBySide() {
  if (!playback && !retry) load();
  return place;
}

/** Stop the clock, as when another view is shown. */
export function stopPlaying() {
  if (playback?.playing) playback.pause();
}

// The browser drops requests when an interface appears, as with each pod on its own node, so one failure says little.
async function load() {
  clearTimeout(retry);
  retry = 0;
  if (isAway()) return again(); // each further question would be an error in the console
  try {
    const runs = await recordedRuns();
    if (!playback) show(runs);
  } catch {
    place.replaceChildren(heading(), state("away", "The recorded runs could not be loaded.", "The daemon that serves this page does not answer. They come when it does."));
    again();
  }
}

function again() {
  retry = setTimeout(load, RETRY);
}

function heading() {
  return h("h2", { id: "side-by-side" }, "One pod start through all of them");
}

function show(runs) {
  const length = Math.max(...runs.map((run) => run.wall_ms));
  const lanes = runs.map((run) => new Lane(run, length));
  const [play, back, on] = [button("play", "Play", "Space"), button("back", "◂ Step", "←"), button("on", "Step ▸", "→")];
  const scrub = h("input", { type: "range", id: "scrub", min: 0, max: length, step: 0.1, value: 0, "aria-label": "Moment of the pod start" });
  const speed = h("select", { id: "speed" }, ...SPEEDS.map(([factor, label]) => h("option", { value: factor, selected: factor === 50 }, label)));
  const through = h("select", { id: "through" }, h("option", { value: "" }, "all"), ...runs.map((run) => h("option", { value: run.architecture }, run.title)));
  const clock = h("output", { class: "moment", for: "scrub" });
  const caption = h("p", { class: "step-caption", role: "status" });

  playback = new Playback(length, runs.flatMap((run) => momentsOf(run)), (at, playing) => {
    for (const lane of lanes) lane.show(at);
    scrub.value = at;
    scrub.setAttribute("aria-valuetext", brief(at));
    clock.textContent = brief(at);
    play.firstChild.data = playing ? "Pause" : at >= length ? "Play again" : "Play";
    place.dataset.playing = playing;
    // While it plays, the lanes have captions of their own; a screen reader would be flooded.
    caption.replaceChildren(...(playing ? [] : captionOf(lanes, at, through.value)));
  });
  const chosen = () => (through.value ? momentsOf(runs.find((run) => run.architecture === through.value)) : playback.moments);
  const step = (way) => playback.step(way, chosen());
  play.addEventListener("click", () => playback.toggle());
  back.addEventListener("click", () => step(-1));
  on.addEventListener("click", () => step(1));
  scrub.addEventListener("input", () => playback.seek(Number(scrub.value)));
  speed.addEventListener("change", () => (playback.slower = Number(speed.value)));
  through.addEventListener("change", () => playback.seek(playback.at));
  const stage = h("div", { class: "runs", tabindex: "0", role: "group", "aria-label": "All architectures. Space plays and pauses, arrow keys step, Home and End go to the ends." },
    ...lanes.map((lane) => lane.element));
  stage.addEventListener("keydown", (event) => onKey(event, step));

  place.replaceChildren(heading(),
    h("p", { class: "hint" }, "Recorded from real runs, on the machine and with the versions that each one names; nothing here comes from this daemon. ",
      "The client sends what a kubelet sends: RunPodSandbox, CreateContainer, StartContainer. Boxes of one column do the same work."),
    h("div", { class: "deck" },
      h("div", { class: "buttons" }, play, back, on, h("label", {}, "Speed ", speed), h("label", {}, "Step through ", through), clock),
      scrub, caption), stage);
  playback.seek(0);
}

function onKey(event, step) {
  const keys = { " ": () => playback.toggle(), ArrowRight: () => step(1), ArrowLeft: () => step(-1), Home: () => playback.seek(0), End: () => playback.seek(playback.length) };
  if (!keys[event.key] || event.target.closest("summary, a, button, select, input") || event.ctrlKey || event.altKey || event.metaKey) return;
  event.preventDefault();
  keys[event.key]();
}

function momentsOf(run) {
  return [...run.steps.map((step) => step.start_ms), run.wall_ms];
}

function captionOf(lanes, at, architecture) {
  const among = lanes.filter((lane) => !architecture || lane.run.architecture === architecture);
  const newest = among.flatMap((lane) => (lane.newest(at) ? [{ lane, step: lane.newest(at) }] : [])).sort((a, b) => b.step.start_ms - a.step.start_ms)[0];
  if (at <= 0 || !newest) return ["At 0 ms the client sends RunPodSandbox to each of them."];
  const ended = among.filter((lane) => Math.abs(lane.run.wall_ms - at) < 1e-6).map((lane) => lane.run.title);
  if (ended.length) return [`${brief(at)}: ${ended.join(" and ")} has answered StartContainer, and the pod runs.`];
  const { lane, step } = newest;
  return [h("b", {}, `${brief(at)}, ${lane.run.title}: `), sentence(step) || step.what, " ", h("small", {}, `${name(step.from)} → ${name(step.to)}, `, h("code", {}, short(step.what)),
    `, ${step.duration_ms ? `takes ${brief(step.duration_ms)}` : "an instant"}; observed by ${step.how}`)];
}

function button(id, label, key) {
  return h("button", { type: "button", id: `player-${id}`, title: `${label} (${key})` }, label);
}
