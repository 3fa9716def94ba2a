const stops = 'button:not(:disabled), textarea:not(:disabled), input:not(:disabled), a[href], [tabindex="0"]';

/** Lets Tab go round inside `panel`; Escape, the close button and the pointer lead out. */
export function keepFocusInside(panel, event) {
  const dialog = panel.querySelector('[role="alertdialog"]') || panel;
  const inside = [...dialog.querySelectorAll(stops)].filter((el) => el.getClientRects().length > 0);
  if (inside.length === 0) return;
  const active = panel.getRootNode().activeElement;
  const first = inside[0];
  const last = inside[inside.length - 1];
  if (event.shiftKey && (active === first || active === panel)) {
    event.preventDefault();
    last.focus();
  } else if (!event.shiftKey && active === last) {
    event.preventDefault();
    first.focus();
  }
}
