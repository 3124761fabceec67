import ArgumentParser
import Foundation
import InstanceNorm

struct Bench: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Measure the layer against a copy of the same memory.",
    discussion: """
      Times are medians of calls that took turns with copies by as many threads, or within the GPU. A share is the time that the least \
      memory traffic takes at the copy's speed, over the call's: a forward call reads x and writes y as a copy does; \
      with a residual it reads half as much again, and so does a backward call, which reads x and dy and writes dx. \
      Fused is ReLU and a residual. Data that fits a cache is read again from there, so that its shares say how far \
      arithmetic and calls are from free.
      """)

  @Flag(help: "Write JSON instead of a table.")
  var json = false

  @Option(
    name: .customLong("shape"), parsing: .unconditionalSingleValue,
    help: ArgumentHelp("Measure this shape; may be given several times.", valueName: "n,c,h,w"))
  var shapes: [ShapeArgument] = []

  @Option(help: "The type of the values: float32, float16, bfloat16 or float64.")
  var dtype = DType.float32

  @Option(help: ArgumentHelp(NormKind.help, valueName: "type"))
  var norm = NormKind.instance

  @OptionGroup var place: Place

  private static let usualShapes: [Shape] = [
    [5, 3, 4, 4], [1, 64, 32, 32], [1, 128, 64, 64], [1, 32, 256, 256], [8, 64, 128, 128], [1, 32, 1024, 1024],
  ]

  func validate() throws {
    if case .group(let groups) = norm, let shape = measured.first(where: { $0[1] % groups != 0 }) {
      throw ValidationError("--norm: \(shape[1]) maps, as in \(shape), are not \(groups) groups of equally many")
    }
  }

  private var measured: [Shape] { shapes.isEmpty ? Self.usualShapes : shapes.map(\.shape) }

  func run() throws {
    let device = try place.device(computingIn: dtype)
    let cpu = device.backend as? CPUBackend
    let header = Header(
      name: device.name, device: device.summary, instructionSet: cpu?.instructionSet, threads: cpu?.threads,
      norm: "\(norm)", dtype: dtype.rawValue)
    var report = Report(machine: header, rows: [])
    for shape in measured {
      for layout in Layout.allCases {
        let row = try Row(shape, layout, dtype, norm, on: device)
        report.rows.append(row)
        if !json {
          if report.rows.count == 1 {
            try say("\(header.device), \(header.norm) normalisation, \(header.dtype)")
            try say("a share, behind each time, is that of the copy's speed")
            try say(Row.titles)
          }
          try say(row.line)
        }
      }
    }
    if json { try sayJSON(report) }
  }

  // MARK: What is reported

  private struct Report: Encodable {
    let machine: Header
    var rows: [Row]
  }

  private struct Header: Encodable {
    let name: String
    let device: String
    /// Of the CPU; likewise the threads.
    let instructionSet: String?
    let threads: Int?
    let norm: String
    let dtype: String
  }

  /// One shape in one layout. Times in seconds.
  private struct Row: Encodable {
    let shape: [Int]
    let layout: String
    let copy: Double
    let forward: Timing
    let fused: Timing
    let inPlace: Timing
    let backward: Timing

    struct Timing: Encodable {
      let seconds: Double
      /// Of the copy's speed.
      let share: Double
    }

    init(_ shape: Shape, _ layout: Layout, _ dtype: DType, _ norm: NormKind, on device: Device) throws {
      func random(_ seed: UInt64) throws -> Tensor {
        try repeated(shape, seed: seed).to(dtype).to(layout).to(device)
      }
      let (x, residual, dy) = (try random(1), try random(2), try random(3))
      var overwritten = try random(4)
      let copied = try Tensor(uninitializedLike: x)
      let plain = try norm.layer(maps: shape[1])
      let fused = try norm.layer(maps: shape[1], activation: .relu)
      let inPlace = try norm.layer(maps: shape[1])
      for layer in [plain, fused, inPlace] {
        try layer.calcMode(dtype)
        try layer.to(device)
      }

      let medians = try device.medianTimes([
        { try device.copyMemory(of: x, to: copied) },
        { try plain(x) },
        { try fused(x, residual: residual) },
        { try inPlace.normalize(inPlace: &overwritten) },
        { try plain.backward(dy) },
      ])
      self.shape = shape.dimensions
      self.layout = layout.rawValue
      copy = medians[0]
      func timing(_ index: Int, streams: Double) -> Timing {
        Timing(seconds: medians[index], share: medians[0] * streams / 2 / medians[index])
      }
      forward = timing(1, streams: 2)
      self.fused = timing(2, streams: 3)
      self.inPlace = timing(3, streams: 2)
      backward = timing(4, streams: 3)
    }

    static let titles = columns(["shape", "layout", "copy", "forward", "fused", "in place", "backward"])

    var line: String {
      func cell(_ timing: Timing) -> String {
        // A copy of a kilobyte is a few instructions; a share of it says nothing.
        "\(duration(timing.seconds)) \(copy < 1e-7 ? "    -" : String(format: "%5.2f", timing.share))"
      }
      return Self.columns([
        "\(Shape(shape))", layout, duration(copy), cell(forward), cell(fused), cell(inPlace), cell(backward),
      ])
    }

    private static func columns(_ cells: [String]) -> String {
      zip(cells, [22, 6, 9, 16, 16, 16, 16]).enumerated().map { index, cell in
        let padding = String(repeating: " ", count: max(0, cell.1 - cell.0.count))
        return index == 0 ? cell.0 + padding : padding + cell.0
      }.joined(separator: "  ")
    }
  }
}

/// Four numbers with commas between them.
struct ShapeArgument: ExpressibleByArgument {
  let shape: Shape

  init?(argument: String) {
    let fields = argument.split(separator: ",", omittingEmptySubsequences: false).map { Int($0) }
    let extents = fields.compactMap { $0 }
    guard extents.count == fields.count, extents.count == 4, extents.allSatisfy({ $0 > 0 }) else { return nil }
    shape = Shape(extents)
  }
}

extension DType: ExpressibleByArgument {}
