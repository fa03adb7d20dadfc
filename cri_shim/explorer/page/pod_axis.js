// A time axis that leaves out what would not be seen. A pod lives for hours and its start takes 150 ms, so a stretch in which
// nothing begins or ends is cut, and everything that is left has one scale. Times are milliseconds.

const IDLE_KEPT = 100; // a shorter pause between requests is drawn to scale
const QUIET_KEPT = 2000; // a shorter wait inside of a request, too
const BREAKS_SHARE = 40; // percent of the width that all cuts together take at most
const WIDEST_BREAK = 4; // percent

/**
 * Return the axis from `from` to `to`. `moments`: when something begins or ends. `busy`: [start, end] of requests.
 * With `toScale` nothing is cut.
 */
export function axisOf(from, to, moments, busy, { toScale = false } = {}) {
  const inside = moments.filter((at) => at > from && at < to);
  const points = [...new Set([from, ...inside, Math.max(to, from + 0.001)])].sort((one, other) => one - other);
  const stretches = points.slice(1).map((end, index) => ({ from: points[index], to: end, idle: true, cut: false }));
  markBusy(stretches, busy);
  if (!toScale) decideCuts(stretches);
  return laidOut(joined(stretches));
}

// Both are gone through once, in order of time: a pod has thousands of requests, and each of them two moments.
function markBusy(stretches, busy) {
  const intervals = [...busy].sort(([one], [other]) => one - other);
  let next = 0;
  let reach = -Infinity; // the latest end of the intervals that have begun
  for (const one of stretches) {
    const middle = (one.from + one.to) / 2;
    for (; next < intervals.length && intervals[next][0] <= middle; next += 1) reach = Math.max(reach, intervals[next][1]);
    one.idle = reach < middle;
  }
}

// A wait inside of a request is cut if it is far longer than everything shorter together; a pause between requests already
// if it is longer than a quarter of the time that requests take.
function decideCuts(stretches) {
  let kept = 0;
  for (const one of stretches.filter(({ idle }) => !idle).sort(byLength)) {
    one.cut = kept > 0 && lengthOf(one) > Math.max(QUIET_KEPT, 4 * kept);
    if (!one.cut) kept += lengthOf(one);
  }
  for (const one of stretches) if (one.idle) one.cut = lengthOf(one) > Math.max(IDLE_KEPT, kept / 4);
}

const lengthOf = ({ from, to }) => to - from;
const byLength = (one, other) => lengthOf(one) - lengthOf(other);

// Neighbouring stretches that are drawn to scale become one.
function joined(stretches) {
  const segments = [];
  for (const one of stretches) {
    const last = segments.at(-1);
    if (last && !last.cut && !one.cut) last.to = one.to;
    else segments.push({ ...one });
  }
  return segments;
}

function laidOut(segments) {
  const breaks = segments.filter(({ cut }) => cut);
  const drawn = segments.filter(({ cut }) => !cut).reduce((sum, one) => sum + lengthOf(one), 0);
  const breakWidth = breaks.length ? Math.min(WIDEST_BREAK, BREAKS_SHARE / breaks.length) : 0;
  const perMs = drawn ? (100 - breaks.length * breakWidth) / drawn : 0;
  let left = 0;
  for (const one of segments) {
    one.left = left;
    one.width = one.cut ? breakWidth : lengthOf(one) * perMs;
    left += one.width;
  }
  return { segments, perMs, drawn, place: (at) => placeOf(segments, at) };
}

/** A step of 1, 2 or 5 times a power of ten that gives the drawn time about eight parts. */
export function stepOf({ drawn }) {
  const power = 10 ** Math.floor(Math.log10(Math.max(drawn, 0.001) / 8));
  return [1, 2, 5, 10].map((factor) => factor * power).find((step) => drawn / step <= 8.5);
}

/** Where a moment is on the axis, in percent. */
function placeOf(segments, at) {
  const one = segments[firstOf(segments.length, (index) => at <= segments[index].to)] ?? segments.at(-1);
  const share = Math.min(1, Math.max(0, (at - one.from) / (one.to - one.from)));
  return one.left + share * one.width;
}

// The first of `count` places for which `holds` is true, which it then is for all later ones; `count` if it is for none.
function firstOf(count, holds) {
  let [low, high] = [0, count];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (holds(middle)) high = middle;
    else low = middle + 1;
  }
  return low;
}

/** The moment at a place in percent. */
export function momentAt({ segments }, percent) {
  const one = segments.find(({ left, width }) => percent <= left + width) ?? segments.at(-1);
  return one.width ? one.from + (Math.min(1, Math.max(0, (percent - one.left) / one.width)) * (one.to - one.from)) : one.from;
}

/** Put intervals into as few rows as they need so that none covers another. */
export function stacked(pieces) {
  const rows = [];
  const rowOf = new Map();
  const free = []; // rows in which nothing is under way, in ascending order
  const ordered = [...pieces].sort((one, other) => one.start - other.start || other.end - one.end);
  const ending = [...ordered].sort((one, other) => one.end - other.end);
  let ended = 0;
  for (const piece of ordered) {
    // Of pieces without a length, one may end at this moment and not have a row yet.
    for (; ending[ended].end <= piece.start && rowOf.has(ending[ended]); ended += 1) {
      const row = rowOf.get(ending[ended]);
      free.splice(firstOf(free.length, (index) => free[index] > row), 0, row);
    }
    const row = free.shift() ?? rows.push([]) - 1;
    rows[row].push(piece);
    rowOf.set(piece, row);
  }
  return rows;
}

/** Join requests (oldest first) between which there is less than `pause` into bursts: `{ from, to, requests }`. */
export function burstsOf(requests, pause = 1000) {
  const bursts = [];
  for (const request of requests) {
    const last = bursts.at(-1);
    if (last && request.start - last.to < pause) {
      last.requests.push(request);
      last.to = Math.max(last.to, request.end);
    } else bursts.push({ from: request.start, to: request.end, requests: [request] });
  }
  return bursts;
}

/** Join neighbouring bursts in which the same methods ran, such as those of a probe every ten seconds. */
export function seriesOf(bursts) {
  const series = [];
  for (const burst of bursts) {
    const methods = [...new Set(burst.requests.map(({ method }) => method))].sort().join();
    const last = series.at(-1);
    if (last?.methods === methods) {
      last.to = Math.max(last.to, burst.to);
      last.requests.push(...burst.requests);
      last.count += 1;
    } else series.push({ from: burst.from, to: burst.to, requests: [...burst.requests], methods, count: 1 });
  }
  return series;
}
