import Foundation
import TestSupport
import Testing
import Training

@Suite struct ReportTests {
  private static let png: [UInt8] = [0x89, 0x50, 0x4E, 0x47, 13, 10, 26, 10, 1, 2, 3, 4, 5]
  private static let jpeg: [UInt8] = [0xFF, 0xD8, 0xFF, 0xE0, 9, 8, 7]

  private static func history(_ columns: [(name: String, values: [Double])]) throws -> LossHistory {
    let history = try LossHistory(of: columns.map(\.name))
    for step in 0..<(columns.first?.values.count ?? 0) { try history.append(columns.map { $0.values[step] }) }
    return history
  }

  /// A report of two pictures with as many samples, 100 steps apart, as are asked for.
  private static func report(samples: Int, in folder: TemporaryFolder) throws -> TrainingReport {
    try write(png, to: folder.file("a.png"))
    try write(jpeg, to: folder.file("b.jpg"))
    let values = (1...50).map { 1 / Double($0) + 0.1 * sin(Double($0 * $0)) }
    var report = TrainingReport(
      title: "starry.jpg", history: try history([("style", values)]), stepsWanted: 80, secondsPerStep: 120)
    report.settings = [("Seed", "0")]
    report.captions = ["first", "second"]
    report.originals = [folder.file("a.png"), folder.file("b.jpg")]
    report.samples = (0..<samples).map {
      .init(step: 100 * ($0 + 1), pictures: [folder.file("b.jpg"), folder.file("a.png")])
    }
    return report
  }

  // MARK: The page

  @Test func `a page has all pictures in itself and names nothing outside`() throws {
    let folder = TemporaryFolder()
    let report = try Self.report(samples: 1, in: folder)
    try report.write(to: folder.file("report.html"))
    let html = String(decoding: try bytes(of: folder.file("report.html")), as: UTF8.self)
    #expect(html.hasPrefix("<!DOCTYPE html>\n"))
    #expect(!html.contains("://") && !html.contains("url(") && !html.contains("@import"))
    let page = try PageReader(html)
    #expect(page.values(of: "href").isEmpty)
    // Large, then the originals, then the row of the sample.
    let (a, b) = (Data(Self.png).base64EncodedString(), Data(Self.jpeg).base64EncodedString())
    let (png, jpeg) = ("data:image/png;base64,\(a)", "data:image/jpeg;base64,\(b)")
    #expect(page.values(of: "src") == [jpeg, png, png, jpeg, jpeg, png])
    #expect(page.values(of: "alt").count == 6 && page.values(of: "alt").allSatisfy { !$0.isEmpty })
    #expect(page.texts(in: "p").contains("Step 50 of 80 · 120 s a step · 1 h left"))
  }

