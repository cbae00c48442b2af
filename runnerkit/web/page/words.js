// Times, amounts and counts as people read them. Seconds since 1970 come from the server, and so does its clock.

let ahead = 0;

export const now = () => Date.now() / 1000 + ahead;

export function setClock(header, at) {
  const server = Date.parse(header || "") / 1000;
  // A header has whole seconds; a smaller difference is none.
  if (Number.isFinite(server)) ahead = Math.abs(server - Date.now() / 1000) > 2 ? server - Date.now() / 1000 : 0;
  else if (at && Math.abs(at - Date.now() / 1000) > 120) ahead = at - Date.now() / 1000;
}

export function span(seconds) {
  const whole = Math.max(0, Math.round(seconds));
  if (whole < 60) return `${whole} s`;
  if (whole < 600) return `${Math.floor(whole / 60)} min ${String(whole % 60).padStart(2, "0")} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min`;
  if (whole < 86400) return `${Math.floor(whole / 3600)} h ${String(Math.floor((whole % 3600) / 60)).padStart(2, "0")} min`;
  return `${Math.floor(whole / 86400)} d ${Math.floor((whole % 86400) / 3600)} h`;
}

// As short as it can be, for large type.
export const short = (seconds) => span(seconds).replace(/ (min|h|s|d)/g, (_, unit) => unit[0]);

// Made once: making one takes longer than using it a hundred times.
const twoPlaces = new Intl.NumberFormat("en-US", { minimumFractionDigits: 2, maximumFractionDigits: 2 });
const whole = new Intl.NumberFormat("en-US");
const minutes = new Intl.DateTimeFormat([], { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
const seconds = new Intl.DateTimeFormat([], { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" });
const days = new Intl.DateTimeFormat([], { month: "short", day: "numeric" });

export const money = (dollars) => `$${twoPlaces.format(dollars)}`;

export const rate = (dollars) => (dollars === null ? "price unknown" : `$${dollars.toFixed(dollars < 1 ? 3 : 2)}/h`);

export const many = (number) => whole.format(number);

export const count = (number, one, more = `${one}s`) => `${many(number)} ${number === 1 ? one : more}`;

export const clock = (at, withSeconds = false) => (withSeconds ? seconds : minutes).format(at * 1000);

export function when(at) {
  const today = days.format(now() * 1000) === days.format(at * 1000);
  return today ? clock(at) : `${days.format(at * 1000)}, ${clock(at)}`;
}

// Ages and countdowns move on by themselves: an element says what it counts, and the ticker writes it.
export function counts(node, kind, at) {
  if (at === null || at === undefined) {
    delete node.dataset.at;
    return node;
  }
  node.dataset.count = kind;
  node.dataset.at = at;
  tick(node);
  return node;
}

function tick(node) {
  const at = Number(node.dataset.at);
  const left = () => (at > now() ? `for ${span(at - now())}` : "no more");
  const kinds = { left, since: () => span(now() - at), until: () => (at > now() ? `in ${span(at - now())}` : "now") };
  const text = kinds[node.dataset.count]();
  if (node.textContent !== text) node.textContent = text;
}

export const tickAll = () => document.querySelectorAll("[data-at]").forEach(tick);
