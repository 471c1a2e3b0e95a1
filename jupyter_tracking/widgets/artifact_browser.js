// A browser of a run's artifacts: a tree (WAI-ARIA tree pattern), a preview, a download.
//
// Synced with the kernel: `run_name`, `files`, the first entries of the root folder ({path, is_dir, size}), and
// `token`, not empty if there are more. The rest is asked for by messages
// {do: "list" | "preview" | "download" | "archive", path}; see artifact_browser.py.

/** @typedef {{path: string, is_dir: boolean, size: string}} Entry */

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

/** @param {string} path */
const baseName = (path) => path.split("/").pop() ?? path;

/** A blob with a life: its address is given back when the next one is made, or the widget goes. */
class BlobAddress {
  /** @param {BlobPart[]} parts @param {string} type */
  make(parts, type) {
    this.forget();
    this.address = URL.createObjectURL(new Blob(parts, { type }));
    return this.address;
  }

  forget() {
    if (this.address) URL.revokeObjectURL(this.address);
    this.address = undefined;
  }
}

class ArtifactBrowser {
  /** @param {any} model @param {HTMLElement} root */
  constructor(model, root) {
    this.model = model;
    this.image = new BlobAddress();
    this.saved = new BlobAddress();
    /** @type {HTMLElement | null} the tree item that is chosen */
    this.chosen = null;
    const title = `Artifacts of run ${model.get("run_name")}`;
    this.state = element("span", { class: "jt-state", role: "status", "aria-live": "polite" });
    this.save = element("button", { type: "button", disabled: "" }, "Download");
    this.tree = element("ul", { role: "tree", "aria-label": title });
    this.preview = element("div", { class: "jt-preview", tabindex: "0", role: "region", "aria-label": "Preview" });
    root.classList.add("jt-files");
    root.append(
      element("div", { class: "jt-bar" }, element("span", { class: "jt-title" }, title), this.state, this.save),
      element("div", { class: "jt-tree" }, this.tree),
      this.preview,
    );
    this.save.addEventListener("click", () => this.fetch());
    this.tree.addEventListener("click", (event) => this.clicked(event));
    this.tree.addEventListener("keydown", (event) => this.pressed(event));
    this.load();
  }

  load() {
    this.tree.replaceChildren(...this.items("", this.model.get("files"), this.model.get("token"), 0));
    this.tree.querySelector("li")?.setAttribute("tabindex", "0");
    if (!this.tree.childElementCount) this.say("This run has no artifacts.");
  }

  /** @param {string} folder @param {Entry[]} entries @param {string} token @param {number} depth */
  items(folder, entries, token, depth) {
    const nodes = entries.map((entry) => this.item(entry, depth));
    if (token) nodes.push(this.more(folder, token, depth));
    return nodes;
  }

  /** @param {string} folder @param {string} token @param {number} depth The last line of a long folder. */
  more(folder, token, depth) {
    const line = element("div", { class: "jt-entry jt-more" }, "more …");
    line.style.setProperty("--jt-depth", String(depth));
    const node = element("li", { role: "treeitem", tabindex: "-1", "aria-selected": "false" }, line);
    Object.assign(node.dataset, { folder, token, depth: String(depth) });
    return node;
  }

  /** @param {Entry} entry @param {number} depth */
  item(entry, depth) {
    const line = element(
      "div",
      { class: "jt-entry", title: entry.path },
      element("span", { class: "jt-sign", "aria-hidden": "true" }, entry.is_dir ? "▸" : ""),
      element("span", { class: "jt-name" }, baseName(entry.path)),
      element("span", { class: "jt-size" }, entry.size),
    );
    line.style.setProperty("--jt-depth", String(depth));
    const node = element("li", { role: "treeitem", tabindex: "-1", "aria-selected": "false" }, line);
    node.dataset.path = entry.path;
    node.dataset.depth = String(depth);
    if (entry.is_dir) {
      node.setAttribute("aria-expanded", "false");
      node.append(element("ul", { role: "group" }));
    }
    return node;
  }

  /** @param {string} action @param {string} path @param {string} [token] */
  ask(action, path, token = "") {
    const fetching = action === "download" || action === "archive";
    this.say(fetching ? `Fetching ${baseName(path)} …` : "Loading …");
    this.model.send(token ? { do: action, path, token } : { do: action, path });
  }

  /** Have what is chosen sent here: a file as it is, a folder as a ZIP file. */
  fetch() {
    const folder = this.chosen?.hasAttribute("aria-expanded");
    this.ask(folder ? "archive" : "download", this.chosen?.dataset.path ?? "");
  }

  /** @param {any} answer @param {DataView[]} buffers */
  heard(answer, buffers) {
    if (answer.fault) this.say(answer.fault, true);
    else if (answer.do === "list") this.listed(answer);
    else if (answer.do === "preview") this.previewed(answer, buffers);
    else if (answer.do === "download") this.downloaded(baseName(answer.path), buffers);
    else if (answer.do === "archive") this.downloaded(`${baseName(answer.path)}.zip`, buffers);
  }

  /** @param {{path: string, files: Entry[], token: string}} answer */
  listed(answer) {
    this.say("");
    const { path, files, token } = answer;
    const more = this.all().find((item) => item.dataset.folder === path);
    if (more) {
      const nodes = this.items(path, files, token, Number(more.dataset.depth));
      more.replaceWith(...nodes);
      if (more === this.chosen && nodes[0]) this.choose(nodes[0]);
      return;
    }
    const node = this.find(path);
    const list = node?.querySelector("ul");
    if (node && list) list.replaceChildren(...this.items(path, files, token, Number(node.dataset.depth) + 1));
  }

