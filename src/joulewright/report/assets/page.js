"use strict";
/* Decodes the data of the page, draws every chart in turn and reacts to the theme, the selectors and the width. */
const jw = (() => {
  const byId = (id) => document.getElementById(id);
  const spec = JSON.parse(byId("jw-spec").textContent);
  let codes = null;

  /* RFC 1951 inflate for browsers without DecompressionStream; skips the two bytes of the zlib header. */
  function inflate(bytes) {
    let at = 2, bits = 0, held = 0;
    const out = [];
    const take = (count) => {
      while (held < count) { bits |= bytes[at++] << held; held += 8; }
      const value = bits & ((1 << count) - 1);
      bits >>>= count; held -= count;
      return value;
    };
    const tree = (lengths) => {
      const counts = new Uint16Array(16), offsets = new Uint16Array(16), symbols = new Uint16Array(lengths.length);
      for (const length of lengths) counts[length]++;
      counts[0] = 0;
      for (let i = 1; i < 16; i++) offsets[i] = offsets[i - 1] + counts[i - 1];
      lengths.forEach((length, symbol) => { if (length) symbols[offsets[length]++] = symbol; });
      return { counts, symbols };
    };
    const next = ({ counts, symbols }) => {
      for (let length = 1, code = 0, first = 0, index = 0; ; length++) {
        code |= take(1);
        const count = counts[length];
        if (code - count < first) return symbols[index + code - first];
        index += count; first = (first + count) << 1; code <<= 1;
      }
    };
    const fixed = () => [tree(Array.from({ length: 288 }, (_, i) => (i < 144 ? 8 : i < 256 ? 9 : i < 280 ? 7 : 8))),
      tree(new Array(30).fill(5))];
    const dynamic = () => {
      const literals = take(5) + 257, distances = take(5) + 1, count = take(4) + 4;
      const order = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];
      const lengths = new Array(19).fill(0);
      for (let i = 0; i < count; i++) lengths[order[i]] = take(3);
      const codeTree = tree(lengths), all = [];
      while (all.length < literals + distances) {
        const symbol = next(codeTree);
        if (symbol < 16) all.push(symbol);
        else {
          const value = symbol === 16 ? all[all.length - 1] : 0;
          const repeat = symbol === 16 ? 3 + take(2) : symbol === 17 ? 3 + take(3) : 11 + take(7);
          for (let i = 0; i < repeat; i++) all.push(value);
        }
      }
      return [tree(all.slice(0, literals)), tree(all.slice(literals))];
    };
    for (let last = 0; !last;) {
      last = take(1);
      const kind = take(2);
      if (kind === 0) {
        bits = held = 0;
        const length = bytes[at] | (bytes[at + 1] << 8);
        at += 4;
        for (let i = 0; i < length; i++) out.push(bytes[at++]);
        continue;
      }
      const [literal, distance] = kind === 1 ? fixed() : dynamic();
      for (let symbol = next(literal); symbol !== 256; symbol = next(literal)) {
        if (symbol < 256) { out.push(symbol); continue; }
        const run = symbol - 257, extra = run < 8 || run === 28 ? 0 : (run >> 2) - 1;
        const length = run === 28 ? 258 : run < 8 ? run + 3 : (((run & 3) + 4) << extra) + 3 + take(extra);
        const code = next(distance), more = code < 4 ? 0 : (code >> 1) - 1;
        const back = code < 4 ? code + 1 : (((code & 1) + 2) << more) + 1 + take(more);
        for (let i = 0; i < length; i++) out.push(out[out.length - back]);
      }
    }
    return Uint8Array.from(out);
  }

  async function load() {
    const bytes = Uint8Array.from(atob(byId("jw-data").textContent.trim()), (c) => c.charCodeAt(0));
    let plain;
    if (typeof DecompressionStream === "undefined") plain = inflate(bytes);
    else {
      const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
      plain = new Uint8Array(await new Response(stream).arrayBuffer());
    }
    codes = new DataView(plain.buffer);
  }

  /* Values of a reference {"$": i}; plain arrays pass through. */
  function values(reference) {
    if (Array.isArray(reference)) return reference;
    const entry = spec.arrays[reference.$];
    if (!entry.values) {
      entry.values = new Array(entry.n);
      for (let i = 0, code = 0; i < entry.n; i++) {
        code = (code + codes.getUint16(2 * (entry.at + i), true)) & 0xffff;
        entry.values[i] = code === 0 ? null : entry.low + (code - 1) * entry.step;
      }
    }
    return entry.values;
  }

  const probe = document.createElement("span");
  probe.hidden = true;
  document.body.append(probe);
  function colour(name) {
    probe.style.color = `var(--${name})`;
    return getComputedStyle(probe).color;
  }

  const text = (value) => String(value).replace(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`);
  /* At least three significant digits, thin spaces, true minus: the same rule as on the Python side. */
  function number(value) {
    if (value === null || value === undefined || !Number.isFinite(value)) return "n/a";
    const size = Math.abs(value);
    if (size < 5e-7) return "0";
    const decimals = Math.max(0, Math.min(6, 2 - Math.floor(Math.log10(size))));
    const [whole, part] = value.toFixed(decimals).replace("-", "\u2212").split(".");
    const grouped = whole.replace(/\B(?=(\d{3})+$)/g, "\u202f");
    return part ? `${grouped}.${part}` : grouped;
  }

  const charts = new Map(), hidden = new Map();
  /* A view without the series that the reader switched off; the last one of a chart stays. */
  function shown(id, view) {
    const off = hidden.get(id), keep = (series) => series.filter((item) => !off.has(item.name));
    if (!off || !off.size) return view;
    if (!view.panels) return { ...view, series: keep(view.series).length ? keep(view.series) : view.series };
    const panels = view.panels.map((panel) => ({ ...panel, series: keep(panel.series) })).filter((panel) => panel.series.length);
    return { ...view, panels: panels.length ? panels : view.panels };
  }

  function draw(holder) {
    const id = holder.dataset.chart, chart = spec.charts[id];
    const view = Number(holder.dataset.view || 0);
    const width = holder.clientWidth;
    const build = jwCharts[chart.kind](chart, shown(id, chart.views[view]), width);
    holder.style.height = `${build.height}px`;
    let instance = charts.get(id);
    if (!instance) {
      instance = echarts.init(holder, null, { renderer: "canvas", devicePixelRatio: Math.max(2, window.devicePixelRatio || 1) });
      instance.on("finished", () => { holder.dataset.drawn = "true"; });
      charts.set(id, instance);
    } else instance.resize();
    holder.dataset.width = width;
    const label = `${chart.label}${chart.views.length > 1 ? ` ${chart.views[view].name}.` : ""}`;
    instance.setOption({
      animation: false, aria: { enabled: true, label: { description: label } }, backgroundColor: "transparent",
      textStyle: { fontFamily: getComputedStyle(document.body).fontFamily, color: colour("ink") }, ...build.option,
    }, true);
    const note = document.querySelector(`[data-note="${id}"]`);
    if (note) note.textContent = chart.views[view].note || "";
  }

  /* The view that the choices of all groups a chart follows add up to. */
  const chosen = {};
  const viewOf = (holder) => Object.entries(spec.charts[holder.dataset.chart].strides)
    .reduce((sum, [group, stride]) => sum + stride * (chosen[group] || 0), 0);

  const holders = () => [...document.querySelectorAll("[data-chart]")];
  const drawAll = () => holders().forEach((holder) => { if (charts.has(holder.dataset.chart)) draw(holder); });
  const pause = () => new Promise((resolve) => setTimeout(resolve, 0));

  /* Order the rows of a table by one column, again the other way round; cells without a value stay at the end. */
  function sort(head) {
    const column = head.cellIndex, body = head.closest("table").tBodies[0], down = head.getAttribute("aria-sort") === "ascending";
    for (const other of head.parentElement.cells) other.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", down ? "descending" : "ascending");
    const key = (row) => row.cells[column].dataset.value ?? row.cells[column].textContent.trim();
    const rank = (one, other) => {
      if (!one || !other) return one ? -1 : other ? 1 : 0;
      const [a, b] = [Number(one), Number(other)];
      return (down ? -1 : 1) * (Number.isNaN(a) || Number.isNaN(b) ? one.localeCompare(other) : a - b);
    };
    body.append(...[...body.rows].sort((a, b) => rank(key(a), key(b))));
  }

  function theme(name) {
    if (name === "system") document.documentElement.removeAttribute("data-theme");
    else document.documentElement.dataset.theme = name;
    drawAll();
  }

  function controls() {
    document.addEventListener("change", (event) => {
      const { group, theme: themed } = event.target.dataset;
      if (themed !== undefined) theme(event.target.value);
      if (!group) return;
      chosen[group] = Number(event.target.value);
      for (const control of document.querySelectorAll(`[data-group="${group}"]`)) {
        if (control.type === "radio") control.checked = control.value === event.target.value;
        else control.value = event.target.value;
      }
      for (const holder of document.querySelectorAll(`[data-chart][data-follows~="${group}"]`)) {
        holder.dataset.view = viewOf(holder);
        if (charts.has(holder.dataset.chart)) draw(holder);
      }
    });
    document.addEventListener("click", (event) => {
      const button = event.target.closest("button[data-toggles]");
      if (!button) return;
      const { toggles, series } = button.dataset, off = hidden.get(toggles) || new Set();
      hidden.set(toggles, off);
      if (!off.delete(series)) off.add(series);
      button.setAttribute("aria-pressed", String(!off.has(series)));
      draw(document.querySelector(`[data-chart="${toggles}"]`));
    });
    document.addEventListener("click", (event) => {
      const button = event.target.closest("th button[data-sort]");
      if (button) sort(button.closest("th"));
    });
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawAll);
    let timer = 0;
    new ResizeObserver(() => {
      clearTimeout(timer);
      timer = setTimeout(() => holders().forEach((holder) => {
        if (charts.has(holder.dataset.chart) && Number(holder.dataset.width) !== holder.clientWidth) draw(holder);
      }), 80);
    }).observe(document.body);
  }

  async function start() {
    controls();
    await load();
    for (const holder of holders()) {
      draw(holder);
      await pause();
    }
    document.documentElement.dataset.ready = "true";
  }
  return { start, values, colour, text, number };
})();
