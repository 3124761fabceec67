import ArrayFiles
import Drawing
import Foundation

/// The page of a ``TrainingReport``, section by section. It is XML as well as HTML.
struct ReportPage {
  private let report: TrainingReport

  init(_ report: TrainingReport) { self.report = report }

  var html: String {
    """
    <!DOCTYPE html>
    <html lang="en">
    <head>
    <meta charset="utf-8"/>
    <meta name="viewport" content="width=device-width, initial-scale=1"/>
    <meta name="color-scheme" content="light dark"/>
    <title>\(text(report.title))</title>
    <style>
    \(ReportStyle.sheet)
    </style>
    </head>
    <body>
    <header>
    <h1>\(text(report.title))</h1>
    \(progress)
    </header>
    <main>
    \([newest, losses, strip, settings].compactMap { $0 }.joined(separator: "\n"))
    </main>
    <script>
    \(ReportStyle.script)
    </script>
    </body>
    </html>

    """
  }

  private func text(_ text: String) -> String { escapedForMarkup(text.shown) }

  private func section(_ kind: String, _ title: String, _ note: String? = nil, _ content: [String]) -> String {
    let head = "<h2 id=\"\(kind)-title\">\(text(title))</h2>"
    let parts = [head] + (note.map { ["<p class=\"note\">\(text($0))</p>"] } ?? []) + content
    return "<section class=\"\(kind)\" aria-labelledby=\"\(kind)-title\">\n\(parts.joined(separator: "\n"))\n</section>"
  }

  // MARK: Where the training is

  private var progress: String {
    let (done, wanted) = (report.history.count, max(report.stepsWanted, report.history.count))
    var words = [done < wanted ? "Step \(grouped(done)) of \(grouped(wanted))" : "\(grouped(done)) steps, complete"]
    if let seconds = report.secondsPerStep, seconds > 0, seconds.isFinite {
      words.append("\(inDigits(2, seconds)) s a step")
      words.append(
        done < wanted
          ? "\(timeInWords(Double(wanted - done) * seconds)) left" : "\(timeInWords(Double(done) * seconds)) in all")
    }
    return """
      <p class="note">\(text(words.joined(separator: " · ")))</p>
      <progress value="\(done)" max="\(max(1, wanted))" aria-label="Steps done"></progress>
      """
  }

  // MARK: Pictures

  private func caption(_ column: Int) -> String {
    column < report.captions.count ? report.captions[column] : "picture \(column + 1)"
  }

  private var columns: Int {
    ([report.captions.count, report.originals.count] + report.samples.map(\.pictures.count)).max() ?? 0
  }

  private var newest: String? {
    guard let sample = report.samples.last, !sample.pictures.isEmpty else { return nil }
    let figures = sample.pictures.enumerated().map { column, path in
      let picture = ReportPicture(path, description: "\(caption(column)) at step \(grouped(sample.step))")
      return "<figure>\(picture.element)<figcaption>\(text(caption(column)))</figcaption></figure>"
    }
    // Rows as full as can be, of four at most.
    let count = figures.count
    let across = count <= 4 ? count : [4, 3].min { -count % $0 + $0 < -count % $1 + $1 } ?? 4
    return section(
      "newest", "Step \(grouped(sample.step))", nil, ["<div class=\"across-\(across)\">"] + figures + ["</div>"])
  }

  private var strip: String? {
    let shown = Self.spread(report.samples)
    guard !shown.isEmpty else { return nil }
    let names = (0..<columns).map { "<th scope=\"col\" title=\"\(text(caption($0)))\">\(text(caption($0)))</th>" }
      .joined()
    var rows: [String] = []
    if !report.originals.isEmpty {
      rows.append(row("Original", report.originals, kind: "originals") { "\($0), the original" })
    }
    for sample in shown {
      let step = grouped(sample.step)
      rows.append(row(step, sample.pictures) { "\($0) at step \(step)" })
    }
    let left = report.samples.count - shown.count
    let note = left > 0 ? "\(shown.count) of \(grouped(report.samples.count)) checkpoints" : nil
    return section(
      "strip", "Since the first step", note,
      [
        "<div class=\"wide\" tabindex=\"0\" role=\"region\" aria-label=\"Samples\"><table style=\"--columns: \(columns)\">",
        "<thead><tr><th scope=\"col\">Step</th>\(names)</tr></thead>", "<tbody>",
      ] + rows + ["</tbody>", "</table></div>"])
  }

