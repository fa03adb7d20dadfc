// One architecture in the player: its boxes, its time, what is under way in it, and what could not be observed.

import { h, placed } from "./dom.js";
import { brief } from "./format.js";
import { sentence } from "./narration.js";
import { partsOf, underWay } from "./runs.js";

const LONGEST_BAR = 88; // percent of the width; the rest is for the time beside it
const LABELS = { kubelet: "client", CNI: "CNI plugins", program: "programs" };

export class Lane {
  #parts = new Map();
  #caption = h("p", { class: "run-caption" });
  #now = h("i", { class: "playhead" });
  #shown = "";

  /** `length` is that of the longest run, so that all lanes have one axis of time. */
  constructor(run, length) {
    this.run = run;
    this.element = h("section", { class: "run", "data-run": run.architecture, "aria-label": run.title },
      h("h3", {}, run.title, " ", h("small", {}, versionsOf(run))),
      h("ol", { class: "chain" }, ...partsOf(run).map(({ part, column }) => this.#box(part, column))),
      this.#time(length), this.#caption, facts(run));
    this.show(0);
  }

  /** Show the run at a moment. */
  show(at) {
    placed(this.#now, Math.min(100, (100 * at) / this.run.wall_ms), 0.2);
    const steps = at > 0 || at === 0 ? underWay(this.run, at) : [];
    const lit = new Map(steps.flatMap(({ from, to }) => [[from, "asks"], [to, "works"]]));
    const ended = at >= this.run.wall_ms;
    for (const [part, box] of this.#parts) {
      const state = ended ? "" : (lit.get(part) ?? "");
      if (box.dataset.state !== state) box.dataset.state = state;
    }
    const newest = steps.at(-1);
    const text = ended ? `Answered after ${brief(this.run.wall_ms)}: the pod runs.` : newest ? sentence(newest) || newest.what : quiet(at);
    const key = `${text}${newest && !ended ? newest.start_ms : ""}`;
    if (key === this.#shown) return;
    this.#shown = key;
    this.#caption.replaceChildren(...(newest && !ended ? [h("b", {}, `${name(newest.from)} → ${name(newest.to)} `), h("code", {}, short(newest.what)),
      ` at ${brief(newest.start_ms)}. `, text] : [text]));
  }

  /** Return the newest step that has begun, for the caption of all lanes. */
  newest(at) {
    return this.run.steps.findLast((step) => step.start_ms <= at + 1e-6);
  }

  #box(part, column) {
    const box = h("li", { "data-part": part, class: `column-${column}`, "data-state": "" }, LABELS[part] ?? part);
    this.#parts.set(part, box);
    return box;
  }

  // The three requests as one bar, as long as the run beside the longest one; their times are text below it.
  #time(length) {
    const bar = h("div", { class: "run-time" });
    const share = (LONGEST_BAR * this.run.wall_ms) / length;
    const whole = placed(h("div", { class: "whole" }), 0, share);
    const asked = this.run.steps.filter(({ from }) => from === "kubelet");
    for (const step of asked) {
      whole.append(placed(h("i", { class: "asked" }),
        (100 * step.start_ms) / this.run.wall_ms, (100 * step.duration_ms) / this.run.wall_ms));
    }
    whole.append(this.#now);
    bar.append(whole, placed(h("span", { class: "wall" }, brief(this.run.wall_ms)), share, 100 - share));
    return [bar, h("p", { class: "requests-of-run" }, asked.map((step) => `${step.what} ${brief(step.duration_ms)}`).join(", "))];
  }
}

/** `containerd.services.tasks.v1.Tasks/Create` → `Tasks/Create`; anything else as it is. */
export function short(what) {
  return what.includes("/") && !what.includes(" ") ? what.slice(what.lastIndexOf(".", what.indexOf("/")) + 1) : what;
}

export function name(part) {
  return part === "CNI" ? "CNI plugin" : part;
}

function quiet(at) {
  return at > 0 ? "Between two steps that were observed." : "Not begun.";
}

function versionsOf(run) {
  return Object.entries(run.versions).map(([program, version]) => `${program} ${version}`).join(", ");
}

function facts(run) {
  const { cores, kernel, distribution, load } = run.machine;
  return h("details", { class: "recorded" }, h("summary", {}, "How this was recorded, and what could not be observed"),
    h("p", {}, `Recorded on ${run.recorded}, on a machine with ${cores} cores (${distribution}, Linux ${kernel}, load average ${load}): of ${run.starts} starts the one with the median time. `,
      `In the kubelet's place: ${run.client}. `, h("code", {}, run.command)),
    h("ul", {}, ...run.notes.map((note) => h("li", {}, `${note}.`)),
      ...Object.entries(run.how).map(([how, meaning]) => h("li", {}, `${run.steps.filter((step) => step.how === how).length} steps by `, h("b", {}, how), `: ${meaning}.`)),
      ...run.not_observed.map(({ from, to, why }) => h("li", { class: "unseen" }, h("b", {}, `Not observed: ${name(from)} → ${name(to)}. `), `${why}.`))));
}
