const pingAfter = 25000;
const pongWithin = 10000;
const openWithin = 15000;
const firstDelay = 500;
const maxDelay = 30000;

// The least wait in ms after a close code; others begin at firstDelay.
const floors = {1013: 5000, 4000: 30000, 4029: 30000};

/**
 * Keeps one socket to the hub: connects, says hello, watches for silence, and connects again with growing, jittered
 * waits. It knows the control frames that concern the socket itself (hello, ping, pong) and hands on all others.
 *
 * @typedef {object} Events
 * @property {function(): object} hello makes the first frame
 * @property {function(object)} frame called for every other downward frame
 * @property {function('connecting'|'waiting'|'refused')} phase
 * @property {function(number)} closed told the close code before a new attempt is planned
 */
export class Connection {
  #url;
  #events;
  #socket = null;
  #attempts = 0;
  #retry = 0;
  #silence = 0;
  #stopped = false;

  /** @param {string} url @param {Events} events */
  constructor(url, events) {
    this.#url = url;
    this.#events = events;
  }

  start() {
    window.addEventListener('online', this.#hurry);
    window.addEventListener('offline', this.#lost);
    window.addEventListener('pageshow', this.#hurry);
    this.#connect();
  }

  /** Sends a frame when the socket is open; says whether it did. */
  send(frame) {
    if (!this.#socket || this.#socket.readyState !== WebSocket.OPEN) return false;
    this.#socket.send(JSON.stringify(frame));
    return true;
  }

  /** Tells that the hub works for us again: the next wait starts small. */
  settled() { this.#attempts = 0; }

  /** Drops the socket and says hello anew at once. */
  restart() { this.#drop(0); }

  #connect = () => {
    clearTimeout(this.#retry);
    this.#retry = 0;
    if (this.#stopped) return;
    this.#events.phase('connecting');
    const socket = new WebSocket(this.#url);
    this.#socket = socket;
    this.#listen(openWithin, () => this.#drop());
    socket.onopen = () => {
      socket.send(JSON.stringify(this.#events.hello()));
      this.#watch();
    };
    socket.onmessage = (event) => {
      if (this.#socket !== socket) return;
      this.#watch();
      let frame;
      try {
        frame = JSON.parse(event.data);
      } catch {
        this.#drop();
        return;
      }
      if (frame && typeof frame === 'object' && frame.type !== 'pong') this.#events.frame(frame);
    };
    socket.onclose = (event) => {
      if (this.#socket === socket) this.#plan(event.code);
    };
  };

  #watch() {
    this.#listen(pingAfter, () => {
      this.send({type: 'ping'});
      this.#listen(pongWithin, () => this.#drop());
    });
  }

  #listen(ms, then) {
    clearTimeout(this.#silence);
    this.#silence = setTimeout(then, ms);
  }

  // The close event of a dead network may take a minute; we do not wait for it.
  #drop(delay) {
    const socket = this.#socket;
    if (!socket) return;
    this.#socket = null;
    socket.onopen = socket.onmessage = socket.onclose = null;
    socket.close();
    this.#plan(1006, delay);
  }

  #plan(code, delay) {
    this.#socket = null;
    clearTimeout(this.#silence);
    if (code === 4003) {
      this.#stopped = true;
      this.#events.phase('refused');
      return;
    }
    this.#events.closed(code);
    const wait = delay ?? this.#delay(code);
    this.#events.phase('waiting');
    clearTimeout(this.#retry);
    this.#retry = setTimeout(this.#connect, wait);
  }

  #delay(code) {
    if (code === 1012) return Math.random() * 2000;
    if (code === 4001 && this.#attempts === 0) {
      this.#attempts = 1;
      return 0;
    }
    const grown = Math.min(maxDelay, firstDelay * 2 ** this.#attempts++);
    return Math.max(grown, floors[code] || 0) * (0.5 + Math.random() / 2);
  }

  #hurry = () => {
    if (this.#retry) this.#connect();
  };

  #lost = () => this.#drop();
}
