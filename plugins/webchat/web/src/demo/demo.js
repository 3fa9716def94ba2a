// The page around the two sides: on a narrow screen one of them shows at a time; the shop's basket counts.

const buttons = document.querySelectorAll('[data-show]');

for (const button of buttons) {
  button.addEventListener('click', () => {
    document.body.dataset.pane = button.dataset.show;
    for (const other of buttons) other.ariaPressed = String(other === button);
  });
}

const count = document.getElementById('basket-count');
const chat = document.querySelector('script[data-private]');
document.getElementById('buy').addEventListener('click', () => {
  count.textContent = String(Number(count.textContent) + 1);
  // What the CSR sees of the basket while the session lasts.
  chat.dataset.private = JSON.stringify({...JSON.parse(chat.dataset.private), basket: Number(count.textContent)});
});
