// Whether the daemon is there: a word in the head of the page, and a notice below it while something is wrong.

import { get, listen } from "./api.js";
import { h } from "./dom.js";
import { nextSteps } from "./states.js";

const live = document.getElementById("live");
const notice = document.getElementById("notice");
let number = 0; // of the last thing that was heard of the live events
let since = ""; // when the daemon no longer answered

/** Whether the daemon does not answer at present; whatever it is asked then is an error in the browser's console. */
export function isAway() {
  return since !== "";
}

listen((name) => {
  if (name === "open") arrived();
  else if (name === "away") lost();
});

function arrived() {
  number += 1;
  since = "";
  live.textContent = "live";
  live.dataset.state = "open";
  say("");
}

// The live events have ended. Either the daemon is away, or it is there and refuses them.
async function lost() {
  const mine = (number += 1);
  live.dataset.state = "away";
  const error = await get("/api/node").then(() => null, (reason) => reason);
  if (mine !== number) return; // it has come back, or has gone again
  if (error && error.status === undefined) {
    since ||= new Date().toLocaleTimeString([], { hourCycle: "h23" });
    live.textContent = "the daemon is away";
    say(`The daemon does not answer, since ${since}.`, "What is shown is from before. The page goes on by itself when the daemon is back.", nextSteps());
  } else {
    since = "";
    live.textContent = "not live";
    say("The daemon answers, but sends this page no live events.", "It has a limited number of places for pages that follow it. The page tries again by itself.",
      [["Close other pages that follow this daemon"]]);
  }
}

/** Show what `/api/node` says of the daemon: it may be there and not ready. */
export function notePresence(node) {
  if (live.dataset.state !== "open") return;
  if (node.ready !== false) say("");
  else {
    say(`The daemon is not ready: ${node["why_not"] || "it gives no reason"}`, "Requests that need what is missing fail until it is back; what is shown stays true.",
      [["Each part, with its last error: ", h("code", {}, "cri-shim status")]]);
  }
}

// The notice is read aloud when it changes, so it is made anew only if it says something else.
function say(so, why, todo = []) {
  if ((notice.dataset.so ?? "") === so) return;
  notice.dataset.so = so;
  notice.replaceChildren(...(so ? [h("p", {}, h("span", { class: "so" }, so), ` ${why}`), h("ul", {}, ...todo.map((one) => h("li", {}, ...one)))] : []));
}
