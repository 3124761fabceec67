import ArgumentParser
import Conformance
import Foundation
import Generators
import Text

struct Bench: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Measure the layer against a copy of the same memory, or a network against its convolutions.",
    discussion: """
      Times are medians of calls that take turns with copies by as many threads, or within the GPU. A share is the \
      call's speed as a fraction of the copy's, counting the least memory that the call has to move: a forward call \
      reads x and writes y, as a copy does; with a residual it moves half as much more, and so does a backward call, \
      which reads x and dy and writes dx. Fused means with ReLU and a residual. Data that fits a cache is read from \
      there the next time, so that its shares say what arithmetic and calls cost.

      With --network, times are of a whole network: as a plan, as a plan that takes every product, of its convolutions \
      alone, of calls of the module, and of a call with all gradients.
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

  @Option(
    help: ArgumentHelp(
      """
      Measure a network: a file of weights, or one of \(Architecture.allCases.map(\.rawValue).joined(separator: ", ")) \
      with random ones.
      """, valueName: "model"))
  var network: String?

  @Option(parsing: .unconditional, help: ArgumentHelp("Of a network: the picture's height and width.", valueName: "n"))
  var size = 256

  @Option(parsing: .unconditional, help: ArgumentHelp("Of a network: pictures in a call.", valueName: "n"))
  var batch = 1

  @Option(
    name: .customLong("part"), parsing: .unconditionalSingleValue,
    help: ArgumentHelp(
      """
      Of a network, measure this: \(NetworkBench.Part.allCases.map(\.rawValue).joined(separator: ", ")); may be given \
      several times.
      """, valueName: "part"))
  var parts: [NetworkBench.Part] = []

  @OptionGroup var place: Place

  private static let usualShapes: [Shape] = [
    [5, 3, 4, 4], [1, 64, 32, 32], [1, 128, 64, 64], [1, 32, 256, 256], [8, 64, 128, 128], [1, 32, 1024, 1024],
  ]

  func validate() throws {
    guard (1...16_384).contains(size) else { throw ValidationError("--size: expected 1 to 16384; got \(size)") }
    guard (1...1024).contains(batch) else { throw ValidationError("--batch: expected 1 to 1024; got \(batch)") }
    if network == nil, !parts.isEmpty { throw ValidationError("--part: is for --network") }
    if case .group(let groups) = norm, let shape = measured.first(where: { $0[1] % groups != 0 }) {
      throw ValidationError("--norm: \(shape[1]) maps, as in \(shape), are not \(groups) groups of equally many")
    }
  }

  private var measured: [Shape] { shapes.isEmpty ? Self.usualShapes : shapes.map(\.shape) }

  func run() throws {
    let device = try place.device(computingIn: dtype)
    let cpu = device.backend as? CPUBackend
    if let network { return try run(network, on: device) }
    let header = Header(
      name: device.name, device: device.summary, instructionSet: cpu?.instructionSetName, threads: cpu?.threads,
      norm: "\(norm)", dtype: dtype.rawValue)
    var report = Report(machine: header, rows: [])
    for shape in measured {
      for layout in Layout.allCases {
        let row = try Row(shape, layout, dtype, norm, on: device)
        report.rows.append(row)
        if !json {
          if report.rows.count == 1 {
            try say("\(header.device), \(header.norm) normalisation, \(header.dtype)")
            try say("behind each time: the speed, as a share of the copy's")
            try say(Row.titles)
          }
          try say(row.line)
        }
      }
    }
    if json { try sayJSON(report) }
  }

  private func run(_ model: String, on device: Device) throws {
    let parts = parts.isEmpty ? NetworkBench.Part.allCases : parts
    let bench = try NetworkBench(model, size: size, batch: batch, on: device)
    let seconds = try bench.seconds(parts)
    if json {
      return try sayJSON(
        NetworkReport(
          device: device.summary, network: bench.network.className, shape: bench.shape.dimensions,
          seconds: Dictionary(uniqueKeysWithValues: zip(parts.map(\.rawValue), seconds))))
    }
    try say("\(device.summary), \(bench.network.className), \(bench.shape)")
    for (part, time) in zip(parts, seconds) { try say(tableRow([part.rawValue, duration(time)], widths: [14, 10])) }
  }

  private struct NetworkReport: Encodable {
    let device: String
    let network: String
    let shape: [Int]
    let seconds: [String: Double]
  }

  // MARK: What is reported

  private struct Report: Encodable {
    let machine: Header
    var rows: [Row]
  }

  private struct Header: Encodable {
    let name: String
    let device: String
    /// The CPU's, as `threads` are; nil on a GPU.
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
    let forward: Speed
    let fused: Speed
    let inPlace: Speed
    let backward: Speed

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
        {
          // Of many calls in a row only the last has a gradient.
          plain.reset()
          try plain(x)
        },
        { try fused(x, residual: residual) },
        { try inPlace.normalize(inPlace: &overwritten) },
        { try plain.backward(dy) },
      ])
      self.shape = shape.dimensions
      self.layout = layout.rawValue
      copy = medians[0]
      func speed(_ index: Int, tensors: Double) -> Speed {
        Speed(seconds: medians[index], copy: medians[0], tensors: tensors, byteCount: x.byteCount)
      }
      forward = speed(1, tensors: 2)
      self.fused = speed(2, tensors: 3)
      self.inPlace = speed(3, tensors: 2)
      backward = speed(4, tensors: 3)
    }

    private static let widths = [22, 6, 9, 16, 16, 16, 16]

    static let titles = tableRow(
      ["shape", "layout", "copy", "forward", "fused", "in place", "backward"], widths: widths)

    var line: String {
      func cell(_ speed: Speed) -> String {
        // A copy of a kilobyte is a few instructions; a share of it says nothing.
        "\(duration(speed.seconds)) \(copy < 1e-7 ? "    -" : String(format: "%5.2f", speed.share))"
      }
      return tableRow(
        ["\(Shape(shape))", layout, duration(copy), cell(forward), cell(fused), cell(inPlace), cell(backward)],
        widths: Self.widths)
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
