// The source of a figure, one click away: measured here, estimated (and how), or taken from the docs (and when).

import { onAddress } from "./address.js";
import { h } from "./dom.js";

const CLASS = { measured: "measured", "not known": "unknown", "from the docs": "docs" };

export const measured = (how) => ({ kind: "measured", how });
export const estimate = (how, kind = "estimate") => ({ kind, how });
export const documented = (how) => ({ kind: "from the docs", how });
const unknown = (how) => ({ kind: "not known", how });

const NULL_CALLS =
  "containerd exported no spans for these hops. Each is charged what a call that does nothing (Version) takes on the same socket after as long a quiet; " +
  "the rest of the hop counts as containerd at work. What spans have said of such hops on this node corrects that. `cri-shim hops calibrate` prints what such calls take.";
const SPANS = "The duration of each hop, measured here, less the time that containerd's own server span gives for it.";
const NO_HOP = "Measured by the daemon's own clock: no hop was made.";

/** How the share of transport in hops is known; `split` as the ledger has it. */
export function ofSplit(split, hops) {
  if (!hops) return measured(NO_HOP);
  if (split === "spans") return measured(SPANS);
  if (split === "estimate") return estimate(NULL_CALLS);
  if (split === "mixed") return estimate(`Of some hops: ${SPANS} Of the others: ${NULL_CALLS}`, "partly estimate");
  return unknown("No call that does nothing has been measured yet. Until then hops count as containerd at work in full.");
}

const PROBE =
  "The daemon calls itself over its own socket now and then, at the rhythm at which it is called; this is what that took after as long a quiet.";
const CLIENT = "The way in: from the time that the client sent along to the daemon having the request. The way out is an estimate: ";

/** How the front hop is known; `known` as the ledger has it. */
export function ofFront(known) {
  if (known === "measured") return estimate(CLIENT + PROBE, "way in measured");
  if (known === "estimate") return estimate(PROBE);
  if (known === "mixed") return estimate(`Of some requests ${PROBE} Of others: ${CLIENT} the same probe.`, "partly estimate");
  return unknown("The client sent no time, and the daemon has not probed its own socket yet.");
}

/** How a price is known, which is as well as its three parts are. */
export function ofPrice(split, known, hops) {
  const parts = [["front hop", ofFront(known)], ["transport", ofSplit(split, hops)], ["own work", measured("The daemon's own clock.")]];
  // An unknown part is left out of the sum, which does not make the rest of it an estimate.
  const sure = parts.every(([, one]) => one.kind === "measured" || one.kind === "not known");
  const how = "Front hop + transport + own work. The daemon's own queue is not in it. " +
    parts.map(([name, one]) => `${name}: ${one.kind}`).join("; ") + ". ± is the error of what is estimated.";
  return sure ? measured(how) : estimate(how, "partly estimate");
}

const box = h("div", { popover: "auto", id: "source", class: "source", role: "note" });
const spoken = h("p", { class: "unseen", role: "status" }); // the focus stays on the mark, so the box alone is not read aloud
document.getElementById("main").append(box, spoken);
box.addEventListener("toggle", ({ newState }) => newState === "closed" && spoken.replaceChildren());

/** A small button that names the kind of its figure, and on a click shows where the figure comes from. */
export function mark(source, label = source.kind) {
  const button = h("button", { type: "button", class: `mark ${CLASS[source.kind] ?? "estimate"}`,
    "aria-label": `${label}: where this figure comes from` }, label);
  return explaining(button, source);
}

/** A word that is a button: a click shows where the figure beside it comes from. */
export function term(source, label) {
  return explaining(h("button", { type: "button", class: "term", "aria-label": `${label}: where this figure comes from` }, label), source);
}

/** Make a click on `element` show where its figure comes from. */
export function explaining(element, source) {
  element.addEventListener("click", () => show(element, source));
  return element;
}

/** The same for a figure inside of a picture, which cannot hold a button. */
export function explainingInPicture(group, source) {
  group.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" && event.key !== " ") return;
    event.preventDefault();
    show(group, source);
  });
  return explaining(group, source);
}

/** Whether a source is being shown, in which case Escape closes only that. */
export function sourceIsOpen() {
  return box.matches(":popover-open");
}

let anchor = null;

function show(at, { kind, how }) {
  if (sourceIsOpen()) box.hidePopover();
  anchor = at;
  box.replaceChildren(h("b", {}, kind), h("p", {}, how));
  box.showPopover();
  spoken.textContent = `${kind}. ${how}`;
  place();
}

// Place the box below its figure, or above it if it does not fit; hide it when the figure is removed.
function place() {
  if (!sourceIsOpen()) return;
  if (!anchor.isConnected) return box.hidePopover();
  const [at, own] = [anchor.getBoundingClientRect(), box.getBoundingClientRect()];
  const below = at.bottom + 6 + own.height <= innerHeight;
  box.style.left = `${Math.max(8, Math.min(at.left, innerWidth - own.width - 8))}px`;
  box.style.top = `${Math.max(8, below ? at.bottom + 6 : at.top - own.height - 6)}px`;
}

onAddress(() => sourceIsOpen() && box.hidePopover()); // its figure is of the view that was left
addEventListener("scroll", place, { capture: true, passive: true });
addEventListener("resize", place);
addEventListener("hashchange", () => sourceIsOpen() && box.hidePopover());
