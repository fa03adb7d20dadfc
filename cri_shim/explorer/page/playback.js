// The clock of the player: where in the pod's start it is, whether it runs, and how fast. It knows nothing of the page.

/** Milliseconds that a step is shown when motion is to be reduced. */
const PER_STEP = 1200;

export class Playback {
  #at = 0;
  #timer = 0;
  #last = 0;

  /** `moments` are those at which something begins; `onChange(at, playing)` is called for each change. */
  constructor(length, moments, onChange, reduced = () => matchMedia("(prefers-reduced-motion: reduce)").matches) {
    this.length = length;
    this.moments = [...new Set(moments)].sort((a, b) => a - b);
    this.slower = 50;
    this.onChange = onChange;
    this.reduced = reduced;
  }

  get at() {
    return this.#at;
  }

  get playing() {
    return this.#timer !== 0;
  }

  play() {
    if (this.playing) return;
    if (this.#at >= this.length) this.#at = 0;
    this.#last = performance.now();
    // Where motion is to be reduced, it goes from step to step, and nothing moves in between.
    this.#timer = this.reduced() ? setInterval(() => this.#advance(this.#next()), PER_STEP) : setInterval(() => this.#run(), 33);
    this.onChange(this.#at, true);
  }

  pause() {
    clearInterval(this.#timer);
    this.#timer = 0;
    this.onChange(this.#at, false);
  }

  toggle() {
    if (this.playing) this.pause();
    else this.play();
  }

  /** Go to a moment; what was playing goes on from there. */
  seek(at) {
    this.#at = Math.min(this.length, Math.max(0, at));
    this.onChange(this.#at, this.playing);
  }

  /** Stop at the next moment at which something begins, or with -1 at the one before. */
  step(way, moments = this.moments) {
    if (this.playing) this.pause();
    this.seek(way > 0 ? this.#next(moments) : (moments.findLast((one) => one < this.#at - 1e-6) ?? 0));
  }

  #next(moments = this.moments) {
    return moments.find((one) => one > this.#at + 1e-6) ?? this.length;
  }

  #run() {
    const now = performance.now();
    const passed = (now - this.#last) / this.slower;
    this.#last = now;
    this.#advance(this.#at + passed);
  }

  #advance(at) {
    this.#at = Math.min(this.length, at);
    if (this.#at >= this.length) this.pause();
    else this.onChange(this.#at, true);
  }
}
