import Foundation
import ImageFiles
import InstanceNorm
import TestSupport
import Testing

/// What the tool says about files and devices, and of itself.
@Suite struct VerbTests: VerbSuite {
  let folder = TemporaryFolder()

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
    #expect(report.machine.instructionSet == CPUBackend.shared.instructionSetName)
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
    // For OpenCL on a processor, memory may be what is free just now.
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
      "--output", "--epsilon", "--no-affine", "--scale", "--bias", "--weights", "--layer", "--layout", "--device",
      "--threads",
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
    let shown = readme.split(separator: "```swift\n").dropFirst().compactMap { $0.split(separator: "```").first }
    let code = try #require(shown.first { $0.contains("let out = try instNorm2d(data)") })
    #expect(source.hasPrefix(code))
  }
}
