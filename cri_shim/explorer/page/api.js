// The client of the daemon's listener: JSON answers, and the live events of the ledger.

let source = null; // of the live events
const REPEAT_AFTER = 2000; // milliseconds
const LONGEST = 4096; // characters of an address; the listener reads no line of more than 8190
const AGAIN = [100, 300, 900]; // milliseconds before each further attempt

/**
 * Return a JSON answer; reject with the listener's error message. A refusal is asked for as an answer, too, because the browser writes
 * every other one into its console as an error, and readers may type any id and any search into the address.
 */
export async function get(path, parameters = {}) {
  const query = new URLSearchParams([...Object.entries(parameters).filter(([, value]) => value !== ""), ["refused", "json"]]);
  const address = `${path}?${query}`;
  if (address.length > LONGEST) throw refusal(414, "What the address asks for is too long.");
  const response = await answered(address);
  if (!response.ok) throw refusal(response.status, (await response.text()).trim() || `${path}: ${response.status}`);
  const answer = await response.json();
  if (answer?.refused) throw refusal(answer.refused.status, answer.refused.message);
  return answer;
}

/** Return one thing by its id, as `get` does. A daemon of the release before answers null for what is absent. */
export async function getOne(path, parameters = {}) {
  const answer = await get(path, { ...parameters, absent: "null" });
  if (answer === null) throw refusal(404, `${path} is not remembered`);
  return answer;
}

function refusal(status, message) {
  return Object.assign(new Error(message), { status });
}

// A browser on the node drops what is under way when a pod's network interface comes or goes; asking again is enough.
async function answered(address) {
  for (const pause of AGAIN) {
    const response = await fetch(address).catch(() => null);
    if (response) return response;
    await new Promise((later) => setTimeout(later, pause));
  }
  return fetch(address).catch((error) => {
    repeatSoon();
    throw error;
  });
}

// If an answer is missing while the live events go on, the daemon is there: the views ask once more, as after a connect.
let repeating = 0;
function repeatSoon() {
  repeating ||= setTimeout(() => {
    repeating = 0;
    if (source?.readyState === EventSource.OPEN) dispatch("open", null);
  }, REPEAT_AFTER);
}

let offered = null;

/** Whether the daemon answers what a release before this page's did not: `names`, `pods`, `search`. Reject if it does not say. */
export async function offers(what) {
  const asked = (offered ??= get("/api/node").then(({ offers: all = [] }) => all));
  try {
    return (await asked).includes(what);
  } catch (error) {
    if (offered === asked) offered = null;
    throw error;
  }
}

const EVENTS = ["start", "hop", "helper", "end", "settled", "lost"];
const listeners = new Set();

/** Call `listener(name, data)` for each live event, and for `open` (after each connect) and `away`. */
export function listen(listener) {
  listeners.add(listener);
}

function dispatch(name, data) {
  for (const listener of listeners) {
    try {
      listener(name, data);
    } catch (error) {
      reportError(error); // the console shows it as an uncaught error, and the other views still get the event
    }
  }
}

/** Follow the live events; the browser reconnects when the daemon is back. */
export function follow() {
  source = new EventSource("/api/live?refused=json");
  source.onopen = () => {
    offered = null; // it may be another release than before
    dispatch("open", null);
  };
  source.onerror = () => {
    dispatch("away", null);
    // The browser does not retry a connection that was refused outright.
    if (source.readyState === EventSource.CLOSED) setTimeout(follow, 2000);
  };
  for (const name of EVENTS) source.addEventListener(name, (event) => dispatch(name, JSON.parse(event.data)));
}
