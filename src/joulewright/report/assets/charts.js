"use strict";
/* One builder per kind of chart: (chart, view, width) -> { option, height }. All text passes through `jw.text`. */
const jwCharts = (() => {
  const { colour, number, text, values } = jw;
  const short = (value) => number(value).replace(/(\.\d*?)0+$/, "$1").replace(/\.$/, "");
  const NARROW = 560;
  const hours = 3600e3, day = 24 * hours;

  const axisText = () => ({ color: colour("muted"), fontSize: 11 });
  const lines = (name = "grid") => ({ show: true, lineStyle: { color: colour(name) } });
  const tooltip = (extra) => ({
    confine: true, backgroundColor: colour("surface"), borderColor: colour("line"), padding: [8, 10],
    textStyle: { color: colour("ink"), fontSize: 12 }, extraCssText: "max-width:min(340px,86vw);white-space:normal;", ...extra,
  });
  const pen = document.createElement("canvas").getContext("2d");
  const wide = (label) => { pen.font = `11px ${getComputedStyle(document.body).fontFamily}`; return pen.measureText(label).width; };
  const parts = (name) => name.match(/[\d.]+/g).map(Number);
  /* Black or white, whichever reads better on a fill. */
  const over = (fill) => { const [r, g, b] = parts(fill); return 0.299 * r + 0.587 * g + 0.114 * b > 140 ? "#000" : "#fff"; };
  const swatch = (key) => `<i class="swatch" style="--c:var(--q-${text(key)})"></i>`;
  const rowsHtml = (rows) => `<table class="tip">${rows.map(([name, value, key]) =>
    `<tr><th>${key ? swatch(key) : ""}${text(name)}</th><td>${text(value)}</td></tr>`).join("")}</table>`;
  const tip = (title, rows, after = "") => `<div class="tip-title">${text(title)}</div>${rowsHtml(rows)}${after}`;

  const WEEKDAYS = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];
  const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
  const two = (value) => String(value).padStart(2, "0");
  const dayText = (date) => `${WEEKDAYS[date.getUTCDay()]} ${date.getUTCDate()} ${MONTHS[date.getUTCMonth()]}`;
  const clockText = (date, exact = false) => `${two(date.getUTCHours())}:${two(date.getUTCMinutes())}${exact ? `:${two(date.getUTCSeconds())}` : ""}`;
  /* Wall clock of a step: `offsets` lists [first step, minutes east of UTC]. */
  function clock(axis, step) {
    let minutes = 0;
    for (const [first, offset] of axis.offsets) if (step >= first) minutes = offset;
    return new Date(axis.start_ms + step * axis.step_s * 1000 + minutes * 60e3);
  }
  /* Time since the beginning, for what has no date. */
  const elapsed = (axis, step) => {
    const whole = Math.round(step * axis.step_s * 1000) / 1000, days = Math.floor(whole / 86400), rest = whole - 86400 * days;
    const clocked = `${Math.floor(rest / 3600)}:${two(Math.floor(rest / 60) % 60)}${axis.step_s % 60 ? `:${two(Math.floor(rest % 60))}` : ""}`;
    return days ? `${days} d ${clocked}` : clocked;
  };
  const stamp = (axis, step) => { if (axis.elapsed) return elapsed(axis, step); const at = clock(axis, step); return `${dayText(at)} ${at.getUTCFullYear()}, ${clockText(at, axis.step_s < 60)}`; };

  /* Steps that start at a local midnight (or at a whole number of hours on a short horizon), thinned to what fits. */
  function timeTicks(axis, width) {
    const span = axis.steps * axis.step_s * 1000;
    const room = Math.max(2, Math.floor(width / 62));
    const fine = span < 3 * hours ? [1, 5, 10, 30, 60, 300, 900, 1800].map((seconds) => seconds * 1000) : [];
    const every = [...fine, hours, 3 * hours, 6 * hours, 12 * hours, day, 2 * day, 3 * day, 7 * day, 14 * day, 28 * day, 56 * day]
      .find((size) => span / size <= room) || 112 * day;
    const ticks = [];
    let last = null;
    for (let step = 0; step <= axis.steps; step++) {
      const slot = Math.floor(clock(axis, step).getTime() / every);
      if (slot !== last && (last !== null || clock(axis, step).getTime() % every === 0)) ticks.push(step);
      last = slot;
    }
    const label = (step) => {
      if (axis.elapsed) return elapsed(axis, step);
      const at = clock(axis, step);
      if (every < day && at.getTime() % day !== 0) return clockText(at, every < 60e3);
      return every < 7 * day ? `${WEEKDAYS[at.getUTCDay()]} ${at.getUTCDate()}` : `${at.getUTCDate()} ${MONTHS[at.getUTCMonth()]}`;
    };
    return { ticks, label };
  }

  function timeAxis(axis, width, { index = 0, labels = true } = {}) {
    const { ticks, label } = timeTicks(axis, width);
    return {
      type: "value", gridIndex: index, min: 0, max: axis.steps, axisLine: lines("line"),
      axisTick: { show: labels, customValues: ticks, lineStyle: { color: colour("line") } },
      splitLine: { show: false },
      axisLabel: { ...axisText(), show: labels, customValues: ticks, formatter: label, hideOverlap: true },
      axisPointer: { show: true, snap: false, label: { show: false }, lineStyle: { color: colour("muted"), type: "solid" } },
    };
  }

  const valueAxis = (name, extra = {}) => ({
    type: "value", name, nameLocation: "end", nameGap: 10,
    nameTextStyle: { ...axisText(), align: "left", padding: [0, 0, 0, extra.left === undefined ? -44 : extra.left] },
    axisLine: { show: false }, axisTick: { show: false }, splitLine: lines(), splitNumber: 4,
    axisLabel: { ...axisText(), formatter: short }, ...extra,
  });

  /* Panels above each other on one time axis: stacked areas (up and down) or lines, values held for their step. */
  function lanes(chart, view, width) {
    const narrow = width < NARROW;
    const left = 50, right = narrow ? 8 : 16, gap = 42, axis = view.axis;
    const zoom = !narrow && axis.steps > 48 && view.panels.length > 0;
    const grids = [], xAxes = [], yAxes = [], series = [];
    let top = 28;
    view.panels.forEach((panel, index) => {
      const height = narrow ? Math.round(panel.height * 0.85) : panel.height;
      const last = index === view.panels.length - 1;
      grids.push({ left, right, top, height, containLabel: false });
      xAxes.push(timeAxis(axis, width - left - right, { index, labels: last }));
      yAxes.push(valueAxis(panel.axis, { gridIndex: index, ...extent(panel, panel.height > 140 ? 6 : 3) }));
      if (view.mark) series.push(shade(view.mark, index));
      if (panel.pile) series.push(pile(panel, index));
      series.push(...laneSeries(panel, index, axis));
      top += height + (last ? 0 : gap);
    });
    const height = top + 30 + (zoom ? 34 : 0);
    return {
      height,
      option: {
        grid: grids, xAxis: xAxes, yAxis: yAxes, series,
        axisPointer: { link: [{ xAxisIndex: "all" }] },
        dataZoom: zoom ? [{ type: "slider", xAxisIndex: xAxes.map((_, i) => i), height: 18, bottom: 6, left, right,
          showDetail: false, showDataShadow: false, brushSelect: false, borderColor: colour("line"), fillerColor: colour("accent-soft"),
          handleStyle: { color: colour("surface"), borderColor: colour("accent") }, moveHandleSize: 0, filterMode: "none" }] : [],
        tooltip: tooltip({ trigger: "axis", formatter: (params) => laneTip(view, params[0].axisValue) }),
      },
    };
  }

  /* Round limits around the stacks and lines of a panel, so that no empty band is left. */
  function extent(panel, most) {
    const steps = panel.series.length ? values(panel.series[0].values).length : 0, up = new Array(steps).fill(0), down = new Array(steps).fill(0);
    let low = panel.min === undefined ? Infinity : panel.min, high = panel.max === undefined ? -Infinity : panel.max;
    for (const item of panel.series) {
      const stack = item.down ? down : up;
      const least = item.low && values(item.low);
      values(item.values).forEach((value, step) => {
        if (value === null) return;
        if (item.area !== undefined) stack[step] += value;
        else { low = Math.min(low, least ? least[step] : value); high = Math.max(high, value); }
      });
    }
    if (panel.max === undefined && panel.series.every((item) => item.area === undefined)) high += 0.03 * (high - Math.min(0, low));
    low = Math.min(low, 0, -Math.max(...down));
    high = Math.max(high, 0, Math.max(...up));
    const raw = (high - low || 1) / most, power = 10 ** Math.floor(Math.log10(raw));
    const interval = power * [1, 2, 2.5, 5, 10].find((factor) => factor * power >= raw * 0.999);
    return { min: Math.floor(low / interval + 1e-6) * interval, max: Math.ceil(high / interval - 1e-6) * interval, interval };
  }

  const ratio = () => Math.max(2, window.devicePixelRatio || 1);
  const snap = (value) => Math.round(value * ratio()) / ratio();

  /* Series of a panel: shapes of our own, snapped to device pixels so that no slivers show between the layers, and one
     invisible point in the middle of every step for the pointer to stop at. */
  function laneSeries(panel, index, axis) {
    const base = { silent: true, xAxisIndex: index, yAxisIndex: index };
    const sums = { up: [], down: [] };
    const filled = (points, fill, opacity) => ({ type: "polygon", emphasisDisabled: true, shape: { points }, style: { fill, opacity } });
    const stops = { ...base, type: "scatter", symbolSize: 0, data: Array.from({ length: axis.steps }, (_, step) => [step + 0.5, 0]) };
    return [stops, ...panel.series.map((item) => {
      const data = values(item.values), sign = item.down ? -1 : 1, held = item.boundary ? [0] : [0, 1], fill = colour(`q-${item.key}`);
      const at = (api, step, value) => api.coord([step, value]).map(snap);
      let shape = (api) => lineShape(data, held, fill, (step, value) => at(api, step, value));
      if (item.area !== undefined) {
        const below = sums[item.down ? "down" : "up"];
        const layer = data.map((value, step) => {
          const from = below[step] || 0;
          below[step] = from + (value || 0);
          return [from, below[step]];
        });
        const edge = (api, side) => layer.flatMap((pair, step) => held.map((more) => at(api, step + more, sign * pair[side])));
        shape = (api) => filled([...edge(api, 1), ...edge(api, 0).reverse()], fill, item.area);
      } else if (item.low) {
        const edge = (api, side) => side.flatMap((value, step) => held.map((more) => at(api, step + more, value)));
        shape = (api) => filled([...edge(api, data), ...edge(api, values(item.low)).reverse()], fill, item.opacity);
      }
      return { ...base, type: "custom", name: item.name, data: [[0, 0]], clip: true, renderItem: (_, api) => shape(api) };
    })];
  }

  /* Amounts of many owners piled up in each step, painted at once: there may be tens of thousands of them. */
  function pile(panel, index) {
    const [counts, owners, amounts] = ["counts", "owners", "amounts"].map((name) => values(panel.pile[name]));
    return { type: "custom", silent: true, xAxisIndex: index, yAxisIndex: index, data: [[0, 0]], clip: true, renderItem: (params, api) => {
      const { x, y, width, height } = params.coordSys, dots = ratio(), canvas = document.createElement("canvas");
      [canvas.width, canvas.height] = [width, height].map((size) => Math.max(1, Math.round(size * dots)));
      const brush = canvas.getContext("2d"), fills = panel.pile.keys.map((key) => colour(`q-${key}`));
      const across = (step) => Math.round((api.coord([step, 0])[0] - x) * dots), up = (sum) => Math.round((api.coord([0, sum])[1] - y) * dots);
      let place = 0;
      counts.forEach((count, step) => {
        const left = across(step), right = across(step + 1);
        for (let sum = 0, stop = place + Math.round(count); place < stop; place++) {
          const low = up(sum), high = up((sum += amounts[place]));
          brush.fillStyle = fills[Math.round(owners[place]) % fills.length];
          brush.fillRect(left, high, right - left, low - high);
        }
      });
      return { type: "image", emphasisDisabled: true, style: { image: canvas, x, y, width, height } };
    } };
  }

  /* The largest owners in a step, the rest together, and the lines above them. */
  function pileTip(panel, step) {
    const { keys, names } = panel.pile, [counts, owners, amounts] = ["counts", "owners", "amounts"].map((name) => values(panel.pile[name]));
    const first = counts.slice(0, step).reduce((sum, count) => sum + Math.round(count), 0), MOST = 8;
    const found = Array.from({ length: Math.round(counts[step]) }, (_, at) => [Math.round(owners[first + at]), amounts[first + at]]).sort((a, b) => b[1] - a[1]);
    const total = (items) => items.reduce((sum, item) => sum + item[1], 0), more = found.slice(MOST);
    const rows = [[panel.pile.title, number(total(found))]];
    rows.push(...found.slice(0, MOST).map(([owner, amount]) => [names[owner], number(amount), keys[owner % keys.length]]));
    if (more.length) rows.push([`${more.length} more`, number(total(more))]);
    for (const item of panel.series) {
      const value = values(item.values)[step] - (item.low ? values(item.low)[step] : 0);
      if (Math.abs(value) > 5e-4) rows.push([item.name, number(value), item.key]);
    }
    return rowsHtml(rows);
  }

  /* The steps of a panel that a reader should look at. */
  function shade([first, stop], index) {
    return { type: "custom", silent: true, xAxisIndex: index, yAxisIndex: index, data: [[0, 0]], clip: true, renderItem: (params, api) => {
      const [[left], [right], { y, height }] = [api.coord([first, 0]), api.coord([stop, 0]), params.coordSys];
      return { type: "rect", emphasisDisabled: true, shape: { x: left, y, width: right - left, height }, style: { fill: colour("accent-soft") } };
    } };
  }

  /* Polylines through the steps, broken where a value is missing. */
  function lineShape(data, held, stroke, at) {
    const runs = [[]];
    data.forEach((value, step) => {
      if (value === null) runs.push([]);
      else runs[runs.length - 1].push(...held.map((more) => at(step + more, value)));
    });
    const style = { stroke, lineWidth: 1.8, fill: "none", lineJoin: "round" };
    return { type: "group", children: runs.filter((run) => run.length).map((points) => (
      { type: "polyline", emphasisDisabled: true, shape: { points }, style })) };
  }

  function laneTip(view, position) {
    const step = Math.max(0, Math.min(view.axis.steps - 1, Math.floor(position)));
    const blocks = view.panels.map((panel) => {
      if (panel.pile) return pileTip(panel, step);
      const groups = new Map();
      for (const item of panel.series) {
        const value = values(item.values)[step];
        if (value === null || (item.area !== undefined && Math.abs(value) < 5e-4)) continue;
        const group = item.group || "";
        if (!groups.has(group)) groups.set(group, []);
        const range = item.low ? `${number(values(item.low)[step])} to ${number(value)}` : number(value);
        groups.get(group).push([item.name, value, item.key, item.area !== undefined, range]);
      }
      return [...groups].map(([group, items]) => {
        const total = items.filter((item) => item[3]).reduce((sum, item) => sum + item[1], 0);
        const stacked = items.some((item) => item[3]);
        const head = group ? [[group, stacked ? `${number(total)}\u202f${panel.unit}` : "", ""]] : [];
        const share = (value) => (panel.shares && group && total > 0 ? ` (${short((100 * value) / total)}\u202f%)` : "");
        return rowsHtml([...head, ...items.map(([name, value, key, , range]) => [name, `${range}\u202f${panel.unit}${share(value)}`, key])]);
      }).join("");
    });
    return `<div class="tip-title">${text(stamp(view.axis, step))} ${text(view.axis.zone)}</div>${blocks.join("")}`;
  }

  /* Stops of a colour scale, resolved from --s-NAME-0..n; diverging ones put their middle at zero. */
  function scale(name, low, high) {
    const stops = [0, 1, 2, 3, 4].map((index) => colour(`s-${name}-${index}`));
    if (low >= 0) return stops;
    const most = Math.max(-low, high), all = [colour("s-below-2"), colour("s-below-1"), colour("s-below-0"), ...stops.slice(1)];
    const at = (value) => {
      const place = value < 0 ? 2 * (1 + value / most) : 2 + 4 * (value / most);
      return mix(all, place / (all.length - 1));
    };
    return Array.from({ length: 33 }, (_, index) => at(low + ((high - low) * index) / 32));
  }
  function mix(stops, share) {
    const place = Math.max(0, Math.min(1, share)) * (stops.length - 1), index = Math.min(stops.length - 2, Math.floor(place));
    const [a, b, f] = [parts(stops[index]), parts(stops[index + 1]), place - index];
    return `rgb(${[0, 1, 2].map((i) => Math.round(a[i] + (b[i] - a[i]) * f)).join(",")})`;
  }

  function heat(chart, view, width) {
    const narrow = width < NARROW, data = values(view.values), days = view.days;
    const cells = [];
    data.forEach((value, index) => { if (value !== null) cells.push([Math.floor(index / 24), index % 24, value]); });
    const dates = days.map((name) => new Date(`${name}T00:00:00Z`));
    const long = days.length > 62;
    const room = Math.max(1, Math.floor((width - 60) / 46));
    const skip = Math.ceil(days.length / room);
    const months = [1, 2, 3, 4, 6].find((size) => days.length / (30.4 * size) <= (width - 60) / 40) || 12;
    const shown = (index) => (long ? dates[index].getUTCDate() === 1 && dates[index].getUTCMonth() % months === 0 : index % skip === 0);
    const label = (index) => (long ? MONTHS[dates[index].getUTCMonth()]
      : days.length > 14 ? `${dates[index].getUTCDate()} ${MONTHS[dates[index].getUTCMonth()]}` : `${WEEKDAYS[dates[index].getUTCDay()]} ${dates[index].getUTCDate()}`);
    const height = narrow ? 250 : 280;
    return {
      height,
      option: {
        grid: { left: 34, right: 8, top: 8, bottom: 68 },
        xAxis: { type: "category", data: days, axisLine: { show: false }, axisTick: { show: false },
          axisLabel: { ...axisText(), customValues: days.map((_, index) => index).filter(shown), formatter: (name) => label(days.indexOf(name)), hideOverlap: true } },
        yAxis: { type: "category", inverse: true, data: Array.from({ length: 24 }, (_, hour) => hour), axisLine: { show: false }, axisTick: { show: false },
          axisLabel: { ...axisText(), interval: (index) => index % 6 === 0, formatter: (hour) => `${two(hour)}:00`, fontSize: 10 } },
        visualMap: { type: "continuous", min: view.low, max: view.high, calculable: false, orient: "horizontal", left: "center", bottom: 2,
          itemWidth: 10, itemHeight: Math.min(180, width - 170), inRange: { color: scale(chart.scale, view.low, view.high) },
          text: [`${view.clipped_high ? "≥ " : ""}${short(view.high)} ${chart.unit}`, `${view.clipped_low ? "≤ " : ""}${short(view.low)}`],
          textStyle: { ...axisText() }, textGap: 8, hoverLink: false },
        series: [{ type: "heatmap", name: chart.title, data: cells, progressive: 0, itemStyle: { borderWidth: days.length > 31 ? 0 : 1, borderColor: colour("surface") },
          emphasis: { itemStyle: { borderColor: colour("ink"), borderWidth: 1 } } }],
        tooltip: tooltip({ formatter: ({ value }) => tip(`${dayText(dates[value[0]])} ${dates[value[0]].getUTCFullYear()}, ${two(value[1])}:00 to ${two((value[1] + 1) % 24)}:00 ${view.zone}`,
          [[chart.title, `${number(value[2])}\u202f${chart.unit}`]]) }),
      },
    };
  }

  /* Rows of jobs (or packed lanes): a pale window from release to deadline and a bar for every run. */
  function gantt(chart, view, width) {
    const narrow = width < NARROW, axis = view.axis, rows = view.rows, label = (row) => (narrow && row.short) || row.name;
    const right = narrow ? 8 : 16, pitch = view.pitch;
    const left = Math.min(narrow ? 110 : 220, 16 + Math.max(...rows.map((row) => wide(label(row)))));
    const height = 12 + rows.length * pitch + 30;
    const windows = [], bars = [];
    rows.forEach((row, index) => row.items.forEach((item) => {
      if (item.window) windows.push({ value: [index, item.window[0], item.window[1]], item });
      for (const [start, stop, level, key] of item.runs) bars.push({ value: [index, start, stop, level], item, key });
    }));
    const rectangle = (params, api, share, style) => {
      const [x0, y] = api.coord([api.value(1), api.value(0)]), [x1] = api.coord([api.value(2), api.value(0)]);
      const tall = pitch * share, low = params.coordSys.x, high = low + params.coordSys.width;
      const a = Math.max(low, Math.min(x0, high - (chart.least || 0))), b = Math.min(high, Math.max(x1, a + (chart.least || 0)));
      return b <= a || x1 < low || x0 > high ? null : { type: "rect", shape: { x: a, y: y - tall / 2, width: Math.max(1.5, b - a), height: tall, r: Math.min(3, tall / 3) }, style };
    };
    const { ticks } = timeTicks(axis, width - left - right);
    return {
      height,
      option: {
        grid: { left, right, top: 8, height: rows.length * pitch },
        xAxis: { ...timeAxis(axis, width - left - right), splitLine: { show: false }, axisPointer: { show: false } },
        yAxis: { type: "category", inverse: true, data: rows.map((row, index) => String(index)), axisLine: { show: false }, axisTick: { show: false },
          axisLabel: { ...axisText(), interval: 0, formatter: (index) => label(rows[index]), width: left - 12, overflow: "truncate", color: colour("ink") } },
        series: [
          { type: "custom", silent: true, data: [[0, 0, 0]], renderItem: (params, api) => ({ type: "group", children: ticks.map((step) => {
            const [x] = api.coord([step, 0]);
            return { type: "line", shape: { x1: x, y1: params.coordSys.y, x2: x, y2: params.coordSys.y + params.coordSys.height }, style: { stroke: colour("grid"), lineWidth: 1 } };
          }) }), encode: { x: [1, 2], y: 0 } },
          { type: "custom", name: "window", data: windows, encode: { x: [1, 2], y: 0 }, renderItem: (params, api) =>
            rectangle(params, api, 0.42, { fill: colour("raised"), stroke: windows[params.dataIndex].item.runs.length ? colour("line") : colour("bad"), lineWidth: 1,
              lineDash: windows[params.dataIndex].item.runs.length ? null : [4, 3] }) },
          { type: "custom", name: "run", data: bars, encode: { x: [1, 2], y: 0 }, renderItem: (params, api) => {
            const { item, key } = bars[params.dataIndex], fill = colour(`q-${key}`);
            const bar = rectangle(params, api, 0.74, { fill, opacity: 0.35 + 0.65 * api.value(3) });
            if (!bar || view.named || pitch < 16 || bar.shape.width < 48) return bar;
            return { ...bar, textConfig: { position: "insideLeft" }, textContent: { style: { text: item.name, fill: over(fill), fontSize: 10,
              fontFamily: getComputedStyle(document.body).fontFamily, width: bar.shape.width - 8, overflow: "truncate" } } };
          } },
        ],
        tooltip: tooltip({ formatter: ({ data }) => tip(data.item.name, data.item.facts, data.item.reason ? `<p class="tip-note">${text(data.item.reason)}</p>` : "") }),
      },
    };
  }

  /* Sorted values against the share of time in which they are reached or exceeded. */
  function curve(chart, view, width) {
    const narrow = width < NARROW;
    return {
      height: narrow ? 210 : 240,
      option: {
        grid: { left: 50, right: 14, top: 28, bottom: 42 },
        xAxis: { type: "value", min: 0, max: 100, interval: narrow ? 50 : 25, axisLine: lines("line"), axisTick: { show: false }, splitLine: lines(),
          axisLabel: { ...axisText(), formatter: (value) => `${value}\u202f%` }, name: chart.share || "share of time", nameLocation: "middle", nameGap: 26, nameTextStyle: axisText() },
        yAxis: valueAxis(chart.axis, chart.log ? { type: "log" } : { scale: true }),
        series: view.series.map((item) => ({ type: "line", name: item.name, symbol: "none", color: colour(`q-${item.key}`), lineStyle: { width: 2, type: item.dashed ? [6, 4] : "solid" }, emphasis: { disabled: true },
          data: values(item.values).map((value, index, all) => [(100 * index) / Math.max(1, all.length - 1), value]) })),
        tooltip: tooltip({ trigger: "axis", axisPointer: { type: "line", lineStyle: { color: colour("muted"), type: "solid" } },
          formatter: (params) => tip(`reached or exceeded ${chart.reached ? `${chart.reached} ` : ""}${number(params[0].axisValue)}\u202f%${chart.reached ? "" : " of the time"}`,
            params.map((item) => [item.seriesName, `${number(item.value[1])}\u202f${chart.unit}`, view.series[item.seriesIndex].key])) }),
      },
    };
  }

  /* Horizontal bars, grouped or stacked around zero, values written at their ends. */
  function bars(chart, view, width) {
    const narrow = width < NARROW, names = view.categories;
    const left = Math.min(narrow ? 124 : 220, 18 + Math.max(...names.map(wide))), count = chart.stacked ? 1 : view.series.length;
    const pitch = chart.stacked ? 34 : 14 + 20 * count;
    const height = 6 + names.length * pitch + 28;
    return {
      height,
      option: {
        grid: { left, right: chart.stacked ? 24 : 74, top: 6, height: names.length * pitch },
        xAxis: { type: "value", axisLine: { show: false }, axisTick: { show: false }, splitLine: lines(), splitNumber: narrow ? 2 : 5,
          axisLabel: { ...axisText(), formatter: short, hideOverlap: true } },
        yAxis: { type: "category", inverse: true, data: names, axisLine: lines("line"), axisTick: { show: false },
          axisLabel: { ...axisText(), color: colour("ink"), width: left - 14, overflow: "truncate", interval: 0 } },
        series: view.series.map((item) => ({ type: "bar", name: item.name, stack: chart.stacked ? "all" : undefined, barMaxWidth: 20, barGap: "12%", color: colour(`q-${item.key}`),
          data: values(item.values).map((value, index) => ({ value, itemStyle: item.keys ? { color: colour(`q-${item.keys[index]}`) } : {},
            label: { position: value < 0 ? "left" : "right" } })),
          label: { show: !chart.stacked, formatter: ({ value }) => number(value), ...axisText(), color: colour("ink") }, emphasis: { disabled: true } })),
        tooltip: tooltip({ trigger: "axis", axisPointer: { type: "shadow", z: -1, shadowStyle: { color: colour("grid"), opacity: 0.5 } },
          formatter: (params) => tip(params[0].name, params.map((item) => [item.seriesName, `${number(item.value)}\u202f${chart.unit}`, view.series[item.seriesIndex].key])) }),
      },
    };
  }

  /* Steps that add up to a total, drawn from a running base; totals start at zero. */
  function waterfall(chart, view, width) {
    const narrow = width < NARROW;
    let sum = 0;
    const items = view.items.map((item) => {
      const base = item.total ? 0 : sum;
      sum = item.total ? sum : sum + item.value;
      return { ...item, low: Math.min(base, base + item.value), high: Math.max(base, base + item.value) };
    });
    const names = items.map((item) => item.name), pitch = 30;
    const left = Math.min(narrow ? 136 : 220, 18 + Math.max(...names.map(wide)));
    return {
      height: 4 + names.length * pitch + 28,
      option: {
        grid: { left, right: 74, top: 4, height: names.length * pitch },
        xAxis: { type: "value", axisLine: { show: false }, axisTick: { show: false }, splitLine: lines(), splitNumber: narrow ? 2 : 5,
          axisLabel: { ...axisText(), formatter: short, hideOverlap: true } },
        yAxis: { type: "category", inverse: true, data: names, axisLine: lines("line"), axisTick: { show: false },
          axisLabel: { ...axisText(), color: colour("ink"), width: left - 14, overflow: "truncate", interval: 0 } },
        series: [
          { type: "bar", stack: "w", silent: true, itemStyle: { color: "transparent" }, data: items.map((item) => item.low), barWidth: 18 },
          { type: "bar", stack: "w", barWidth: 18, emphasis: { disabled: true },
            data: items.map((item) => ({ value: item.high - item.low, itemStyle: { color: colour(`q-${item.key}`) } })),
            label: { show: true, position: "right", ...axisText(), color: colour("ink"), formatter: ({ dataIndex }) => number(items[dataIndex].value) } },
        ],
        tooltip: tooltip({ formatter: ({ dataIndex }) => tip(items[dataIndex].name, [[items[dataIndex].note || "carbon", `${number(items[dataIndex].value)}\u202f${chart.unit}`]]) }),
      },
    };
  }

  function front(chart, view, width) {
    const narrow = width < NARROW;
    const style = (point) => (point.current ? { symbol: "diamond", symbolSize: 16, itemStyle: { color: colour("q-generator") } } : { symbol: "circle", symbolSize: 9 });
    return {
      height: narrow ? 280 : 340,
      option: {
        grid: { left: 62, right: 22, top: 30, bottom: 46 },
        xAxis: { type: "value", scale: true, name: chart.x, nameLocation: "middle", nameGap: 30, nameTextStyle: axisText(), axisLine: lines("line"), axisTick: { show: false }, splitLine: lines(),
          axisLabel: { ...axisText(), formatter: short, hideOverlap: true }, splitNumber: narrow ? 3 : 6 },
        yAxis: valueAxis(chart.y, { scale: true, left: -52 }),
        series: [{ type: "line", data: view.points.map((point) => ({ value: [point.x, point.y], ...style(point) })), showAllSymbol: true,
          color: colour("q-training"), lineStyle: { width: 1.6 }, itemStyle: { borderColor: colour("surface"), borderWidth: 1 } }],
        tooltip: tooltip({ formatter: ({ dataIndex }) => tip(view.points[dataIndex].name, view.points[dataIndex].facts) }),
      },
    };
  }

  /* Vertical stacked bars in two directions, one per period. */
  function columns(chart, view, width) {
    const narrow = width < NARROW;
    return {
      height: narrow ? 250 : 300,
      option: {
        grid: { left: 54, right: 10, top: 28, bottom: 30 },
        xAxis: { type: "category", data: view.categories, axisLine: lines("line"), axisTick: { show: false }, axisLabel: { ...axisText(), hideOverlap: true } },
        yAxis: valueAxis(chart.axis),
        series: view.series.map((item) => ({ type: "bar", stack: "all", stackStrategy: "samesign", name: item.name, color: colour(`q-${item.key}`), barMaxWidth: 46, emphasis: { disabled: true },
          data: values(item.values).map((value) => (item.down ? -value : value)) })),
        tooltip: tooltip({ trigger: "axis", axisPointer: { type: "shadow", z: -1, shadowStyle: { color: colour("grid"), opacity: 0.5 } },
          formatter: (params) => tip(params[0].name, params.filter((item) => Math.abs(item.value) > 5e-4)
            .map((item) => [item.seriesName, `${number(Math.abs(item.value))}\u202f${chart.unit}`, view.series[item.seriesIndex].key])) }),
      },
    };
  }

  /* Round limits and steps around some values. */
  function limits(found, most, zero) {
    const low = Math.min(...found, ...(zero ? [0] : [])), high = Math.max(...found, ...(zero ? [0] : []));
    const raw = (high - low || Math.abs(high) || 1) / most, power = 10 ** Math.floor(Math.log10(raw));
    const interval = power * [1, 2, 2.5, 5, 10].find((factor) => factor * power >= raw * 0.999);
    return { min: Math.floor(low / interval + 1e-6) * interval, max: Math.ceil(high / interval - 1e-6) * interval, interval };
  }
  /* Labels with as many decimals as the steps of the axis need. */
  const ticks = ({ interval }) => {
    let decimals = 0;
    while (decimals < 9 && Math.abs(interval * 10 ** decimals - Math.round(interval * 10 ** decimals)) > 1e-6) decimals++;
    return (value) => (decimals ? value.toFixed(decimals).replace("-", "\u2212") : short(value));
  };

  /* A line between two ends with a short bar across each. */
  const whisker = (from, to, across, style) => ({ type: "group", children: [[from, to], ...[from, to].map(([x, y]) => [[x - across[0], y - across[1]], [x + across[0], y + across[1]]])]
    .map(([[x1, y1], [x2, y2]]) => ({ type: "line", shape: { x1, y1, x2, y2 }, style })) });

  /* Rows of means with their intervals; the name and the figures stand above each row, so that long names fit. */
  function intervals(chart, view, width) {
    const narrow = width < NARROW, rows = view.rows, left = 12, right = 16, ink = colour("ink"), font = getComputedStyle(document.body).fontFamily;
    const size = (text, weight) => { pen.font = `${weight} 12px ${font}`; return pen.measureText(text).width; };
    /* On a narrow page long names take several lines and the figures stand below them. */
    const lineCounts = rows.map((row) => Math.ceil((size(row.name, 400) / (width - left - right)) * 1.02));
    const nameLines = narrow ? Math.max(1, ...lineCounts) : 1, pitch = 46 + (narrow ? 16 * nameLines : 0);
    const ends = rows.flatMap((row) => [row.mean, row.low, row.high]).filter((value) => value !== null);
    const scale = limits(ends.length ? ends : [0, 1], narrow ? 3 : 7, chart.zero);
    const render = (params, api) => {
      const row = rows[params.dataIndex], { x, width: wide } = params.coordSys, [middle, y] = api.coord([row.mean, params.dataIndex]);
      const top = y - pitch / 2 + 4, track = y + pitch / 2 - 18, fill = colour(row.colour), zero = Math.max(x, Math.min(x + wide, api.coord([0, 0])[0]));
      const say = (text, place, line, style) => ({ type: "text", x: place, y: top + line * 16, style: { text, fontSize: 12, lineHeight: 15, fontFamily: font, fill: ink, ...style } });
      const room = narrow ? wide : wide - size(row.text, 600) - 24;
      const children = [say(row.name, x, 0, { width: room, overflow: nameLines > 1 ? "break" : "truncate" }),
        narrow ? say(row.text, x, nameLines, { fill: colour("muted") }) : say(row.text, x + wide, 0, { align: "right", fontWeight: 600 })];
      if (chart.zero) children.push({ type: "line", shape: { x1: zero, y1: track - 11, x2: zero, y2: track + 11 }, style: { stroke: colour("muted"), lineWidth: 1.2 } });
      if (chart.bars) children.push({ type: "rect", shape: { x: Math.min(zero, middle), y: track - 6, width: Math.max(1, Math.abs(middle - zero)), height: 12 }, style: { fill, opacity: 0.85 } });
      if (row.low !== null) {
        const style = { stroke: chart.bars ? ink : fill, lineWidth: 1.8 };
        children.push(whisker([api.coord([row.low, 0])[0], track], [api.coord([row.high, 0])[0], track], [0, 5], style));
      }
      if (!chart.bars) children.push({ type: "circle", shape: { cx: middle, cy: track, r: 5 }, style: { fill, stroke: colour("surface"), lineWidth: 1.5 } });
      return { type: "group", children };
    };
    return {
      height: 4 + rows.length * pitch + 46,
      option: {
        grid: { left, right, top: 4, height: rows.length * pitch },
        xAxis: { type: "value", ...scale, name: view.axis, nameLocation: "middle", nameGap: 26, nameTextStyle: axisText(), axisLine: { show: false }, axisTick: { show: false },
          splitLine: lines(), axisLabel: { ...axisText(), formatter: ticks(scale), hideOverlap: true } },
        yAxis: { type: "category", inverse: true, data: rows.map((row, index) => index), axisLine: { show: false }, axisTick: { show: false }, axisLabel: { show: false } },
        series: [
          { type: "custom", data: rows.map((row, index) => [row.mean, index]), renderItem: render },
        ],
        tooltip: tooltip({ formatter: ({ dataIndex }) => tip(rows[dataIndex].name, rows[dataIndex].facts) }),
      },
    };
  }

  /* Means with their intervals against a swept value: on its own axis where it is a number, else side by side. */
  function sweep(chart, view, width) {
    const narrow = width < NARROW, places = view.at;
    const ends = view.series.flatMap((item) => item.points.flatMap((point) => point || [])).filter((value) => value !== null);
    const scale = limits(ends.length ? ends : [0, 1], narrow ? 4 : 6, false);
    const axis = { name: view.x, nameLocation: "middle", nameGap: 28, nameTextStyle: { ...axisText(), width: width - 90, overflow: "truncate" }, axisLine: lines("line"), axisTick: { show: places !== null, lineStyle: { color: colour("line") } } };
    const at = (index) => (places === null ? index : places[index]);
    const span = places === null ? 0 : Math.max(...places) - Math.min(...places);
    const series = view.series.flatMap((item) => {
      const fill = colour(`q-${item.key}`);
      const data = item.points.map((point, index) => [at(index), point ? point[0] : null]);
      const known = item.points.map((point, index) => [index, point]).filter(([, point]) => point && point[1] !== null);
      return [
        { type: "custom", silent: true, data: known.map(([index, point]) => [at(index), point[1], point[2]]), encode: { x: 0, y: [1, 2] }, renderItem: (params, api) => {
          const [low, high] = [1, 2].map((end) => api.coord([api.value(0), api.value(end)]));
          return whisker(low, high, [4, 0], { stroke: fill, lineWidth: 1.5 });
        } },
        { type: "line", name: item.name, data, connectNulls: false, symbol: "circle", symbolSize: 7, showAllSymbol: true, color: fill, lineStyle: { width: 1.8 }, emphasis: { disabled: true } },
      ];
    });
    return {
      height: narrow ? 280 : 340,
      option: {
        grid: { left: 62, right: 22, top: 30, bottom: 50 },
        xAxis: places === null
          ? { type: "category", data: view.categories, ...axis, axisLabel: { ...axisText(), hideOverlap: true } }
          : { type: "value", min: Math.min(...places) - 0.04 * span, max: Math.max(...places) + 0.04 * span, splitLine: { show: false }, ...axis,
            axisTick: { show: true, customValues: places, lineStyle: { color: colour("line") } }, axisLabel: { ...axisText(), customValues: places, formatter: short, hideOverlap: true } },
        yAxis: valueAxis(view.axis, { ...scale, left: -52, axisLabel: { ...axisText(), formatter: ticks(scale) } }),
        series,
        tooltip: tooltip({ trigger: "axis", axisPointer: { type: "line", lineStyle: { color: colour("muted"), type: "solid" } }, formatter: (params) => {
          const shown = params.filter((item) => item.seriesType === "line");
          return shown.length ? tip(view.categories[shown[0].dataIndex], shown.map(({ seriesName, seriesIndex, dataIndex }) => {
            const item = view.series[Math.floor(seriesIndex / 2)], point = item.points[dataIndex];
            const range = point && point[1] !== null ? ` (${number(point[1])} to ${number(point[2])})` : "";
            return [seriesName, point ? `${number(point[0])}${range}\u202f${view.unit}` : "n/a", item.key];
          })) : "";
        } }),
      },
    };
  }

  /* Named points with an interval in both directions, and levels across the whole width. */
  function scatter(chart, view, width) {
    const narrow = width < NARROW, points = view.points, ends = (side) => points.flatMap((point) => point[side]).filter((value) => value !== null);
    const level = (view.levels || []).map((item) => item.y), font = getComputedStyle(document.body).fontFamily;
    /* A margin keeps points off the edges. */
    const around = (found) => { const low = Math.min(...found), high = Math.max(...found), margin = 0.04 * (high - low) || 5; return [Math.max(0, low - margin), high + margin]; };
    const [across, up] = [limits(around(ends("x")), narrow ? 3 : 6, false), limits(around([...ends("y"), ...level]), narrow ? 5 : 7, false)];
    const interval = (params, api) => {
      const { x: [x, left, right], y: [y, low, high], key } = points[params.dataIndex], style = { stroke: colour(`q-${key}`), lineWidth: 1.5 };
      const children = [];
      if (low !== null) children.push(whisker(api.coord([x, low]), api.coord([x, high]), [4, 0], style));
      if (left !== null) children.push(whisker(api.coord([left, y]), api.coord([right, y]), [0, 4], style));
      return { type: "group", children };
    };
    const across_all = (params, api) => {
      const item = view.levels[params.dataIndex], { x, width: wide } = params.coordSys, y = api.coord([0, item.y])[1];
      return { type: "group", children: [
        { type: "line", shape: { x1: x, y1: y, x2: x + wide, y2: y }, style: { stroke: colour(`q-${item.key}`), lineWidth: 1.4, lineDash: item.dashed ? [6, 4] : null } },
        { type: "text", x: x + wide - 4, y: y - 4, style: { text: item.name, align: "right", verticalAlign: "bottom", fontSize: 11, fontFamily: font, fill: colour("muted") } }] };
    };
    /* Names stand beside their points, on the side with more room, unless another name is there; the legend has all. */
    const tall = narrow ? 320 : 400, taken = [], place = (value, { min, max }, size) => (size * (value - min)) / (max - min);
    const labels = points.map((point) => {
      const x = place(point.x[0], across, width - 76), y = place(point.y[0], up, tall - 80), left = x > (width - 76) / 2, size = wide(point.name) + 12;
      const box = [left ? x - size : x, left ? x : x + size, y];
      const free = !narrow && taken.every(([from, to, level]) => box[1] < from || box[0] > to || Math.abs(level - y) > 14);
      if (free) taken.push(box);
      return { show: free, position: left ? "left" : "right", offset: [0, -9] };
    });
    return {
      height: tall,
      option: {
        grid: { left: 54, right: 22, top: 34, bottom: 46 },
        xAxis: { type: "value", ...across, name: chart.x, nameLocation: "middle", nameGap: 30, nameTextStyle: axisText(), axisLine: lines("line"), axisTick: { show: false }, splitLine: lines(),
          axisLabel: { ...axisText(), formatter: ticks(across), hideOverlap: true } },
        yAxis: valueAxis(chart.y, { ...up, axisLabel: { ...axisText(), formatter: ticks(up) } }),
        series: [
          ...(level.length ? [{ type: "custom", silent: true, data: view.levels.map((item) => [across.min, item.y]), renderItem: across_all }] : []),
          { type: "custom", silent: true, data: points.map((point) => [point.x[0], point.y[0]]), renderItem: interval },
          { type: "scatter", data: points.map((point, index) => ({ value: [point.x[0], point.y[0]], symbol: point.current ? "diamond" : "circle", symbolSize: point.current ? 16 : 12,
            itemStyle: { color: colour(`q-${point.key}`), borderColor: colour("surface"), borderWidth: 1 }, label: labels[index] })),
          label: { formatter: ({ dataIndex }) => points[dataIndex].name, ...axisText(), color: colour("ink") } },
        ],
        tooltip: tooltip({ formatter: ({ dataIndex }) => tip(points[dataIndex].name, points[dataIndex].facts) }),
      },
    };
  }

  /* Height of a line at x, nothing beyond its ends; points are in the order of x. */
  function between(data, x) {
    const after = data.findIndex((point) => point.value[0] >= x);
    if (after < 0 || (after === 0 && data[0].value[0] > x)) return null;
    const [to, from] = [data[after].value, data[Math.max(0, after - 1)].value];
    return to[0] === from[0] ? to[1] : from[1] + ((to[1] - from[1]) * (x - from[0])) / (to[0] - from[0]);
  }

  /* Lines and points over two numbers, either axis linear or logarithmic, with the diagonal where both mean the same. */
  function xy(chart, view, width) {
    const narrow = width < NARROW, series = view.series.map((item) => {
      const ys = values(item.y), names = item.names || [];
      return { ...item, data: values(item.x).map((x, index) => ({ value: [x, ys[index]], name: names[index], facts: (item.facts || [])[index] })) };
    });
    const all = (side) => series.flatMap((item) => item.data.map((point) => point.value[side])).filter((value) => value !== null);
    const spread = (found, log) => (log ? { type: "log", min: Math.min(...found) * 0.9, max: Math.max(...found) * 1.1 } : { type: "value", ...limits(found.length ? found : [0, 1], narrow ? 4 : 6, true) });
    const both = chart.diagonal ? [...all(0), ...all(1)] : null;
    /* A margin keeps lone points off the edges. */
    const padded = (found) => { const low = Math.min(...found), high = Math.max(...found), more = 0.08 * (high - low) || 0.1 * high || 1; return { type: "value", ...limits([Math.max(0, low - more), high + more], narrow ? 4 : 6, false) }; };
    const ranged = (found, log) => (chart.around ? padded(found) : spread(found, log));
    const [across, up] = [ranged(both || all(0), chart.xlog), ranged(both || all(1), chart.ylog)];
    const rounded = (value) => short(Number(value.toPrecision(2)));
    const lined = series.every((item) => item.mode === "line"), ends = chart.diagonal ? [across.min, across.max] : [];
    const drawn = series.map((item) => ({ type: item.mode === "points" ? "scatter" : "line", name: item.name, data: item.data, color: colour(`q-${item.key}`), emphasis: { disabled: true },
      symbol: item.mode === "line" ? "none" : item.symbol || "circle", symbolSize: item.size || 8, showAllSymbol: true, itemStyle: { borderColor: colour("surface"), borderWidth: 0.7, opacity: 0.9 },
      lineStyle: { width: 2, type: item.dashed ? [6, 4] : "solid" } }));
    const axis = (value) => (chart.xlog ? rounded(value) : short(value));
    return {
      height: narrow ? 280 : chart.tall || 320,
      option: {
        grid: { left: 58, right: 20, top: 30, bottom: 48 },
        xAxis: { ...across, name: chart.x, nameLocation: "middle", nameGap: 30, nameTextStyle: axisText(), axisLine: lines("line"), axisTick: { show: false }, splitLine: lines(),
          axisLabel: { ...axisText(), formatter: axis, hideOverlap: true, showMinLabel: !chart.xlog, showMaxLabel: !chart.xlog } },
        yAxis: valueAxis(chart.y, { ...up, left: -50, axisLabel: { ...axisText(), formatter: chart.ylog ? rounded : short, showMinLabel: !chart.ylog, showMaxLabel: !chart.ylog } }),
        series: [...(chart.diagonal ? [{ type: "line", silent: true, symbol: "none", data: ends.map((end) => [end, end]), color: colour("muted"), lineStyle: { width: 1.2, type: [4, 4] }, tooltip: { show: false } }] : []), ...drawn],
        tooltip: lined
          ? tooltip({ trigger: "axis", axisPointer: { type: "line", lineStyle: { color: colour("muted"), type: "solid" }, snap: true },
            formatter: ([{ axisValue: x }]) => tip(`${chart.xname} ${number(x)}\u202f${chart.xunit}`,
              series.map((item) => [item.name, between(item.data, x), item.key]).filter((row) => row[1] !== null).map(([name, y, key]) => [name, `${number(y)}\u202f${chart.yunit}`, key])) })
          : tooltip({ formatter: ({ data, seriesName }) => tip(data.name || seriesName, data.facts
            || [[chart.xname, `${number(data.value[0])}\u202f${chart.xunit}`], [chart.yname, `${number(data.value[1])}\u202f${chart.yunit}`]]) }),
      },
    };
  }

  return { lanes, heat, gantt, curve, bars, waterfall, front, columns, intervals, sweep, scatter, xy };
})();
