// Every icon of widget and desk, drawn on a 24-unit grid.

const paths = {
  attach: 'M20 11.5l-8.2 8.2a5 5 0 0 1-7.1-7.1l8.5-8.5a3.4 3.4 0 0 1 4.8 4.8l-8.4 8.4a1.7 1.7 0 0 1-2.4-2.4l7.6-7.6',
  back: 'M15 5l-7 7 7 7',
  chat: 'M4 6.5A2.5 2.5 0 0 1 6.5 4h11A2.5 2.5 0 0 1 20 6.5v8a2.5 2.5 0 0 1-2.5 2.5H11l-4.5 4v-4A2.5 2.5 0 0 1 4 14.5z',
  close: 'M6 6l12 12M18 6L6 18',
  down: 'M12 5v14M6 13l6 6 6-6',
  end: 'M14 4H7a2 2 0 0 0-2 2v12a2 2 0 0 0 2 2h7M10 12h11M17 8l4 4-4 4',
  file: 'M13.5 3H7a2 2 0 0 0-2 2v14a2 2 0 0 0 2 2h10a2 2 0 0 0 2-2V8.5zM13.5 3v5.5H19',
  help: 'M9.2 9a2.9 2.9 0 1 1 4.2 2.6c-.9.5-1.4 1-1.4 2.1M12 17.2v.1M21 12a9 9 0 1 1-18 0 9 9 0 0 1 18 0z',
  image: 'M5 4h14a1.5 1.5 0 0 1 1.5 1.5v13A1.5 1.5 0 0 1 19 20H5a1.5 1.5 0 0 1-1.5-1.5v-13A1.5 1.5 0 0 1 5 4zM4 17l5-5 4 4 3-3 4 4M15.5 8.5v.1',
  inbox: 'M4 13l2.6-7A2 2 0 0 1 8.5 4.7h7A2 2 0 0 1 17.4 6L20 13v4.5a2 2 0 0 1-2 2H6a2 2 0 0 1-2-2zM4 13h4.5l1.5 2.5h4l1.5-2.5H20',
  offline: 'M3 3l18 18M5 12.5a10 10 0 0 1 4-2.4M2 8.8a15 15 0 0 1 4.2-2.7M19 12.5a10 10 0 0 0-3-2M22 8.8A15 15 0 0 0 10.7 5M8.5 16a5 5 0 0 1 7 0M12 20h.01',
  person: 'M12 12a4 4 0 1 0 0-8 4 4 0 0 0 0 8zM4.5 20.5c.6-3.6 3.6-5.5 7.5-5.5s6.9 1.9 7.5 5.5',
  phone: 'M8 2.5h8a1.5 1.5 0 0 1 1.5 1.5v16a1.5 1.5 0 0 1-1.5 1.5H8A1.5 1.5 0 0 1 6.5 20V4A1.5 1.5 0 0 1 8 2.5zM11 18.5h2',
  search: 'M11 18a7 7 0 1 0 0-14 7 7 0 0 0 0 14zM16 16l4.5 4.5',
  send: 'M4.5 12L3.5 4.5 21 12 3.5 19.5zM4.5 12H12',
  warn: 'M12 9v4.5M12 16.8v.1M10.5 4.5L2.8 18a1.7 1.7 0 0 0 1.5 2.5h15.4a1.7 1.7 0 0 0 1.5-2.5L13.5 4.5a1.7 1.7 0 0 0-3 0z',
};

/** One icon. Decoration only: whoever uses it gives the control its name. */
export function Icon({name, class: extra}) {
  return (
    <svg class={extra ? `icon ${extra}` : 'icon'} viewBox="0 0 24 24" aria-hidden="true" focusable="false">
      <path d={paths[name]} />
    </svg>
  );
}

/**
 * The tick of a status: a clock while it waits, one tick when sent, two when delivered, two filled when read, an
 * exclamation mark when it failed. Shape tells them apart, colour only helps.
 */
export function Tick({status}) {
  const start = starts[status] ?? 10;
  return (
    <svg class="tick" viewBox={`${start} 0 ${26 - start} 16`} aria-hidden="true" focusable="false">
      {shapes[status] || shapes.waiting}
    </svg>
  );
}

// Where the wider shapes begin; all end at the same place.
const starts = {delivered: 7, read: 0};

const alarm = <><circle cx="18" cy="8" r="6.5" /><path d="M18 4.8v3.8M18 11v.1" /></>;
const shapes = {
  waiting: <><circle cx="18" cy="8" r="6" /><path d="M18 4.8V8l2.2 1.5" /></>,
  sent: <path d="M14 8.5l3.5 3.5L24 4.5" />,
  delivered: <path d="M9 8.5l3.5 3.5L19 4.5M16.2 11.2l.8.8 7-7.5" />,
  read: (
    <>
      <circle class="solid" cx="6.5" cy="8" r="6" /><path class="cut" d="M4 8.2l1.8 1.8 3.2-3.6" />
      <circle class="solid" cx="19.5" cy="8" r="6" /><path class="cut" d="M17 8.2l1.8 1.8 3.2-3.6" />
    </>
  ),
  failed: alarm,
  held: alarm,
  expired: alarm,
  discarded: alarm,
};