  @Test func `what strangers name their files stays text`() throws {
    let folder = TemporaryFolder()
    func page(_ name: String, at path: String) throws -> PageReader {
      var report = try Self.report(samples: 1, in: folder)
      report.title = name
      report.history = try Self.history([(name, [1, 2])])
      report.settings = [(name, name)]
      report.captions = [name, name]
      report.samples[0].pictures = [path, path]
      return try PageReader(report.html())
    }
    let plain = try page("name", at: "none")
    let names = ["<script>alert(1)</script>", "<\u{301}i>", "\"/><b>", "a & b &lt;", "'\n\t\u{0}\u{1B}[2J\u{202E}"]
    for name in names {
      let page = try page(name, at: name)
      #expect(page.elements == plain.elements)
      #expect(page.attributes.map(\.name).sorted() == plain.attributes.map(\.name).sorted())
      let shown = name.contains("\n") ? "'\\n\\t\\x00\\x1B[2J\\u{202E}" : name
      for element in ["title", "h1", "h3", "td"] { #expect(page.texts(in: element).contains(shown)) }
      #expect(page.charts.first?.label.hasPrefix("Curve of \(shown), ") == true)
    }
  }

  @Test func `a picture that is gone or of another kind is a note in its place`() throws {
    let folder = TemporaryFolder()
    var report = try Self.report(samples: 1, in: folder)
    try write(Array("GIF89a".utf8), to: folder.file("c.gif"))
    report.samples[0].pictures = [folder.file("gone.png"), folder.file("c.gif")]
    let page = try PageReader(report.html())
    #expect(page.values(of: "src").count == 2)
    let notes = page.texts(in: "p").filter { $0.contains("gone.png: ") || $0.contains("c.gif: not supported: ") }
    #expect(notes.count == 4)
    // Fewer pictures, captions and originals than there might be.
    report.samples[0].pictures = []
    report.captions = ["only"]
    report.originals = []
    _ = try PageReader(report.html())
  }

  @Test(arguments: [1, 12, 13, 14, 40, 500]) func `the strip has twelve rows at most, from the first to the newest`(
    _ count: Int
  ) throws {
    let folder = TemporaryFolder(inMemory: true)
    let page = try PageReader(try Self.report(samples: count, in: folder).html())
    let rows = page.texts(in: "th").compactMap { Int($0.replacing(",", with: "")) }
    #expect(rows.count == min(count, 12))
    #expect(rows.first == 100 && rows.last == 100 * count)
    #expect(rows == Set(rows).sorted())
    // Most of them are early.
    if count > 24 { #expect(rows[rows.count / 2] < 100 * count / 4) }
  }

  // MARK: Curves

  /// Where a value lies by the numbers on an axis.
  private func place(_ value: Double, _ ticks: [(Double, Double)], _ scale: (Double) -> Double = { $0 }) throws
    -> Double
  {
    let (first, last) = (try #require(ticks.first), try #require(ticks.last))
    try #require(first.0 != last.0)
    let share = (scale(value) - scale(first.0)) / (scale(last.0) - scale(first.0))
    return first.1 + share * (last.1 - first.1)
  }

  @Test func `curves pass through the means, on bands from least to greatest`() throws {
    let linear = (0..<400).map { 3 + sin(Double($0) / 40) + 0.2 * sin(Double($0 * $0)) }
    let logarithmic = (0..<400).map { 5 * exp(-Double($0) / 60) * (1.5 + sin(Double($0 * $0))) }
    let history = try Self.history([("linear", linear), ("logarithmic", logarithmic)])
    let page = try PageReader(TrainingReport(title: "", history: history, stepsWanted: 400).html())
    try #require(page.charts.count == 2)
    for (chart, values, scale) in [
      (page.charts[0], linear, { $0 }), (page.charts[1], logarithmic, { log($0) }),
    ] as [(PageReader.Chart, [Double], (Double) -> Double)] {
      let (line, band) = (try #require(chart.lines.first), try #require(chart.bands.first))
      try #require(line.count == 60 && band.count == 120 && chart.lines.count == 1)
      var astray: [Int] = []
      for index in line.indices {
        // 400 steps in 60 stretches: 6 or 7 each.
        let part = values[(index * 20 / 3)..<((index + 1) * 20 / 3)]
        let middle = Double(index * 20 / 3 + 1 + (index + 1) * 20 / 3) / 2
        let x = try place(middle, chart.stepTicks)
        let mean = part.reduce(0, +) / Double(part.count)
        for (point, value) in [
          (line[index], mean), (band[index], part.max() ?? 0), (band[119 - index], part.min() ?? 0),
        ] {
          let y = try place(value, chart.valueTicks, scale)
          // At an edge of the plot, the band may be cut.
          let isCut = value != mean && (y < 8 || y > 200)
          if abs(point.x - x) > 0.03 || (abs(point.y - y) > 0.03 && !isCut) { astray.append(index) }
        }
      }
      #expect(astray.isEmpty)
    }
  }

  @Test func `values that are not finite, equal, huge, tiny or few do not break a page`() throws {
    let (inf, nan) = (Double.infinity, Double.nan)
    let (big, tiny) = (Double.greatestFiniteMagnitude, Double.leastNonzeroMagnitude)
    let cases: [[Double]] = [
      [], [1], [nan], [0, 0, 0], [-2, -2], [7, 7, 7, 7], [nan, nan, inf, -inf], [1, nan, 2, 3, inf, 4],
      [big, -big, big],
      [tiny, 0, tiny * 1000], [1e-300, 1e300], [big / 100, big, 1], [1e16, 1e16 + 2], [-1, 1e-9, 1],
      Array(repeating: big, count: 500),
      [0, 1e-12, 1], [1, 1.0000000001],
    ]
    for values in cases {
      let page = try PageReader(
        TrainingReport(title: "", history: try Self.history([("loss", values)]), stepsWanted: 3, secondsPerStep: nan)
          .html())
      #expect(page.charts.count == (values.isEmpty ? 0 : 1))
      for chart in page.charts {
        let points = (chart.lines + chart.bands).flatMap { $0 }
        #expect(points.allSatisfy { (0...380).contains($0.x) && (0...228).contains($0.y) }, "\(values)")
        #expect(points.isEmpty == values.allSatisfy { !$0.isFinite } || values.contains(big), "\(values)")
      }
      let shown = page.texts.filter { $0.element != "style" && $0.element != "script" }.map(\.text).joined(
        separator: " ")
      #expect(!shown.contains("nan") && !shown.contains("inf"), "\(values)")
    }
    let page = try PageReader(
      TrainingReport(title: "", history: try Self.history([("loss", cases[7])]), stepsWanted: 3).html())
    #expect(page.charts[0].lines.map(\.count) == [1, 2, 1])
    #expect(page.texts(in: "p").contains("It began at 1. 2 values are not finite."))
  }

  @Test(arguments: [
    (0.0123456, "0.0123"), (9.996, "10"), (9996, "10,000"), (1234.5, "1,230"), (999_999, "10⁶"), (1e-4, "0.0001"),
    (1.25e-5, "1.25×10⁻⁵"),
    (-2.5e12, "\u{2212}2.5×10¹²"), (1000, "1,000"), (0.1 + 0.2, "0.3"), (-0.05, "\u{2212}0.05"), (100, "100"),
  ]) func `the newest value is shown in three digits`(_ value: Double, _ text: String) throws {
    let report = TrainingReport(title: "", history: try Self.history([("loss", [value])]), stepsWanted: 1)
    #expect(try PageReader(report.html()).texts(in: "p").contains(text))
  }

  @Test func `a hundred thousand steps make no large page`() throws {
    let history = try Self.history([("loss", (0..<100_000).map { 1 + sin(Double($0)) })])
    #expect(try history.curve(of: "loss").count == 400)
    #expect(TrainingReport(title: "", history: history, stepsWanted: 100_000).html().utf8.count < 60_000)
  }
}
