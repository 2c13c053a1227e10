// Every keyframe against every other, tile by tile, with what was found drawn in.
views.matrix = (host, spec) => {
  const box = make("div"), tools = make("div", {class: "tools"});
  host.append(tools, box);
  const shown = {closures: true, held: false, refused: false, truth: false};
  // Magma, without its darkest end.
  const stops = [[20, 14, 54], [81, 18, 124], [183, 55, 121], [252, 137, 97], [252, 253, 191]];
  const shade = new Uint32Array(256);
  for (let v = 0; v < 256; v++) {
    const at = v / 255 * (stops.length - 1), low = Math.min(stops.length - 2, Math.floor(at)), part = at - low;
    const [r, g, b] = stops[low].map((value, i) => Math.round(value + part * (stops[low + 1][i] - value)));
    shade[v] = 255 << 24 | b << 16 | g << 8 | r;
  }
  let current = 0;
  const tiles = [];
  function load(which) {
    tiles.length = 0;
    for (const tile of spec.tables[which].tiles) {
      const image = new Image();
      image.onload = () => {
        const canvas = make("canvas", {width: image.width, height: image.height});
        const c = canvas.getContext("2d", {willReadFrequently: true});
        c.drawImage(image, 0, 0);
        const pixels = c.getImageData(0, 0, image.width, image.height);
        const bytes = pixels.data, words = new Uint32Array(bytes.buffer);
        for (let i = 0; i < words.length; i++) words[i] = shade[bytes[4 * i]];
        c.putImageData(pixels, 0, 0);
        tiles.push({...tile, canvas});
        chart.paint();
      };
      image.src = `data:${tile.type};base64,${tile.bytes}`;
    }
  }
  const table = () => spec.tables[current];
  const columnOf = (k) => k - table().first;
  const inside = (i) => {
    const column = columnOf(pairs.k[i]);
    return column >= 0 && column < table().columns;
  };
  const wanted = (i) => pairs.stage[i] === GIVEN ? shown.closures : pairs.stage[i] === COMPARED ? shown.refused : shown.held;
  const at = (i, m) => [m.x(columnOf(pairs.k[i]) + 0.5), m.y(pairs.q[i] + 0.5)];
  const order = [COMPARED, AGREES, SURE, GIVEN].map((stage) => pairs.q.map((_, i) => i).filter((i) => pairs.stage[i] === stage));
  const chart = plane(box, {
    label: "Similarity of every keyframe with every other; dots are closures", equal: true, flip: true, cross: true,
    x: [0, table().columns], y: [0, table().rows], xLabel: "older keyframe", yLabel: "keyframe",
    xValues: (v) => v < 0 || v >= table().columns ? "" : rowTick(table().first + Math.floor(v)),
    yValues: (v) => v < 0 || v >= table().rows ? "" : rowTick(Math.floor(v)),
    height: (w) => Math.min(720, Math.max(300, w * 0.92)),
    draw(u, m) {
      const c = u.ctx;
      c.imageSmoothingEnabled = m.kx < 1.5 * m.ratio;
      for (const tile of tiles) {
        c.drawImage(tile.canvas, m.x(tile.column), m.y(tile.row), tile.columns * m.kx, tile.rows * m.ky);
      }
      if (shown.truth && spec.truth.length) {
        c.fillStyle = "rgba(46,230,168,.33)";
        for (const [row, from, to] of spec.truth) {
          if (current) break;
          c.fillRect(m.x(from), m.y(row), (to - from) * m.kx, Math.max(m.ky, 1));
        }
      }
      const radius = Math.max(2.2 * m.ratio, Math.min(m.kx * 0.45, 7 * m.ratio));
      for (const ids of order) {
        for (const i of ids) {
          if (!wanted(i) || !inside(i)) continue;
          const [px, py] = at(i, m);
          if (px < m.box.left - radius || px > m.box.left + m.box.width + radius) continue;
          const kind = classOf(i);
          c.beginPath();
          c.arc(px, py, radius, 0, 6.3);
          c.fillStyle = {right: "#2ee6a8", wrong: "#ff5c5c", held: "#ffc72e", refused: "#aab4be"}[kind];
          c.globalAlpha = kind === "refused" ? 0.55 : 1;
          c.fill();
          c.globalAlpha = 1;
          if (i === chosen) {
            c.strokeStyle = "#fff";
            c.lineWidth = 2.5 * m.ratio;
            c.beginPath();
            c.arc(px, py, radius + 4 * m.ratio, 0, 6.3);
            c.stroke();
          }
        }
      }
    },
    pick(px, py, m) {
      const hit = nearest(px, py, pairs.q.length, (i) => wanted(i) && inside(i) ? m.css(...at(i, m)) : null);
      if (hit != null) return {pair: hit};
      const column = Math.floor((px * m.ratio + m.box.left - m.x(0)) / m.kx);
      const row = Math.floor((py * m.ratio + m.box.top - m.y(0)) / m.ky);
      const {rows, columns, first} = table();
      return row < 0 || column < 0 || row >= rows || column >= columns ? null : {row, column: first + column};
    },
    peek: (hit) => hit.pair != null ? pairPeek(hit.pair) : [picture(hit.row, nameOf(hit.row)),
      picture(hit.column, nameOf(hit.column)), make("div", {}, `${nameOf(hit.row)} and ${nameOf(hit.column)}`)],
    click: (hit) => hit.pair != null ? choose(hit.pair) : lookAt(hit.row, hit.column),
  });
  const toggle = (key, text, swatch) => checkbox(text, swatch, shown[key], (on) => { shown[key] = on; chart.paint(); });
  if (spec.tables.length > 1) {
    const select = make("select", {"aria-label": "Compared with"}, ...spec.tables.map((entry, i) =>
      make("option", {value: i}, entry.name)));
    select.addEventListener("change", () => {
      current = +select.value;
      load(current);
      chart.range({x: [0, table().columns], y: [0, table().rows]});
    });
    tools.append(select);
  }
  tools.append(toggle("closures", `${stageNames[GIVEN]} (${closures.length})`, "right"));
  const held = order[AGREES].length + order[SURE].length;
  if (held) tools.append(toggle("held", `${heldName} (${held})`, "held"));
  if (order[COMPARED].length) tools.append(toggle("refused", `${stageNames[COMPARED]} (${order[COMPARED].length})`, "refused"));
  if (spec.truth.length) tools.append(toggle("truth", "same place in truth", "right"));
  const key = make("canvas", {class: "ramp", width: 256, height: 1, "aria-hidden": "true"});
  const c = key.getContext("2d"), row = c.createImageData(256, 1);
  new Uint32Array(row.data.buffer).set(shade);
  c.putImageData(row, 0, 0);
  tools.append(make("span", {class: "tools"}, fixed(spec.low, 2), key, fixed(spec.high, 2)),
    ...zoomTools(chart, "similarity"));
  load(0);
  onChoice(() => chart.paint());
};
// Rows lie at no round times.
const rowTick = (row) => keyframes.t[row] < 60 ? `${keyframes.t[row].toFixed(1).replace(/\.0$/, "")} s` : clockTick(keyframes.t[row]);
