// A network that breaks: connections to it are carried on to the hub, until they are not.

import {connect, createServer} from 'node:net';

/** Carries to the hub at `url`. Resolves to `{url, deafen(), swallow(), fail(), mend(), close()}`. */
export async function network(url) {
  const {hostname, port} = new URL(url);
  const pairs = new Set();
  let up = true;
  const server = createServer((near) => {
    if (!up) {
      near.resetAndDestroy();
      return;
    }
    const far = connect(Number(port), hostname);
    const pair = [near, far];
    pairs.add(pair);
    near.pipe(far);
    far.pipe(near);
    const end = () => {
      pairs.delete(pair);
      near.destroy();
      far.destroy();
    };
    for (const socket of pair) socket.on('error', end).on('close', end);
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${server.address().port}`,
    /** What the page sends still arrives; nothing comes back. */
    deafen() {
      for (const [near, far] of pairs) {
        far.unpipe(near);
        far.resume();
      }
    },
    /** What the page sends goes out and never arrives. */
    swallow() {
      for (const [near, far] of pairs) {
        near.unpipe(far);
        near.resume();
      }
    },
    /** Resets every connection and refuses new ones. */
    fail() {
      up = false;
      for (const [near, far] of [...pairs]) {
        near.resetAndDestroy();
        far.resetAndDestroy();
      }
    },
    mend() { up = true; },
    close() {
      this.fail();
      server.close();
    },
  };
}
