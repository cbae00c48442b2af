// Building and updating the page. What strangers wrote becomes text and nothing else.

// Said aloud, because a table that a phone lays out as blocks would not be heard as one.
const ROLES = { table: "table", thead: "rowgroup", tbody: "rowgroup", tr: "row", th: "columnheader", td: "cell" };

export function h(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  if (ROLES[tag]) node.setAttribute("role", ROLES[tag]);
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== null && value !== undefined && value !== false) node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
}

export function say(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

export function mark(node, name, value) {
  if (value === null || value === undefined) node.removeAttribute(name);
  else if (node.getAttribute(name) !== String(value)) node.setAttribute(name, value);
}

// A name that somebody else chose, in whatever direction it is written.
export const name = (text, attributes = {}) => h("bdi", attributes, String(text));

// A code of AWS is one long word: it may break before its capitals.
export const code = (text) => h("code", {}, ...text.split(/(?=[A-Z])/).flatMap((part) => [document.createElement("wbr"), part]));

export function link(url, ...children) {
  const good = /^https?:\/\//i.test(url || "");
  return good ? h("a", { href: url, rel: "noopener noreferrer" }, ...children) : h("span", {}, ...children);
}

// One node for each item, found again by its key: what did not change is not touched, so nothing flickers, and focus,
// selection, open details and the place on the page stay.
export function keyed(parent, items, key, make) {
  const known = (parent.known ??= new Map());
  const wanted = new Set(items.map(key));
  const active = document.activeElement;
  for (const [each, row] of known) {
    if (!wanted.has(each)) {
      row.node.remove();
      known.delete(each);
    }
  }
  let cursor = parent.firstElementChild;
  for (const item of items) {
    let row = known.get(key(item));
    if (!row) known.set(key(item), (row = make(item)));
    // Something that went down the list is put aside, rather than everything below it moved up.
    if (cursor && cursor !== row.node && cursor.nextElementSibling === row.node) {
      const late = cursor;
      cursor = cursor.nextElementSibling;
      parent.append(late);
    }
    if (cursor === row.node) cursor = cursor.nextElementSibling;
    else parent.insertBefore(row.node, cursor);
    row.update(item);
  }
  if (active && active !== document.activeElement && active.isConnected && active !== document.body) {
    active.focus({ preventScroll: true });
  }
}

// Rebuilds a part of a row only when what it shows has changed.
export function once(node, about, build) {
  const said = JSON.stringify(about);
  if (node.said === said) return;
  node.said = said;
  node.replaceChildren(...[build()].flat().filter(Boolean));
}

export function table(caption, columns) {
  const body = h("tbody");
  const heads = columns.map(([label, kind]) => h("th", { scope: "col", class: kind || null }, label));
  const node = h("table", { class: "list" }, h("caption", {}, caption), h("thead", {}, h("tr", {}, ...heads)), body);
  return { node: h("div", { class: "card" }, node), body };
}
