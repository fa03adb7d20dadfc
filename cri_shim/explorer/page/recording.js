// The banner over a recording: of which node and when it was made, and what is not in it.

import { h } from "./dom.js";
import { dated } from "./format.js";

const LEFT_OUT = [["running", "not answered when it ended"], ["requests", "older requests"], ["events", "live events"]];

/** Say that the page shows a recording; `about` is what /api/node says of it. */
export function showRecording(about) {
  if (document.body.dataset.recording !== undefined) return;
  document.body.dataset.recording = "";
  document.getElementById("live").hidden = true;
  const only = about.pod ? `, only of pod ${about.pod}` : "";
  const missing = LEFT_OUT.filter(([name]) => about.left_out[name]).map(([name, what]) => `${about.left_out[name]} ${what}`);
  document.getElementById("main").before(h("aside", { class: "recording", "aria-label": "Recording" },
    h("b", {}, `A recording of ${about.host || "an unnamed node"}`), `${only}: `,
    `${about.requests} requests, from ${dated(about.began_at)} to ${dated(about.ended_at)}, and what the daemon remembered then. `,
    about.replays ? "Its live events are played again, with long pauses cut short." : "Nothing here is live.",
    missing.length > 0 && ` Not in it: ${missing.join(", ")}.`,
    !about.complete && " The daemon went away before the recording ended."));
}
