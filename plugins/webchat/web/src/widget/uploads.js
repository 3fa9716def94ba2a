const firstDelay = 1000;
const maxDelay = 15000;
// Failures in a row after which the visitor is asked.
const mostTries = 3;

/**
 * Sends the bytes of files ahead of their messages, one file at a time. Bytes live in memory alone: a reload loses
 * those that were not sent.
 *
 * @typedef {object} UploadEvents
 * @property {function(): string|null} token of the visitor; null while there is none
 * @property {function(string, number)} progress entry id, percent
 * @property {function(string, object)} taken entry id, what the hub says of the file
 * @property {function(string, string|null, boolean)} failed entry id, why (null when nobody answered), whether another try may help
 * @property {function()} free called when the next may begin
 */
export class Uploads {
  #base;
  #events;
  #blobs = new Map();
  #tries = new Map();
  #running = null;
  #timer = 0;

  /** @param {string} base of the account's addresses @param {UploadEvents} events */
  constructor(base, events) {
    this.#base = base;
    this.#events = events;
  }

  add(id, blob) { this.#blobs.set(id, blob); }

  /** Whether the bytes are here. */
  has(id) { return this.#blobs.has(id); }

  /** Gives up an entry, also under way. */
  forget(id) {
    this.#blobs.delete(id);
    this.#tries.delete(id);
    if (this.#running?.id === id) this.#running.xhr.abort();
  }

  /** A new try counts from the beginning. */
  again(id) { this.#tries.delete(id); }

  /** Begins to send the bytes of an entry, unless one is under way or waits to be tried again. */
  start({id, file}) {
    const token = this.#events.token();
    if (this.#running || this.#timer || !token || !this.#blobs.has(id)) return;
    const xhr = new XMLHttpRequest();
    this.#running = {id, xhr};
    xhr.open('POST', `${this.#base}upload?name=${encodeURIComponent(file.name)}`);
    xhr.setRequestHeader('Authorization', `Bearer ${token}`);
    xhr.setRequestHeader('Content-Type', 'application/octet-stream');
    xhr.upload.onprogress = (event) => {
      if (event.lengthComputable && event.total > 0) this.#events.progress(id, Math.floor(event.loaded / event.total * 100));
    };
    xhr.onloadend = () => {
      this.#running = null;
      this.#ended(id, xhr);
      this.#events.free();
    };
    this.#events.progress(id, 0);
    xhr.send(this.#blobs.get(id));
  }

  /** Ends a wait: the hub is there again. */
  hurry() {
    clearTimeout(this.#timer);
    this.#timer = 0;
    this.#events.free();
  }

  #ended(id, xhr) {
    if (!this.#blobs.has(id)) return; // given up
    const answer = parse(xhr.responseText);
    if (xhr.status === 201 && typeof answer?.id === 'string') {
      this.#tries.delete(id);
      this.#events.taken(id, answer);
      return;
    }
    // A token that ended is renewed on the socket.
    const passing = [0, 401, 408, 429].includes(xhr.status) || xhr.status >= 500;
    if (!passing) {
      this.#events.failed(id, answer?.detail || answer?.title || null, false);
      return;
    }
    const tries = (this.#tries.get(id) || 0) + 1;
    this.#tries.set(id, tries);
    if (tries >= mostTries) {
      this.#events.failed(id, null, true);
      return;
    }
    const wait = Math.max(Number(xhr.getResponseHeader('Retry-After')) * 1000 || 0, Math.min(maxDelay, firstDelay * 2 ** (tries - 1)) * (0.5 + Math.random() / 2));
    this.#events.progress(id, undefined);
    this.#timer = setTimeout(() => this.hurry(), wait);
  }
}

function parse(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
