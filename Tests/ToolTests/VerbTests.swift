import Foundation
import ImageFiles
import InstanceNorm
import TestSupport
import Testing

/// Each verb of the tool, run as a process on files.
@Suite struct VerbTests {
  private let folder = TemporaryFolder()

  private func run(_ arguments: String..., sourceLocation: SourceLocation = #_sourceLocation) throws -> String {
    let tool = try Tool(arguments, in: folder.path)
    #expect(tool.status == 0, "\(tool.errors)", sourceLocation: sourceLocation)
    #expect(tool.errors == "", sourceLocation: sourceLocation)
    return tool.output
  }

  private func array(_ name: String, layout: Layout = .nchw) throws -> Tensor {
    try NPY.read(from: folder.file(name), layout: layout)
  }

  private func picture(_ name: String, seed: UInt64, channels: Int = 3, alpha: Tensor? = nil) throws -> Picture {
    let picture = try Picture(colors: .randomUniform([1, channels, 20, 30], in: 0.2..<0.7, seed: seed), alpha: alpha)
    try picture.write(to: folder.file(name))
    return try Picture(contentsOf: folder.file(name))
  }

  // MARK: apply

  @Test(arguments: [DType.float16, .float32, .float64]) func `apply normalises arrays of rank 3, 4 and 5`(dtype: DType)
    throws
  {
    for shape in [[3, 6, 5], [2, 3, 6, 5], [2, 3, 2, 6, 5]] as [Shape] {
      let x = try Tensor.randomNormal(shape, mean: 3, seed: 1).to(dtype)
      try NPY.write(x, to: folder.file("x.npy"))
      _ = try run("apply", "x.npy", "-o", "y.npy")
      let y = try array("y.npy")
      #expect(y.shape == shape && y.dtype == dtype)
      let planeSize = shape.suffix(shape.rank == 5 ? 3 : 2).reduce(1, *)
      let expected = Reference(try x.doubles, maps: 3, planeSize: planeSize).y
      for (value, other) in zip(try y.doubles, expected) {
        #expect(abs(value - other) <= (dtype == .float16 ? 1e-3 : 1e-6) * max(1, abs(other)))
      }
    }
  }

