import {newId} from '../shared/ids.js';

const most = 100;

/**
 * Tells the hub which messages reached this page and which were seen. A receipt is kept until it is answered and sent
 * again on a new socket; the hub moves a status forward only, so a repeat is harmless.
 */
export class Receipts {
  #send;
  #told = new Set();
  #waiting = {delivered: [], read: []};
  #pending = new Map();
  #queued = false;

  /** @param {function(object): boolean} send */
  constructor(send) { this.#send = send; }

  delivered(id) { this.#note('delivered', id); }

  read(id) { this.#note('read', id); }

  /** Whether the answer was to a receipt; then it is settled. */
  answered(id) { return this.#pending.delete(id); }

  /** Whether `id` names a receipt that waits for its answer. */
  has(id) { return this.#pending.has(id); }

  /** Sends the unanswered receipt `id` again, or all of them on a new socket. */
  resend(id) {
    for (const frame of this.#pending.values()) {
      if (!id || frame.id === id) this.#send(frame);
    }
  }

  /** Begins anew, with another visitor. */
  clear() {
    this.#told.clear();
    this.#pending.clear();
    this.#waiting = {delivered: [], read: []};
  }

  #note(type, id) {
    const key = `${type} ${id}`;
    if (this.#told.has(key)) return;
    this.#told.add(key);
    this.#waiting[type].push(id);
    if (this.#queued) return;
    this.#queued = true;
    // Many messages arrive in one frame: one receipt for all of them.
    queueMicrotask(() => {
      this.#queued = false;
      this.#flush('delivered');
      this.#flush('read');
    });
  }

  #flush(type) {
    const ids = this.#waiting[type];
    this.#waiting[type] = [];
    for (let i = 0; i < ids.length; i += most) {
      const frame = {type, id: newId(), ids: ids.slice(i, i + most)};
      this.#pending.set(frame.id, frame);
      this.#send(frame);
    }
  }
}
