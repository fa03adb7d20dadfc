// What the daemon's listener tells: answers as JSON, and the ledger as it is written.

/** A JSON answer; rejects with the sentence that the listener gave. */
export async function get(path, parameters = {}) {
  const query = new URLSearchParams(Object.entries(parameters).filter(([, value]) => value !== ""));
  const response = await fetch(`${path}${query.size ? `?${query}` : ""}`);
  if (!response.ok) throw new Error((await response.text()).trim() || `${path}: ${response.status}`);
  return response.json();
}

const EVENTS = ["start", "hop", "helper", "end", "settled", "lost"];
const listeners = new Set();

/** Call `listener(name, data)` for each live event; also `open` (again) and `away`. */
export function listen(listener) {
  listeners.add(listener);
}

function tell(name, data) {
  for (const listener of listeners) listener(name, data);
}

/** Begin to follow; the browser comes back by itself when the daemon does. */
export function follow() {
  const source = new EventSource("/api/live");
  source.onopen = () => tell("open", null);
  source.onerror = () => {
    tell("away", null);
    // A connection that was refused outright is not tried again by the browser.
    if (source.readyState === EventSource.CLOSED) setTimeout(follow, 2000);
  };
  for (const name of EVENTS) source.addEventListener(name, (event) => tell(name, JSON.parse(event.data)));
}
