import Drawing

/// How the page looks, and what it does under a pointer.
enum ReportStyle {
  static let sheet = """
    :root { \(colours(.light, band: 0.86)) }
    @media (prefers-color-scheme: dark) { :root { \(colours(.dark, band: 0.76)) } }
    * { box-sizing: border-box; margin: 0; }
    html { background: var(--background); color: var(--ink); -webkit-text-size-adjust: 100%; }
    body {
      max-width: 76rem; margin: 0 auto; padding: clamp(1.5rem, 5vw, 4.5rem) clamp(1rem, 4vw, 3rem) 6rem;
      font: 1rem/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", "DejaVu Sans", sans-serif;
      overflow-wrap: anywhere; font-variant-numeric: tabular-nums;
    }
    h1 { font-size: clamp(1.6rem, 1.2rem + 1.8vw, 2.4rem); line-height: 1.15; letter-spacing: -0.02em; font-weight: 650; text-wrap: balance; }
    h2 { font-size: 1.15rem; line-height: 1.3; font-weight: 600; letter-spacing: -0.005em; }
    h3 { font-size: 0.9rem; font-weight: 500; color: var(--muted); }
    header .note { margin-top: 0.6rem; }
    .note, figcaption, th, .words { color: var(--muted); font-size: 0.9rem; font-weight: 400; }
    section { margin-top: clamp(3rem, 7vw, 5rem); }
    section h2 { margin-bottom: 1.1rem; }
    section h2 + .note { margin-top: -0.9rem; margin-bottom: 1.1rem; }
    figure { min-width: 0; }
    .newest figcaption, .strip thead th { overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
    img { display: block; width: 100%; height: auto; border-radius: 6px; background: var(--grid); }
    progress { display: block; appearance: none; width: 100%; height: 3px; margin-top: 1.4rem; border: 0; border-radius: 2px; overflow: hidden; background: var(--grid); color: var(--series-0); }
    progress::-webkit-progress-bar { background: var(--grid); }
    progress::-webkit-progress-value { background: var(--series-0); }
    progress::-moz-progress-bar { background: var(--series-0); }
    .lost { padding: 1rem; border: 1px dashed var(--grid); border-radius: 6px; color: var(--muted); font-size: 0.8rem; }

    header + main > .newest:first-child { margin-top: clamp(2rem, 5vw, 3rem); }
    .newest div { display: grid; gap: clamp(1.2rem, 2.5vw, 2rem) clamp(0.6rem, 1.6vw, 1.25rem); align-items: start; }
    .newest figcaption { margin-top: 0.5rem; }
    .across-1 { grid-template-columns: minmax(0, 44rem); }
    .across-2 { grid-template-columns: repeat(2, minmax(0, 1fr)); }
    .across-3 { grid-template-columns: repeat(3, minmax(0, 1fr)); }
    .across-4 { grid-template-columns: repeat(4, minmax(0, 1fr)); }
    @media (max-width: 44rem) {
      .across-2, .across-3, .across-4 { grid-template-columns: repeat(2, minmax(0, 1fr)); }
      .newest figure:first-child:nth-last-child(odd) { grid-column: 1 / -1; }
    }

    .losses div { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 20rem), 1fr)); gap: 2.5rem 2.25rem; }
    .losses figure { display: flex; flex-direction: column; justify-content: space-between; }
    .losses .now { font-size: 1.75rem; line-height: 1.25; font-weight: 600; letter-spacing: -0.02em; color: var(--ink); }
    .losses .words { min-height: 1.5em; font-size: 0.82rem; }
    .losses svg { display: block; width: 100%; height: auto; margin-top: 0.5rem; overflow: visible; touch-action: pan-y; }
    [data-part="pointer"] { visibility: hidden; }

    .wide { overflow-x: auto; }
    table { border-collapse: collapse; text-align: left; }
    th, td { padding: 0; }
    .strip table { width: 100%; max-width: calc(6rem + 11rem * var(--columns)); table-layout: fixed; }
    .strip th:first-child { width: 6rem; }
    .strip thead th { padding: 0 0 0.5rem; vertical-align: bottom; }
    .strip th[scope="col"], .strip td { padding-right: clamp(0.3rem, 1vw, 0.75rem); }
    .strip tbody th { padding-top: 0.1rem; vertical-align: top; }
    .strip td { padding-bottom: clamp(0.3rem, 1vw, 0.75rem); vertical-align: top; }
    .strip .originals > * { padding-bottom: 1.25rem; }
    .strip img { border-radius: 4px; }

    .settings table { width: 100%; max-width: 44rem; }
    .settings th, .settings td { padding: 0.55rem 1.5rem 0.55rem 0; border-bottom: 1px solid var(--grid); vertical-align: top; font-size: 0.9rem; }
    .settings th { width: 14rem; }
    @media (max-width: 30rem) {
      .strip th:first-child { width: 3.6rem; font-size: 0.8rem; }
      .settings th { width: 44%; }
    }
    @media print { section { break-inside: avoid; } }
    """

  private static func colours(_ theme: Theme, band: Double) -> String {
    "\(theme.declarations) --band: \(Theme.mix(theme.series[0], theme.background, band));"
  }

  /// Shows the value under the pointer in the words above a curve. Written without the signs that XML escapes.
  static let script = """
    for (const chart of document.querySelectorAll("[data-readings]:not([data-readings=''])")) {
      const readings = chart.dataset.readings.split("|").map(reading => {
        const [x, y, ...words] = reading.split(" ");
        return { x: +x, y: +y, words: words.join(" ") };
      });
      const svg = chart.querySelector("svg"), pointer = chart.querySelector("[data-part=pointer]");
      const words = chart.querySelector(".words"), usual = words.textContent;
      svg.addEventListener("pointermove", event => {
        const box = svg.getBoundingClientRect();
        const x = (event.clientX - box.left) / box.width * svg.viewBox.baseVal.width;
        const near = readings.reduce((a, b) => Math.abs(a.x - x) > Math.abs(b.x - x) ? b : a);
        pointer.setAttribute("transform", `translate(${near.x} ${near.y})`);
        pointer.style.visibility = "visible";
        words.textContent = near.words;
      });
      svg.addEventListener("pointerleave", () => {
        pointer.style.visibility = "hidden";
        words.textContent = usual;
      });
    }
    """
}
