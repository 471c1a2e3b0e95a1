// A table of runs. Only the rows in view are in the document, so thousands of runs scroll smoothly.
//
// Synced with the kernel: `columns` ({key, label, kind, group}), `rows` (cells by column), `ids` (run ids by
// row), `selected_ids`, `fault`. The message {do: "refresh"} asks the kernel to search again.

const ROW = 28;
const SPARE = 10;

/** @typedef {{key: string, label: string, kind: "text" | "number" | "time" | "duration", group: string}} Column */
/** @typedef {string | number | null} Cell */

/**
 * @param {string} tag
 * @param {Record<string, string>} [attributes]
 * @param {...(Node | string)} children
 */
function element(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

/** @param {Cell} cell @param {Column["kind"]} kind */
function shown(cell, kind) {
  if (cell === null) return "";
  if (typeof cell === "string") return cell;
  if (kind === "time") return new Date(cell).toLocaleString();
  if (kind === "duration") {
    return cell < 60 ? `${cell.toFixed(1)} s` : `${Math.floor(cell / 60)} min ${Math.floor(cell % 60)} s`;
  }
  return String(Number(cell.toPrecision(6)));
}

/** Numbers by value, text by locale with numbers in it by value; empty cells last either way. */
function compare(/** @type {Cell} */ a, /** @type {Cell} */ b, /** @type {1 | -1} */ direction) {
  if (a === null || b === null) return a === b ? 0 : a === null ? 1 : -1;
  if (typeof a === "number" && typeof b === "number") return direction * (a - b);
  return direction * String(a).localeCompare(String(b), undefined, { numeric: true });
}

class RunTable {
  /** @param {any} model @param {HTMLElement} root */
  constructor(model, root) {
    this.model = model;
    /** @type {{column: number, direction: 1 | -1} | null} */
    this.order = null;
    /** @type {number[]} indices of the rows that pass the filter, in order */
    this.view = [];
    this.current = 0;
    this.box = element("input", { type: "search", placeholder: "Filter runs", "aria-label": "Filter runs" });
    this.count = element("span", { class: "jt-count", role: "status", "aria-live": "polite" });
    this.fault = element("span", { class: "jt-fault", role: "alert" });
    const refresh = element("button", { type: "button" }, "Refresh");
    this.all = element("input", { type: "checkbox", "aria-label": "Select all runs shown" });
    this.head = element("tr");
    this.body = element("tbody");
    this.table = element("table", { role: "grid", "aria-label": "Runs", "aria-multiselectable": "true" });
    this.table.append(element("thead", {}, this.head), this.body);
    this.scroll = element("div", { class: "jt-scroll" }, this.table);
    root.classList.add("jt-runs");
    root.append(element("div", { class: "jt-bar" }, this.box, this.count, refresh, this.fault), this.scroll);

    this.box.addEventListener("input", () => this.arrange());
    refresh.addEventListener("click", () => model.send({ do: "refresh" }));
    this.all.addEventListener("change", () => this.selectAll());
    this.scroll.addEventListener("scroll", () => requestAnimationFrame(() => this.draw()));
    this.body.addEventListener("click", (event) => this.clicked(event));
    this.body.addEventListener("keydown", (event) => this.pressed(event));
    this.load();
  }

  load() {
    /** @type {Column[]} */
    this.columns = this.model.get("columns");
    /** @type {Cell[][]} */
    this.rows = this.model.get("rows");
    /** @type {string[]} */
    this.ids = this.model.get("ids");
    // What the filter looks through, made once for each load.
    this.texts = this.rows.map((row) =>
      row.map((cell, index) => shown(cell, this.columns[index].kind)).join("\n").toLowerCase(),
    );
    this.choose();
    this.drawHead();
    this.arrange();
  }

  choose() {
    this.selected = new Set(this.model.get("selected_ids"));
    this.fault.textContent = this.model.get("fault");
  }

  drawHead() {
    this.head.replaceChildren(element("th", { class: "jt-tick", scope: "col" }, this.all));
    this.columns.forEach((column, index) => {
      const sorted = this.order?.column === index ? this.order.direction : 0;
      const button = element("button", { type: "button", title: `${column.group}: ${column.label}` }, column.label);
      if (sorted) button.append(sorted === 1 ? " ▲" : " ▼");
      button.addEventListener("click", () => this.sort(index));
      const state = sorted === 1 ? "ascending" : sorted === -1 ? "descending" : "none";
      const cls = column.kind === "text" || column.kind === "time" ? "" : "jt-number";
      this.head.append(element("th", { scope: "col", "aria-sort": state, class: cls }, button));
    });
    this.table.setAttribute("aria-colcount", String(this.columns.length + 1));
  }

  /** @param {number} column Ascending first, then descending, then as the kernel sent them. */
  sort(column) {
    if (this.order?.column !== column) this.order = { column, direction: 1 };
    else this.order = this.order.direction === 1 ? { column, direction: -1 } : null;
    const focused = this.head.contains(document.activeElement);
    this.drawHead();
    this.arrange();
    if (focused) this.head.querySelectorAll("button")[column].focus();
  }

  arrange() {
    const words = this.box.value.toLowerCase().split(/\s+/).filter(Boolean);
    const order = this.order;
    this.view = this.rows.map((_, index) => index);
    this.view = this.view.filter((index) => words.every((word) => this.texts[index].includes(word)));
    if (order) {
      this.view.sort((a, b) => compare(this.rows[a][order.column], this.rows[b][order.column], order.direction));
    }
    this.current = Math.min(this.current, Math.max(this.view.length - 1, 0));
    this.table.setAttribute("aria-rowcount", String(this.view.length + 1));
    this.draw();
  }

  draw() {
    const height = this.scroll.clientHeight || 360;
    const first = Math.max(0, Math.floor(this.scroll.scrollTop / ROW) - SPARE);
    const last = Math.min(this.view.length, first + Math.ceil(height / ROW) + 2 * SPARE);
    const focused = this.body.contains(document.activeElement);
    const rows = [];
    for (let position = first; position < last; position++) rows.push(this.row(position));
    this.body.replaceChildren(this.gap(first), ...rows, this.gap(this.view.length - last));
    // Columns may grow with the rows that come into view, but never shrink: the table would dance.
    for (const header of this.head.children) header.style.minWidth = `${header.offsetWidth}px`;
    if (focused) this.focus();
    const chosen = this.view.filter((index) => this.selected.has(this.ids[index])).length;
    this.all.checked = chosen > 0 && chosen === this.view.length;
    this.all.indeterminate = chosen > 0 && chosen < this.view.length;
    const some = this.view.length === this.rows.length ? "" : ` of ${this.rows.length}`;
    const ticked = this.selected.size ? `, ${this.selected.size} selected` : "";
    this.count.textContent = `${this.view.length}${some} ${this.rows.length === 1 ? "run" : "runs"}${ticked}`;
  }

  /** @param {number} rows An empty row as high as so many rows out of view. */
  gap(rows) {
    const node = element("tr", { class: "jt-gap", "aria-hidden": "true" }, element("td"));
    node.style.height = `${rows * ROW}px`;
    return node;
  }

  /** @param {number} position */
  row(position) {
    const index = this.view[position];
    const chosen = this.selected.has(this.ids[index]);
    const tick = element("input", { type: "checkbox", tabindex: "-1", "aria-label": "Select run" });
    tick.checked = chosen;
    const node = element("tr", {
      "aria-rowindex": String(position + 2),
      "aria-selected": String(chosen),
      "data-position": String(position),
      tabindex: position === this.current ? "0" : "-1",
    });
    node.append(element("td", { class: "jt-tick", role: "gridcell" }, tick));
    this.columns.forEach((column, at) => {
      const text = shown(this.rows[index][at], column.kind);
      const cell = element("td", { role: "gridcell", title: text }, text);
      if (column.kind === "number" || column.kind === "duration") cell.className = "jt-number";
      if (column.key === "status") {
        cell.className = "jt-status";
        cell.dataset.status = text;
      }
      node.append(cell);
    });
    return node;
  }

  clicked(/** @type {MouseEvent} */ event) {
    const row = /** @type {HTMLElement} */ (event.target).closest("tr[data-position]");
    if (!row) return;
    this.current = Number(/** @type {HTMLElement} */ (row).dataset.position);
    this.toggle();
    this.focus();
  }

  pressed(/** @type {KeyboardEvent} */ event) {
    const page = Math.max(1, Math.floor(this.scroll.clientHeight / ROW) - 2);
    const steps = { ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page, Home: -Infinity, End: Infinity };
    if (event.key === " " || event.key === "Enter") this.toggle();
    else if (event.key in steps) this.move(steps[/** @type {keyof typeof steps} */ (event.key)]);
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  /** @param {number} rows */
  move(rows) {
    this.current = Math.min(Math.max(this.current + rows, 0), this.view.length - 1);
    const top = this.current * ROW;
    const visible = this.scroll.clientHeight - 2 * ROW;
    if (top < this.scroll.scrollTop) this.scroll.scrollTop = top;
    else if (top > this.scroll.scrollTop + visible) this.scroll.scrollTop = top - visible;
    this.draw();
    this.focus();
  }

  focus() {
    const row = this.body.querySelector(`tr[data-position="${this.current}"]`);
    if (row) /** @type {HTMLElement} */ (row).focus({ preventScroll: true });
  }

  toggle() {
    const id = this.ids[this.view[this.current]];
    if (id === undefined) return;
    if (!this.selected.delete(id)) this.selected.add(id);
    this.tell();
  }

  selectAll() {
    for (const index of this.view) {
      if (this.all.checked) this.selected.add(this.ids[index]);
      else this.selected.delete(this.ids[index]);
    }
    this.tell();
  }

  tell() {
    this.model.set("selected_ids", this.ids.filter((id) => this.selected.has(id)));
    this.model.save_changes();
    this.draw();
  }
}

/** @param {{model: any, el: HTMLElement}} context */
function render({ model, el }) {
  const root = element("div");
  el.append(root);
  const table = new RunTable(model, root);
  const load = () => table.load();
  const choose = () => {
    table.choose();
    table.draw();
  };
  model.on("change:rows", load);
  model.on("change:selected_ids change:fault", choose);
  return () => {
    model.off("change:rows", load);
    model.off("change:selected_ids change:fault", choose);
  };
}

export default { render };
