/* The search box of every page. What is searched is loaded when somebody first goes to the box. A classic script: pages opened from a folder load no modules. */
(() => {
  const form = document.querySelector("form.search");
  const input = form.querySelector("input");
  const list = form.querySelector("ol");
  const status = form.querySelector("[role=status]");
  const root = document.documentElement.dataset.root; // the way to the site's beginning
  const SHOWN = 12;
  let ready;

  form.hidden = false;

  const load = (file) =>
    new Promise((resolve, reject) => {
      const script = document.createElement("script");
      script.src = `${root}assets/${file}`;
      script.onload = resolve;
      script.onerror = () => reject(new Error(`${file} cannot be loaded`));
      document.head.append(script);
    });

  const open = async () => {
    await Promise.all([load("minisearch.js"), load("search-data.js")]);
    const index = new MiniSearch({
      fields: ["title", "page", "text"],
      searchOptions: {
        boost: { title: 4, page: 3 },
        boostDocument: (id) => (searchEntries[id].url.startsWith("api/") ? 0.5 : 1), // explanations before signatures
        prefix: true,
        fuzzy: (term) => (term.length > 4 ? 0.2 : false),
        combineWith: "AND",
      },
    });
    index.addAll(searchEntries.map((entry, id) => ({ id, ...entry })));
    return index;
  };

  /** The text around the first word that was found. */
  const around = (text, terms) => {
    const places = terms.map((term) => text.toLowerCase().indexOf(term)).filter((place) => place >= 0);
    const start = Math.max(0, Math.min(...places, text.length) - 60);
    return places.length === 0 ? text.slice(0, 140) : (start > 0 ? "… " : "") + text.slice(start, start + 140);
  };

  const item = ({ id, terms }) => {
    const { page, title, url, text } = searchEntries[id];
    const link = document.createElement("a");
    link.href = root + url;
    link.textContent = title && title !== page ? `${page}: ${title}` : page;
    const quote = document.createElement("p");
    quote.textContent = around(text, terms);
    const entry = document.createElement("li");
    entry.append(link, quote);
    return entry;
  };

  const show = async () => {
    const query = input.value.trim();
    ready ??= open();
    const index = await ready;
    if (query !== input.value.trim()) return; // more was typed meanwhile
    const found = query === "" ? [] : index.search(query);
    list.replaceChildren(...found.slice(0, SHOWN).map(item));
    status.textContent = query === "" ? "" : found.length === 0 ? "Nothing found" : `${found.length} found${found.length > SHOWN ? `, the best ${SHOWN} are shown` : ""}`;
  };

  const told = (error) => {
    status.textContent = String(error.message ?? error);
  };
  input.addEventListener("focus", () => {
    ready ??= open();
    ready.catch(told);
  });
  input.addEventListener("input", () => show().catch(told));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    list.querySelector("a")?.click();
  });
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && form.contains(document.activeElement)) {
      input.value = "";
      show().catch(told);
      input.focus();
    } else if (event.key === "/" && !/^(?:INPUT|TEXTAREA)$/.test(document.activeElement.tagName)) {
      event.preventDefault();
      input.focus();
    }
  });
})();