  private func row(
    _ head: String, _ pictures: [String], kind: String = "sample", _ description: (String) -> String
  ) -> String {
    let cells = (0..<columns).map { column in
      let path = column < pictures.count ? pictures[column] : nil
      return "<td>\(ReportPicture(path, description: description(caption(column))).element)</td>"
    }
    return "<tr class=\"\(kind)\"><th scope=\"row\">\(text(head))</th>\(cells.joined())</tr>"
  }

  /// Twelve samples at most: the first, the newest, and between them steps in equal ratios, as a training changes most
  /// at its beginning.
  private static func spread(_ samples: [TrainingReport.Sample]) -> [TrainingReport.Sample] {
    let most = 12
    guard samples.count > most else { return samples }
    let steps = samples.map { Double(max(1, $0.step)) }
    let ratio = steps[samples.count - 1] / steps[0]
    var chosen = [0]
    for place in 1..<most - 1 {
      let wanted = steps[0] * pow(ratio, Double(place) / Double(most - 1))
      // As many have to be left as are still to be chosen.
      let free = chosen[place - 1] + 1...samples.count - most + place
      let nearest = free.min { abs(steps[$0] - wanted) < abs(steps[$1] - wanted) }
      chosen.append(nearest ?? free.lowerBound)
    }
    return (chosen + [samples.count - 1]).map { samples[$0] }
  }

  // MARK: Numbers

  private var losses: String {
    let history = report.history
    let note = history.count == 0 ? "There are no steps as yet." : nil
    let charts =
      history.count == 0
      ? [] : history.names.compactMap { name in (try? history.curve(of: name)).map { chart(name, $0) } }
    return section("losses", "Losses", note, charts.isEmpty ? [] : ["<div>"] + charts + ["</div>"])
  }

  private func chart(_ name: String, _ stretches: [LossStretch]) -> String {
    let chart = LossChart(stretches)
    let finite = stretches.filter { $0.mean.isFinite }
    let notFinite = stretches.reduce(0) { $0 + $1.notFinite }
    var words: [String] = []
    if let first = finite.first, let last = finite.last, finite.count > 1 {
      let steps = last.steps.count == 1 ? "step" : "\(grouped(last.steps.count)) steps"
      words.append("Mean of the last \(steps); it began at \(inDigits(3, first.mean)).")
      if last.steps.count == 1 { words[0] = "It began at \(inDigits(3, first.mean))." }
    }
    if notFinite > 0 { words.append("\(grouped(notFinite)) \(notFinite == 1 ? "value is" : "values are") not finite.") }
    let now = finite.last.map { inDigits(3, $0.mean) } ?? "not finite"
    let first = finite.first.map { inDigits(3, $0.mean) } ?? now
    return """
      <figure data-readings="\(chart.readings)">
      <figcaption><h3>\(text(name))</h3><p class="now">\(now)</p><p class="words">\(words.joined(separator: " "))</p></figcaption>
      \(chart.element(label: "Curve of \(name.shown), from \(first) to \(now) in \(grouped(report.history.count)) steps"))
      </figure>
      """
  }

  private var settings: String? {
    guard !report.settings.isEmpty else { return nil }
    let rows = report.settings.map { name, value in
      "<tr><th scope=\"row\">\(text(name))</th><td>\(text(value))</td></tr>"
    }
    return section("settings", "Settings", nil, ["<table><tbody>"] + rows + ["</tbody></table>"])
  }
}
