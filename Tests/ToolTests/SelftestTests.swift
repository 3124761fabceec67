import Foundation
import InstanceNorm
import TestSupport
import Testing

/// The verb `selftest`. Where a sanitizer watches, only `BrokenPromiseTests` runs the promises.
@Suite(.disabled(if: Sanitizer.isAddress || Sanitizer.isThread, "it would take minutes"))
struct SelftestTests {
  private struct Report: Decodable {
    struct Finding: Decodable {
      let title: String
      let isKept: Bool
      let cases: Int
      let worst: Double?
      let fault: String?
    }
    struct Speed: Decodable {
      let seconds: Double
      let gigabytesPerSecond: Double
      let share: Double
    }
    struct Row: Decodable {
      let shape: [Int]
      let layout: String
      let dtype: String
      let byteCount: Int
      let copy: Speed
      let forward: Speed
      let both: Speed
    }
    let device: String
    let summary: String
    let isGPU: Bool
    let memory: Int
    let promises: [Finding]
    let speed: [Row]
  }

  private func report(_ arguments: String...) throws -> Report {
    let tool = try Tool(["selftest", "--json"] + arguments)
    #expect(tool.status == 0 && tool.errors == "", "\(tool.errors)")
    return try JSONDecoder().decode(Report.self, from: Data(tool.output.utf8))
  }

  @Test func `every promise is kept on the CPU, a line each`() throws {
    let tool = try Tool(["selftest", "--device", "cpu", "--no-speed"])
    #expect(tool.status == 0 && tool.errors == "", "\(tool.errors)")
    let lines = tool.output.split(separator: "\n")
    #expect(lines.first?.hasPrefix("cpu: ") == true)
    #expect(lines.count > 15)
    for line in lines.dropFirst() { #expect(line.hasPrefix("ok      ") && line.contains(" case"), "\(line)") }
  }

  @Test func `speed is in bytes of tensors that have to be moved, and in shares of a copy`() throws {
    let report = try report("--device", "cpu", "--threads", "1")
    #expect(report.device == "cpu" && !report.isGPU && report.summary.contains("1 thread,"))
    #expect(report.memory == Device.cpu.memory)
    #expect(report.promises.allSatisfy { $0.isKept && $0.cases > 0 && $0.fault == nil && ($0.worst ?? 2) <= 1 })
    #expect(Set(report.speed.map(\.layout)) == ["nchw", "nhwc"])
    #expect(Set(report.speed.map(\.dtype)) == ["float32", "float16"])
    for row in report.speed {
      let size = row.shape.reduce(1, *) * (row.dtype == "float32" ? 4 : 2)
      #expect(row.byteCount == size)
      for (speed, tensors) in [(row.copy, 2.0), (row.forward, 2), (row.both, 5)] {
        #expect(abs(speed.gigabytesPerSecond * speed.seconds / (tensors * Double(size) / 1e9) - 1) < 1e-6)
        #expect(abs(speed.share * row.copy.gigabytesPerSecond / speed.gigabytesPerSecond - 1) < 1e-6)
      }
    }
  }

  @Test(.enabled(if: Device.available.contains { $0.name == "opencl:0" }, "there is no OpenCL here"))
  func `every promise is kept on the first OpenCL device`() throws {
    let report = try report("--device", "opencl:0", "--no-speed")
    #expect(report.device == "opencl:0" && report.speed.isEmpty)
    for promise in report.promises { #expect(promise.isKept, "\(promise.title): \(promise.fault ?? "")") }
  }
}
