import Drawing
import Figures
import Foundation
import ImageFiles
import InstanceNorm
import TestSupport
import Testing

/// The figure of the types shows what the layers did.
@Suite struct FigureTests {
  private let folder = TemporaryFolder()

  private func draw(_ x: Tensor) throws -> DrawnFigure {
    try DrawnFigure(parsing: NormalizationFigure(of: Comparison(of: x), theme: .light).drawing.document)
  }

  /// What the tool draws.
  private func run(_ options: String..., sourceLocation: SourceLocation = #_sourceLocation) throws -> DrawnFigure {
    let tool = try Tool(["figure", "-o", "figure.svg"] + options, in: folder.path)
    #expect(
      tool.status == 0 && tool.output == "" && tool.errors == "", "\(tool.errors)", sourceLocation: sourceLocation)
    return try DrawnFigure(parsing: document("figure.svg"))
  }

  private func document(_ name: String) throws -> String {
    try String(contentsOfFile: folder.file(name), encoding: .utf8)
  }

  @Test func `without a tensor it shows the four types on random pictures, the same bytes each time`() throws {
    let figure = try run()
    let first = try document("figure.svg")
    #expect(figure.panels.map(\.title) == ["Batch", "Layer", "Instance", "Group (2 groups)"])
    #expect(figure.panels.map { Set($0.sets.values).count } == [6, 4, 24, 8])
    #expect(figure.panels.allSatisfy { $0.texts.first == $0.title && $0.sets.count == 24 })
    let instance = figure.panels[2]
    #expect(instance.texts.contains("means 0, deviations 1") && instance.texts.contains("24 means for 24 planes"))
    for other in [0, 1, 3] { #expect(!figure.panels[other].texts.contains("means 0, deviations 1")) }
    _ = try run()
    #expect(try document("figure.svg") == first)
  }

  @Test(
    arguments: [
      ([1, 1, 4, 4], 1), ([1, 3, 4, 4], 3), ([3, 1, 4, 4], 1), ([2, 4, 4, 4], 2), ([2, 5, 4, 4], 1), ([3, 9, 4, 4], 3),
      ([12, 16, 3, 3], 2),
    ] as [([Int], Int)])
  func `cells of one set are those that the type says share`(extents: [Int], groups: Int) throws {
    let (images, maps) = (extents[0], extents[1])
    let figure = try draw(.randomNormal(Shape(extents), seed: 5))
    let counts = [maps, images, images * maps, images * groups]
    let group = "Group (\(groups) group\(groups == 1 ? "" : "s"))"
    #expect(figure.panels.map(\.title) == ["Batch", "Layer", "Instance", group])
    let shares: [(Plane, Plane) -> Bool] = [
      { $0.i == $1.i }, { $0.t == $1.t }, { $0 == $1 },
      { $0.t == $1.t && $0.i * groups / maps == $1.i * groups / maps },
    ]
    for (panel, (share, count)) in zip(figure.panels, zip(shares, counts)) {
      #expect(panel.sets.count == min(images, 8) * min(maps, 8))
      for (plane, set) in panel.sets {
        for (other, otherSet) in panel.sets {
          #expect((set == otherSet) == share(plane, other), "\(panel.title): \(plane), \(other)")
        }
      }
      let planes = images * maps
      #expect(
        panel.texts.contains(
          "\(count) mean\(count == 1 ? "" : "s") for \(planes) plane\(planes == 1 ? "" : "s")"))
    }
    #expect(figure.texts.contains { $0.contains("the first 8 of 16 maps") } == (maps == 16))
    #expect(figure.texts.contains { $0.contains("the first 8 of 12 pictures") } == (images == 12))
  }

  @Test func `sets are read off the run: planes that are equal have one mean in every type`() throws {
    let plane = try Tensor.randomNormal([1, 1, 5, 5], seed: 3).array(of: Float.self)
    let figure = try draw(Tensor(plane + plane + plane.map { 2 * $0 } + plane, shape: [2, 2, 5, 5]))
    let instance = figure.panels[2].sets
    #expect(Set(instance.values).count == 2)
    #expect(instance[Plane(t: 0, i: 0)] == instance[Plane(t: 1, i: 1)])
    #expect(instance[Plane(t: 0, i: 0)] != instance[Plane(t: 1, i: 0)])
    #expect(figure.panels[2].texts.contains("2 means for 4 planes"))
  }

  @Test func `sets that touch have different colours, from eight at most`() throws {
    for shape in [[4, 6, 3, 3], [8, 8, 3, 3], [3, 7, 3, 3], [9, 16, 3, 3]] as [Shape] {
      for panel in try draw(.randomNormal(shape, seed: 5)).panels {
        #expect(Set(panel.colours.values).count <= 8)
        for (plane, set) in panel.sets {
          for (t, i) in [(0, 1), (1, 0), (1, 1), (1, -1)] {
            let other = Plane(t: plane.t + t, i: plane.i + i)
            guard let otherSet = panel.sets[other] else { continue }
            #expect((panel.colours[plane] == panel.colours[other]) == (set == otherSet), "\(panel.title), \(shape)")
          }
        }
      }
    }
  }

  @Test(arguments: [DType.float16, .float32, .float64]) func `its numbers are the tensor's`(dtype: DType) throws {
    let (images, maps, size) = (2, 3, 36)
    var x: [Double] = []
    for plane in 0..<images * maps {
      let noise = try Tensor.randomNormal([size], seed: UInt64(plane)).array(of: Double.self)
      x += noise.map { Double(plane * plane) + Double(plane + 1) * $0 }
    }
    let figure = try draw(Tensor(x, shape: [images, maps, 6, 6]).to(dtype))
    #expect(figure.panels[2].texts.contains("means 0, deviations 1"))

    func moments(_ values: ArraySlice<Double>) -> (mean: Double, deviation: Double) {
      let mean = values.reduce(0, +) / Double(values.count)
      return (mean, (values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(values.count)).squareRoot())
    }
    let after = (0..<images * maps).map { plane in
      let picture = plane / maps * maps * size
      let whole = moments(x[picture..<picture + maps * size])
      let own = moments(x[plane * size..<(plane + 1) * size])
      return (mean: (own.mean - whole.mean) / whole.deviation, deviation: own.deviation / whole.deviation)
    }
    func range(_ values: [Double]) throws -> (Double, Double) {
      (try #require(values.min()), try #require(values.max()))
    }
    for (word, values) in [("means", after.map(\.mean)), ("deviations", after.map(\.deviation))] {
      let text = try #require(figure.panels[1].texts.first { $0.hasPrefix(word) })
      let numbers = text.replacing("\u{2212}", with: "-").split(separator: " ").compactMap { Double($0) }
      let (least, most) = try range(values)
      #expect(numbers.count == 2 && abs(numbers[0] - least) < 0.011 && abs(numbers[1] - most) < 0.011, "\(text)")
    }
  }

  @Test func `arrays of rank 3, pictures and constant planes are drawn too`() throws {
    try NPY.write(.randomNormal([5, 4, 4], seed: 1), to: folder.file("x.npy"))
    #expect(try run("--tensor", "x.npy").panels[0].texts.contains("5 means for 5 planes"))
    #expect(try draw(.zeros([2, 2, 1, 1])).panels[2].texts.contains("means 0, deviations 0"))
    try Picture(colors: .randomUniform([1, 3, 8, 9], seed: 1)).write(to: folder.file("in.png"))
    let figure = try run("--tensor", "in.png")
    #expect(figure.texts.contains { $0.contains("(1, 3, 8, 9) in float32") })
  }

  @Test func `a drawing of many planes is bounded`() throws {
    let x = try Tensor.randomNormal([40, 50, 2, 2], seed: 1)
    let drawing = try NormalizationFigure(of: Comparison(of: x), theme: .light).drawing
    let figure = try DrawnFigure(parsing: drawing.document)
    #expect(figure.panels.allSatisfy { $0.sets.count == 64 })
    #expect(figure.texts.contains { $0.contains("400 of 2000 planes") })
    #expect(drawing.document.utf8.count < 1_000_000)
  }

  @Test func `as PNG it has twice the size`() throws {
    for options in [[], ["--dark"]] {
      let svg = try Tool(["figure", "-o", "figure.svg"] + options, in: folder.path)
      let png = try Tool(["figure", "-o", "figure.png"] + options, in: folder.path)
      #expect(svg.status == 0 && png.status == 0 && png.errors == "", "\(png.errors)")
      let size = try DrawnFigure(parsing: document("figure.svg")).size
      let picture = try Picture(contentsOf: folder.file("figure.png"))
      #expect(Double(picture.width) == 2 * size.width && Double(picture.height) == 2 * size.height)
      // Something is on it, and its ground is dark or light.
      let summary = try #require(try picture.colors.planeSummaries().first)
      #expect(summary.moments.variance > 0.01)
      #expect((summary.moments.mean < 0.5) == !options.isEmpty)
    }
  }
}