  /** @param {any} answer @param {DataView[]} buffers */
  previewed(answer, buffers) {
    this.say("");
    if (this.chosen?.dataset.path !== answer.path) return;
    const parts = [];
    if (answer.note) parts.push(element("p", { class: "jt-note" }, answer.note));
    if (answer.kind === "text" || answer.kind === "json") parts.push(element("pre", {}, answer.text));
    if (answer.kind === "table") parts.push(this.grid(answer.rows));
    if (answer.kind === "image") {
      // Inside an <img>, SVG runs no script.
      const source = this.image.make(buffers, answer.mime);
      parts.push(element("img", { src: source, alt: baseName(answer.path) }));
    }
    this.preview.replaceChildren(...parts);
    this.preview.scrollTop = 0;
  }

  /** @param {string[][]} rows The first row holds the columns' names. */
  grid([names, ...rows]) {
    const head = element("tr", {}, ...(names ?? []).map((name) => element("th", { scope: "col" }, name)));
    const body = rows.map((row) => element("tr", {}, ...row.map((cell) => element("td", {}, cell))));
    return element("table", {}, element("thead", {}, head), element("tbody", {}, ...body));
  }

  /** @param {string} name @param {DataView[]} buffers */
  downloaded(name, buffers) {
    this.say(`${name} is in the browser's downloads.`);
    const address = this.saved.make(buffers, "application/octet-stream");
    element("a", { href: address, download: name }).click();
  }

  clicked(/** @type {MouseEvent} */ event) {
    const item = /** @type {HTMLElement} */ (event.target).closest("li");
    if (item) this.open(/** @type {HTMLElement} */ (item));
  }

  /** @param {HTMLElement} item Choose it; a folder opens or closes, a file is shown, "more" brings more. */
  open(item) {
    this.choose(item);
    const { folder, token } = item.dataset;
    if (folder !== undefined) this.ask("list", folder, token);
    else if (item.hasAttribute("aria-expanded")) this.expand(item, item.getAttribute("aria-expanded") === "false");
    else this.ask("preview", item.dataset.path ?? "");
  }

  /** @param {HTMLElement} item */
  choose(item) {
    this.chosen?.setAttribute("aria-selected", "false");
    this.chosen = item;
    item.setAttribute("aria-selected", "true");
    /** @type {HTMLButtonElement} */ (this.save).disabled = item.dataset.path === undefined;
    this.save.textContent = item.hasAttribute("aria-expanded") ? "Download folder" : "Download";
    this.focus(item);
  }

  /** @param {HTMLElement} item @param {boolean} open */
  expand(item, open) {
    item.setAttribute("aria-expanded", String(open));
    const sign = item.querySelector(".jt-sign");
    if (sign) sign.textContent = open ? "▾" : "▸";
    const list = /** @type {HTMLElement} */ (item.querySelector("ul"));
    list.hidden = !open;
    if (open && !list.childElementCount) this.ask("list", item.dataset.path ?? "");
  }

  pressed(/** @type {KeyboardEvent} */ event) {
    const item = /** @type {HTMLElement} */ (event.target);
    const items = this.visible();
    const at = items.indexOf(item);
    const expanded = item.getAttribute("aria-expanded");
    if (at < 0) return;
    if (event.key === "ArrowDown") this.focus(items[Math.min(at + 1, items.length - 1)]);
    else if (event.key === "ArrowUp") this.focus(items[Math.max(at - 1, 0)]);
    else if (event.key === "Home") this.focus(items[0]);
    else if (event.key === "End") this.focus(items[items.length - 1]);
    else if (event.key === "ArrowRight" && expanded === "false") this.expand(item, true);
    else if (event.key === "ArrowLeft" && expanded === "true") this.expand(item, false);
    else if (event.key === "ArrowLeft") this.focus(item.parentElement?.closest("li") ?? item);
    else if (event.key === "Enter" || event.key === " ") this.open(item);
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  /** The items that no closed folder hides, in order. */
  visible() {
    return this.all().filter((item) => !item.parentElement?.closest("[hidden]"));
  }

  /** @param {HTMLElement} item */
  focus(item) {
    for (const other of this.tree.querySelectorAll('li[tabindex="0"]')) other.setAttribute("tabindex", "-1");
    item.setAttribute("tabindex", "0");
    item.focus();
  }

  /** @param {string} path @returns {HTMLElement | undefined} */
  find(path) {
    return this.all().find((item) => item.dataset.path === path);
  }

  all() {
    return /** @type {HTMLElement[]} */ ([...this.tree.querySelectorAll("li")]);
  }

  /** @param {string} text @param {boolean} [fault] */
  say(text, fault = false) {
    this.state.textContent = text;
    this.state.dataset.fault = String(fault);
  }

  forget() {
    this.image.forget();
    this.saved.forget();
  }
}

/** @param {{model: any, el: HTMLElement}} context */
function render({ model, el }) {
  const root = element("div");
  el.append(root);
  const browser = new ArtifactBrowser(model, root);
  /** @param {any} answer @param {DataView[]} buffers */
  const heard = (answer, buffers) => browser.heard(answer, buffers);
  model.on("msg:custom", heard);
  return () => {
    model.off("msg:custom", heard);
    browser.forget();
  };
}

export default { render };
