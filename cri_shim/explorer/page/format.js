// Format numbers and names as text.

/** Milliseconds with all three decimals, as the ledger has them. */
export function exact(ms) {
  return ms.toFixed(3);
}

/** Milliseconds with their possible error; null means that they are not known yet. */
export function withError(ms, error) {
  if (ms === null) return "not known yet";
  return error ? `${exact(ms)} ms ±${exact(error)}` : `${exact(ms)} ms`;
}

/** Milliseconds at a glance, with about three significant digits. */
export function brief(ms) {
  // What is rounded decides, so that 999.7 ms are a second and 9.996 ms have no more digits than 10 ms.
  if (Math.round(ms) >= 1000) return `${(ms / 1000).toFixed(Number((ms / 1000).toFixed(2)) < 10 ? 2 : 1)} s`;
  const digits = [3, 2, 1].find((count) => Number(ms.toFixed(count)) < 10 ** (3 - count)) ?? 0;
  return `${ms.toFixed(digits)} ms`;
}

export function bytes(count) {
  if (count < 1000) return `${count} B`;
  const [unit, size] = [["kB", 1e3], ["MB", 1e6]].find(([, one]) => Number((count / one).toFixed(1)) < 1000) ?? ["GB", 1e9];
  return `${(count / size).toFixed(1)} ${unit}`;
}

/** `1 hop`, `2 hops`. */
export function counted(count, word) {
  return `${count} ${word}${count === 1 ? "" : "s"}`;
}

export function percent(share) {
  return `${(share * 100).toFixed(share < 0.1 && share > 0 ? 1 : 0)} %`;
}

export function clock(unixSeconds) {
  const at = new Date(unixSeconds * 1000);
  return at.toLocaleTimeString([], { hourCycle: "h23" }) + `.${String(at.getMilliseconds()).padStart(3, "0")}`;
}

/** The same, with the date unless that is today. */
export function moment(unixSeconds) {
  const at = new Date(unixSeconds * 1000);
  const today = at.toDateString() === new Date().toDateString();
  return today ? clock(unixSeconds) : `${at.toLocaleDateString([], { dateStyle: "medium" })}, ${clock(unixSeconds)}`;
}

/** Date and time, with the zone. */
export function dated(unixSeconds) {
  return new Date(unixSeconds * 1000).toLocaleString([], { dateStyle: "medium", timeStyle: "long", hourCycle: "h23" });
}

/** A length of time at a glance, from microseconds to days. */
export function span(ms) {
  if (ms < 59_950) return brief(ms);
  const [seconds, minutes, hours] = [1000, 60_000, 3_600_000].map((unit) => Math.round(ms / unit));
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
  return minutes < 48 * 60 ? `${Math.floor(minutes / 60)} h ${minutes % 60} min` : `${Math.floor(hours / 24)} days ${hours % 24} h`;
}

/** `containerd.services.tasks.v1.Tasks/Create` → `Tasks/Create`. */
export function hopName(method) {
  return method.slice(method.lastIndexOf(".", method.indexOf("/")) + 1);
}

/** Whether a request only reads; any other changes something or waits for something. */
export function isRead(method) {
  return /^(List|Stream)|(Status|Stats)$|^(Version|RuntimeConfig|ImageFsInfo|GetContainerEvents)$/.test(method);
}
