// The critical path of a request in words: what its answer waited for, one step after the other.

import { h } from "./dom.js";
import { exact } from "./format.js";
import { pathOf } from "./pieces.js";

/** The steps as a list; nothing if the answer waited only for the daemon itself, or has not been sent. */
export function criticalPath(record) {
  const steps = pathOf(record);
  if (!steps.some((step) => step.kind !== "work")) return null;
  return h("details", { class: "answer-path" },
    h("summary", {}, "What the answer waited for, step by step"),
    h("ol", {}, ...steps.map((step) => h("li", {}, h("i", { class: `key ${step.kind}` }), h("b", {}, step.label), ` ${exact(step.duration_ms)}`))),
    h("p", { class: "hint" }, "Read backwards from the answer: each step is the piece that ended last before the next one began, and between them lies the daemon itself. That is at least own work in the bill, which counts only moments in which nothing else is under way. ",
      "The steps add up to the wall time. They are known from times alone: a piece that ended just before another began counts as its cause."));
}