  @Test func `apply takes scale, bias and epsilon, also such as begin with a minus`() throws {
    let x = try Tensor.randomNormal([2, 3, 6, 5], seed: 1)
    try NPY.write(x, to: folder.file("x.npy"))
    _ = try run("apply", "x.npy", "-o", "y.npy", "--scale", "-1,2,0.5", "--bias", "-1,0,2", "--epsilon", "0.5")
    let expected = Reference(
      try x.doubles, maps: 3, planeSize: 30, scale: [-1, 2, 0.5], bias: [-1, 0, 2], epsilon: 0.5
    ).y
    for (value, other) in zip(try array("y.npy").doubles, expected) { #expect(abs(value - other) < 1e-5) }

    _ = try run("apply", "x.npy", "--output", "z.npy", "--bias=-2")
    let shifted = Reference(try x.doubles, maps: 3, planeSize: 30, bias: [-2, -2, -2]).y
    for (value, other) in zip(try array("z.npy").doubles, shifted) { #expect(abs(value - other) < 1e-5) }

    _ = try run("apply", "x.npy", "-o", "plain.npy", "--no-affine", "--device", "cpu", "--threads", "1")
    _ = try run("apply", "x.npy", "-o", "same.npy", "--device", "auto", "--threads", "3")
    #expect(try bytes(of: folder.file("plain.npy")) == bytes(of: folder.file("same.npy")))
  }

  @Test func `apply reads and writes the layout that is named`() throws {
    for shape in [[3, 6, 5], [2, 3, 6, 5], [2, 3, 2, 6, 5]] as [Shape] {
      let x = try Tensor.randomNormal(shape, mean: 3, seed: 1)
      try NPY.write(x, to: folder.file("x.npy"))
      _ = try run("apply", "x.npy", "-o", "y.npy")
      // The same with the maps last: a rank of 3 is (H, W, C).
      let batched = shape.rank == 3 ? try x.reshaped(to: Shape([1] + shape)) : x
      try NPY.write(batched.to(.nhwc), to: folder.file("last.npy"))
      if shape.rank == 3 { try NPY.write(array("last.npy").reshaped(to: [6, 5, 3]), to: folder.file("last.npy")) }
      _ = try run("apply", "last.npy", "-o", "last-y.npy", "--layout", "nhwc")
      var y = try array("last-y.npy")
      if shape.rank == 3 {
        #expect(y.shape == [6, 5, 3])
        try NPY.write(y.reshaped(to: [1, 6, 5, 3]), to: folder.file("last-y.npy"))
      }
      y = try array("last-y.npy", layout: .nhwc)
      // The order of the sums is another.
      for (value, other) in zip(try y.doubles, try array("y.npy").doubles) { #expect(abs(value - other) < 1e-6) }
    }
  }

  @Test func `apply shows a picture as 0.5 + 0.25 y, and says so`() throws {
    let alpha = try Tensor(repeating: 1, shape: [1, 1, 20, 30])
    let picture = try picture("in.png", seed: 1, alpha: alpha)
    #expect(try run("apply", "in.png", "-o", "out.png") == "out.png shows 0.5 + 0.25 y, clipped to 0...1\n")
    let shown = try Picture(contentsOf: folder.file("out.png"))
    let y = Reference(try picture.colors.doubles, maps: 3, planeSize: 600).y
    for (value, other) in zip(try shown.colors.doubles, y) {
      #expect(abs(value - min(max(0.5 + 0.25 * other, 0), 1)) < 0.5 / 255 + 1e-6)
    }
    #expect(try #require(shown.alpha).doubles == alpha.doubles)

    // With a scale and a bias it is y itself.
    #expect(
      try run("apply", "in.png", "-o", "out.png", "--scale", "0.1", "--bias", "0.5")
        == "out.png shows y, clipped to 0...1\n")
    for (value, other) in zip(try Picture(contentsOf: folder.file("out.png")).colors.doubles, y) {
      #expect(abs(value - min(max(0.5 + 0.1 * other, 0), 1)) < 0.5 / 255 + 1e-6)
    }
  }

  @Test func `apply goes from pictures to arrays and back`() throws {
    let picture = try picture("in.png", seed: 2)
    #expect(try run("apply", "in.png", "-o", "y.npy") == "")
    #expect(try array("y.npy").shape == [1, 3, 20, 30])
    _ = try run("apply", "in.png", "-o", "last.npy", "--layout", "nhwc")
    #expect(try array("last.npy").shape == [1, 20, 30, 3])
    try NPY.write(picture.colors, to: folder.file("x.npy"))
    _ = try run("apply", "x.npy", "-o", "a.png")
    _ = try run("apply", "in.png", "-o", "b.png")
    #expect(try bytes(of: folder.file("a.png")) == bytes(of: folder.file("b.png")))
  }

  @Test func `apply uses weights, under a layer's name too`() throws {
    let x = try Tensor.randomNormal([1, 4, 6, 5], seed: 1)
    try NPY.write(x, to: folder.file("x.npy"))
    for name in [nil, "net.norm1"] {
      let norm = try InstanceNorm2D(numOfMaps: 4, name: name)
      norm.scale?.data = try .randomNormal([4], seed: 2)
      norm.bias?.data = try .randomNormal([4], seed: 3)
      try norm.save(to: folder.file("w.safetensors"))
      _ = try run("apply", "x.npy", "-o", "y.npy", "--weights", "w.safetensors")
      #expect(try bits(array("y.npy")) == bits(norm(x)))
    }
  }

  @Test func `apply normalises by what a type shares`() throws {
    let x = try Tensor.randomNormal([3, 4, 6, 5], mean: 2, seed: 1)
    try NPY.write(x, to: folder.file("x.npy"))
    for (kind, sharing) in [("batch", MomentSharing.batch), ("layer", .layer), ("group:2", .group(2))] {
      _ = try run("apply", "x.npy", "-o", "y.npy", "--norm", kind)
      let expected = Reference(
        try x.doubles, maps: 4, planeSize: 30, sets: planeSets(sharing, images: 3, maps: 4)
      ).y
      #expect(zip(try array("y.npy").doubles, expected).allSatisfy { abs($0 - $1) < 2e-6 })
    }
    _ = try run("apply", "x.npy", "-o", "a.npy", "--norm", "instance")
    _ = try run("apply", "x.npy", "-o", "b.npy")
    #expect(try bytes(of: folder.file("a.npy")) == bytes(of: folder.file("b.npy")))
  }

  // MARK: transfer, fit

  @Test func `transfer gives the content the style's means and deviations`() throws {
    _ = try picture("content.png", seed: 1)
    let style = try picture("style.png", seed: 2)
    #expect(try run("transfer", "content.png", "style.png", "-o", "out.npy") == "")
    for (result, wanted) in zip(try array("out.npy").planeSummaries(), try style.colors.planeSummaries()) {
      #expect(abs(result.moments.mean - wanted.moments.mean) < 1e-6)
      #expect(abs(result.moments.variance / wanted.moments.variance - 1) < 1e-4)
    }
    // Also where the content hardly has any contrast of its own; where it has none, the mean is all there is to give.
    let faint = try Tensor.randomNormal([1, 3, 20, 30], mean: 0.5, deviation: 1e-4, seed: 5).array(of: Float.self)
    try NPY.write(
      Tensor(faint[..<1200] + Array(repeating: 0.25, count: 600), shape: [1, 3, 20, 30]), to: folder.file("faint.npy"))
    _ = try run("transfer", "faint.npy", "style.png", "-o", "out.npy")
    let (result, wanted) = (try array("out.npy").planeSummaries(), try style.colors.planeSummaries())
    for map in 0..<3 {
      #expect(abs(result[map].moments.mean - wanted[map].moments.mean) < 1e-6)
      let expected = map == 2 ? 0 : wanted[map].moments.variance
      #expect(abs(result[map].moments.variance - expected) < 1e-4)
    }
    _ = try run("transfer", "content.png", "style.png", "-o", "out.jpg")
    #expect(try Picture(contentsOf: folder.file("out.jpg")).width == 30)
  }

  @Test func `transfer goes as far as its strength`() throws {
    let content = try picture("content.png", seed: 1).colors.doubles
    _ = try picture("style.png", seed: 2)
    _ = try run("transfer", "content.png", "style.png", "-o", "whole.npy")
    let whole = try array("whole.npy").doubles
    for strength in [0, 0.25, 1, 1.5] {
      _ = try run("transfer", "content.png", "style.png", "-o", "some.npy", "--strength", "\(strength)")
      for ((some, start), end) in zip(zip(try array("some.npy").doubles, content), whole) {
        #expect(abs(some - (start + strength * (end - start))) < 1e-6)
      }
    }
  }

  @Test func `transfer between grey and colour gives colour`() throws {
    _ = try picture("grey.png", seed: 1, channels: 1)
    _ = try picture("color.png", seed: 2)
    _ = try run("transfer", "grey.png", "color.png", "-o", "a.png")
    _ = try run("transfer", "color.png", "grey.png", "-o", "b.png")
    for name in ["a.png", "b.png"] {
      #expect(try Picture(contentsOf: folder.file(name)).colors.shape == [1, 3, 20, 30])
    }
  }

  @Test(arguments: ["adam", "sgd"]) func `fit learns what apply then shows`(optimizer: String) throws {
    let input = try picture("in.png", seed: 1)
    let norm = try InstanceNorm2D(numOfMaps: 3)
    norm.scale?.data = try Tensor([0.05, 0.1, 0.15] as [Float])
    norm.bias?.data = try Tensor([0.4, 0.5, 0.6] as [Float])
    try NPY.write(norm(input.colors), to: folder.file("target.npy"))

    let report = try run(
      "fit", "in.png", "target.npy", "-o", "w.safetensors", "--optimizer", optimizer, "--steps", "400", "--learn-rate",
      optimizer == "adam" ? "0.05" : "1")
    #expect(report.hasPrefix("loss ") && report.contains("after 400 steps"))
    _ = try run("apply", "in.png", "-o", "y.npy", "--weights", "w.safetensors")
    #expect(try meanSquaredError(array("y.npy"), array("target.npy")).loss < 1e-6)
  }

  @Test func `fit takes a grey picture to colours, and apply follows`() throws {
    _ = try picture("grey.png", seed: 1, channels: 1)
    _ = try picture("color.png", seed: 2)
    _ = try run("transfer", "grey.png", "color.png", "-o", "target.npy")
    _ = try run("fit", "grey.png", "target.npy", "-o", "w.safetensors")
    _ = try run("apply", "grey.png", "--weights", "w.safetensors", "-o", "y.npy")
    #expect(try meanSquaredError(array("y.npy"), array("target.npy")).loss < 1e-4)
  }

  @Test func `fit starts where the seed says`() throws {
    _ = try picture("in.png", seed: 1)
    func weights(_ seed: String) throws -> [[UInt64]] {
      _ = try run("fit", "in.png", "in.png", "-o", "w.safetensors", "--steps", "3", "--seed", seed)
      let file = try SafetensorsFile(contentsOf: folder.file("w.safetensors"))
      return try ["weight", "bias"].map { try bits(file.tensor(named: $0)) }
    }
    let (first, again, other) = (try weights("0"), try weights("0"), try weights("1"))
    #expect(again == first)
    #expect(other[0] != first[0] && other[1] != first[1])
  }

  @Test(.enabled(if: FileManager.default.fileExists(atPath: "/dev/pts/ptmx"), "there are no terminals here"))
  func `fit draws its progress on a terminal alone`() throws {
    _ = try picture("in.png", seed: 1)
    // run() expects nothing on standard error.
    #expect(try !run("fit", "in.png", "in.png", "-o", "w.safetensors").contains("\r"))
    let fit = "'\(Tool.path("instnorm"))' fit in.png in.png -o w.safetensors --steps 20"
    for columns in [100, 40, 12] {
      let shell = try Tool(shell: "script -qec \"stty columns \(columns); \(fit)\" /dev/null", in: folder.path)
      #expect(shell.status == 0)
      #expect(shell.output.contains("20/20" + (columns > 20 ? "  loss " : "")), "\(shell.output)")
      let lines = shell.output.split { $0 == "\r" || $0.isNewline }
      #expect(lines.filter { $0.contains("/20") }.allSatisfy { $0.count < columns }, "\(lines)")
    }
  }

  // MARK: stats, devices, help

  @Test func `stats shows every plane, as a table and as JSON`() throws {
    try NPY.write(Tensor([1, 2, 3, 4, -10, 10, 0, 0.5] as [Float], shape: [2, 1, 2, 2]), to: folder.file("x.npy"))
    #expect(
      try run("stats", "x.npy") == """
        x.npy: (2, 1, 2, 2), float32
        t  i   mean  variance  min  max
        0  0    2.5      1.25    1    4
        1  0  0.125   50.0469  -10   10

        """)
    struct Report: Decodable {
      struct Plane: Decodable {
        var t, i: Int
        var mean, variance, min, max: Double?
      }
      var file, dtype: String
      var shape: [Int]
      var planes: [Plane]
    }
    func report() throws -> Report {
      try JSONDecoder().decode(Report.self, from: Data(try run("stats", "x.npy", "--json").utf8))
    }
    let report1 = try report()
    #expect(report1.file == "x.npy" && report1.dtype == "float32" && report1.shape == [2, 1, 2, 2])
    #expect(report1.planes.map(\.t) == [0, 1] && report1.planes.map(\.i) == [0, 0])
    #expect(report1.planes[0].mean == 2.5 && report1.planes[0].variance == 1.25)
    let empty = try Tool(["stats", "e.npy"], in: folder.path)
    #expect(empty.status == 1)
    try NPY.write(.zeros([1 << 62, 2, 1, 0]), to: folder.file("e.npy"))
    #expect(try run("stats", "e.npy").contains("(4611686018427387904, 2, 1, 0)"))
    #expect(report1.planes[1].min == -10 && report1.planes[1].max == 10)

    try NPY.write(Tensor([1, .nan] as [Float], shape: [1, 1, 2]), to: folder.file("x.npy"))
    #expect(try report().planes[0].mean == nil)
    _ = try picture("in.png", seed: 1)
    #expect(try run("stats", "in.png").hasPrefix("in.png: (1, 3, 20, 30), float32\n"))
  }

  @Test func `bench measures each layout, as a table and as JSON`() throws {
    let table = try run("bench", "--shape", "1,4,64,64", "--shape", "2,3,5,7").split(separator: "\n")
    #expect(table.count == 3 + 4)
    #expect(table[2].contains("in place") && table[3].hasPrefix("(1, 4, 64, 64)") && table[4].contains("nhwc"))

    struct Report: Decodable {
      struct Timing: Decodable {
        let seconds: Double
        let share: Double
      }
      struct Row: Decodable {
        let shape: [Int]
        let layout: String
        let copy: Double
        let forward: Timing
        let fused: Timing
        let inPlace: Timing
        let backward: Timing
      }
      struct Machine: Decodable {
        let threads: Int
        let dtype: String
        let instructionSet: String
      }
      let machine: Machine
      let rows: [Row]
    }
    let json = try run("bench", "--shape", "1,4,64,64", "--dtype", "bfloat16", "--threads", "1", "--json")
    let report = try JSONDecoder().decode(Report.self, from: Data(json.utf8))
    #expect(report.machine.threads == 1 && report.machine.dtype == "bfloat16")
    #expect(report.machine.instructionSet == CPUBackend.shared.instructionSet)
    #expect(report.rows.map(\.layout) == ["nchw", "nhwc"] && report.rows.allSatisfy { $0.shape == [1, 4, 64, 64] })
    for row in report.rows {
      for timing in [row.forward, row.fused, row.inPlace, row.backward] { #expect(timing.seconds > row.copy) }
      #expect(abs(row.forward.share * row.forward.seconds - row.copy) < 1e-3 * row.copy)
      #expect(abs(row.backward.share * row.backward.seconds - 1.5 * row.copy) < 1e-3 * row.copy)
    }
  }

  @Test func `devices lists what is at hand, the types that each computes in, and why there is no more`() throws {
    let lines = try run("devices").split(separator: "\n")
    let (listed, absent) = (lines.prefix(Device.available.count), lines.dropFirst(Device.available.count))
    #expect(listed.filter { $0.hasPrefix("* ") }.count == 1)
    for (line, device) in zip(listed, Device.available) {
      #expect(line.hasPrefix(device == .default ? "* \(device) " : "  \(device) "))
      #expect(line.hasSuffix("; " + device.supportedTypes.map(\.rawValue).joined(separator: ", ")))
    }
    #expect(listed.contains { $0.contains("cpu") && $0.contains("thread") })
    #expect(absent.count == Device.unavailable.count && absent.allSatisfy { $0.hasPrefix("not here: ") })

    struct Report: Decodable {
      struct Entry: Decodable {
        let name: String
        let isGPU: Bool
        let memory: Int
        let types: [String]
      }
      let `default`: String
      let devices: [Entry]
      let unavailable: [String]
    }
    let report = try JSONDecoder().decode(Report.self, from: Data(try run("devices", "--json").utf8))
    #expect(report.default == Device.default.name)
    #expect(report.devices.map(\.name) == Device.available.map(\.name))
    #expect(report.devices.map(\.isGPU) == Device.available.map(\.isGPU))
    // What a processor has for OpenCL may be what is free just now.
    #expect(report.devices.allSatisfy { $0.memory > 1 << 20 } && report.devices[0].memory == Device.cpu.memory)
    #expect(report.devices.map(\.types) == Device.available.map { $0.supportedTypes.map(\.rawValue) })
    #expect(report.unavailable.count == Device.unavailable.count)
  }

  @Test(arguments: Device.available.map(\.name)) func `every verb that computes does so where it is told`(
    device: String
  )
    throws
  {
    let x = try Tensor.randomNormal([1, 3, 20, 30], mean: 2, seed: 1)
    try NPY.write(x, to: folder.file("x.npy"))
    try NPY.write(.randomNormal([1, 3, 20, 30], mean: -1, deviation: 3, seed: 2), to: folder.file("style.npy"))
    func results(_ device: String) throws -> [Double] {
      _ = try run("apply", "x.npy", "-o", "y.npy", "--device", device)
      _ = try run("transfer", "x.npy", "style.npy", "-o", "t.npy", "--device", device)
      _ = try run("fit", "x.npy", "style.npy", "-o", "w.safetensors", "--steps", "5", "--device", device)
      let weights = try SafetensorsFile(contentsOf: folder.file("w.safetensors"))
      return try [array("y.npy"), array("t.npy"), weights.tensor(named: "weight"), weights.tensor(named: "bias")]
        .flatMap { try $0.doubles }
    }
    for (value, expected) in zip(try results(device), try results("cpu")) { #expect(abs(value - expected) < 1e-5) }
    #expect(try run("bench", "--shape", "1,2,8,8", "--json", "--device", device).contains("\"name\" : \"\(device)\""))
  }

  @Test func `help is enough to work from`() throws {
    let help = try run("--help")
    for verb in ["apply", "transfer", "fit", "stats", "figure", "bench", "devices", "selftest"] {
      #expect(help.contains(verb))
    }
    let apply = try run("apply", "--help")
    for option in [
      "--output", "--epsilon", "--no-affine", "--scale", "--bias", "--weights", "--layout", "--device", "--threads",
    ] {
      #expect(apply.contains(option))
    }
    #expect(try run("--version") == "0.1.0\n")
  }

  @Test func `the README's example runs as it is written there`() throws {
    let example = try Tool(program: "quickstart")
    #expect(example.status == 0 && example.output.contains("InstanceNorm2D"))
    let readme = try String(contentsOfFile: "\(packageFolder)/README.md", encoding: .utf8)
    let source = try String(contentsOfFile: "\(packageFolder)/Examples/Quickstart/main.swift", encoding: .utf8)
    let code = try #require(readme.split(separator: "```swift\n").dropFirst().first?.split(separator: "```").first)
    #expect(source.hasPrefix(code))
    #expect(code.contains("let out = try instNorm2d(data)"))
  }
}
